//! Filesystems instead of compressed tars: what Linux itself reads of them is the tree, and what they cannot hold is refused.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use packer::{Compression, Pack, Strategy};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};
use tempfile::TempDir;
use testkit::at_once;

use crate::cancel::cancelled_after;
use crate::corners::{PLACE, equal, installed, of_kept};
use crate::corners_tree::{Node, Order, create, nodes};
use crate::faults::{fails, place};
use crate::laws::names;
use crate::same_bytes::{succeeds, unmount};
use crate::snapshot::{Snapshot, of_members, of_tree};
use testkit::log::skip;

/// Whether there are the programs.
pub(crate) fn can_be_made() -> bool {
    installed("tar2sqfs", "--version") && installed("sqfs2tar", "--version")
}

fn made(tree: &Path, output: &Path) -> packer::Image {
    Pack::new(tree).compression(Compression::Squashfs).publish(output).unwrap()
}

/// The entries of the tree of corners that a filesystem can hold.
fn corners() -> Vec<Node> {
    let fits = |node: &Node| {
        let plain = |name: &[u8]| !name.iter().any(|byte| b"%=".contains(byte)) && !name.starts_with(b"system.");
        let in_time = u32::try_from(node.time.0).is_ok();
        in_time && node.lists.is_empty() && node.attributes.iter().all(|(name, _)| plain(name))
    };
    let all = nodes();
    let unfit: BTreeSet<Vec<u8>> = all.iter().filter(|node| !fits(node)).map(|node| node.path.clone()).collect();
    let below = |path: &[u8], top: &[u8]| path.starts_with(top) && path.get(top.len()) == Some(&b'/');
    let lost = |path: &[u8]| unfit.iter().any(|unfit| path == &**unfit || below(path, unfit));
    all.into_iter().filter(|node| !lost(&node.path) && !node.first_name().is_some_and(lost)).collect()
}

/// What should come back: all that an image keeps, without parts of seconds.
fn expected(tree: &Path) -> Snapshot {
    let mut expected = of_kept(tree);
    for facts in expected.values_mut() {
        let whole = format!("{}.000000000", facts["mtime"].split('.').next().unwrap());
        facts.insert("mtime".to_owned(), whole);
    }
    expected
}

#[test]
fn linux_and_sqfs2tar_read_the_tree() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can make the tree of corners");
    }
    if !can_be_made() {
        return;
    }
    let place = TempDir::new_in(PLACE).unwrap();
    let [tree, images, on] = ["tree", "images", "on"].map(|name| place.path().join(name));
    [&tree, &images, &on].iter().for_each(|directory| fs::create_dir(directory).unwrap());
    create(&tree, &corners(), Order::Forwards);
    fs::write(tree.join("large"), vec![7; 3 << 20]).unwrap();
    let image = made(&tree, &images).path.unwrap();
    let expected = expected(&tree);
    assert!(expected.len() > 100, "only {} entries", expected.len());
    match succeeds(Command::new("mount").args(["-t", "squashfs", "-o", "loop,ro"]).args([&image, &on])) {
        Ok(()) => {
            let found = of_tree(&on);
            unmount(&on);
            equal(&found, &expected, &[]);
        }
        Err(why) => skip(&format!("no squashfs: {why}")),
    }
    if installed("python3", "--version") {
        let tar = Command::new("sqfs2tar").args(["--no-skip", "--root-becomes", "."]).arg(&image).output().unwrap();
        assert!(tar.status.success());
        fs::write(images.join("tar"), tar.stdout).unwrap();
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/members.py");
        let listed = Command::new("python3").arg(program).arg(images.join("tar")).output().unwrap();
        let listed = of_members(std::str::from_utf8(&listed.stdout).unwrap());
        assert_eq!(listed.len(), expected.len());
    }
    let verified = packer::verify(&image).unwrap();
    assert_eq!(verified.entries, expected.len() as u64);
}

#[test]
fn neither_strategy_nor_threads_nor_chance_matter() {
    if !can_be_made() {
        return;
    }
    let place = place();
    let mut fingerprint = None;
    for strategy in Strategy::ALL {
        for threads in [1, 2, 7] {
            let output = TempDir::new().unwrap();
            let pack = Pack::new(place.path().join("tree")).compression(Compression::Squashfs).strategy(strategy);
            let pack = pack.threads(NonZeroUsize::new(threads).unwrap()).diff_id(true);
            let image = pack.publish(output.path()).unwrap();
            assert_eq!(names(output.path()), [format!("{}.squashfs", image.fingerprint)]);
            assert_eq!(*fingerprint.get_or_insert(image.fingerprint), image.fingerprint, "{strategy}, {threads}");
            let again = if strategy == Strategy::TwoPass { image.tar_size } else { 0 };
            let content: u64 = (0..60).map(|number| number * 9_000).sum();
            assert_eq!(image.bytes_read, content + image.size + again);
        }
    }
}

/// A tree with one entry that is made by `dress`.
#[track_caller]
fn refuses(dress: impl FnOnce(&Path), words: &str) {
    let place = TempDir::new_in(PLACE).unwrap();
    let [tree, images] = ["tree", "images"].map(|name| place.path().join(name));
    [&tree, &images].iter().for_each(|directory| fs::create_dir(directory).unwrap());
    fs::write(tree.join("before"), "before").unwrap();
    fs::write(tree.join("file"), "content").unwrap();
    dress(&tree.join("file"));
    let error = Pack::new(&tree).compression(Compression::Squashfs).publish(&images).unwrap_err().to_string();
    assert!(error.contains("tree/file` has ") && error.contains(words), "{error}");
    assert!(names(&images).is_empty());
    Pack::new(&tree).publish(&images).unwrap();
}

#[test]
fn what_would_come_back_as_something_else_is_refused_and_named() {
    if !can_be_made() {
        return;
    }
    for seconds in [-1, 1 << 32, 1 << 33] {
        let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        let dress = |file: &Path| rustix::fs::utimensat(CWD, file, &times, AtFlags::empty()).unwrap();
        refuses(dress, "a time before 1970 or after 2106");
    }
    for name in ["user.a=b", "user.%41"] {
        let dress = |file: &Path| rustix::fs::setxattr(file, name, b"value", XattrFlags::empty()).unwrap();
        refuses(dress, &format!("the attribute `{name}`"));
    }
    // Version 2; then the owner, user 1000, group, mask and others: tag, permissions and id of each.
    let list = [(1_u16, 7_u16, u32::MAX), (2, 5, 1000), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 4, u32::MAX)];
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in list {
        value.extend([&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat());
    }
    let name = "system.posix_acl_access";
    let dress = |file: &Path| rustix::fs::setxattr(file, name, &value, XattrFlags::empty()).unwrap();
    refuses(dress, "the attribute `system.posix_acl_access`");
}

#[test]
fn a_program_that_fails_is_named_with_its_own_words() {
    let place = place();
    let faults = [
        ("echo boom >&2; exit 3", "`tar2sqfs` failed (exit status: 3): boom"),
        ("exit 0", "`tar2sqfs` ended before it had read all of its input"),
        ("kill -9 $$", "`tar2sqfs` failed (signal: 9"),
        ("exec <&-; exec sleep 100", "`tar2sqfs` ended before it had read all of its input"),
        ("head -c 1000000 /dev/zero | tr \\\\0 x >&2; exit 6", "`tar2sqfs` failed (exit status: 6): xxxx"),
        ("head -c 100000 >/dev/null; kill -9 $$", "`tar2sqfs` failed (signal: 9"),
        ("head -c 100000 >/dev/null", "`tar2sqfs` ended before it had read all of its input"),
        ("cat >/dev/null; echo late >&2; exit 1", "`tar2sqfs` failed (exit status: 1): late"),
        ("cat >/dev/null", "`tar2sqfs` did not write a filesystem"),
        ("cat >/dev/null; head -c 9000 /dev/zero > /proc/self/fd/1", "`tar2sqfs` did not write a filesystem"),
        ("cat > /proc/self/fd/1", "`tar2sqfs` did not write a filesystem"),
        ("cat >/dev/null; echo hsqs > /proc/self/fd/1", "`tar2sqfs` did not write a filesystem"),
        ("sleep 20 & exit 4", "`tar2sqfs` failed (exit status: 4)"),
    ];
    // They wait more than they work: all at once.
    let cases = faults.iter().flat_map(|fault| ["single-stream", "two-pass"].map(|strategy| (fault, strategy)));
    at_once(cases, |number, ((program, words), strategy)| {
        let out = place.path().join(format!("out/{number}"));
        fs::create_dir(&out).unwrap();
        let script = format!(
            "mount -t tmpfs none /usr/local/sbin && printf '%s\\n' '#!/bin/sh' '[ \"$1\" != --version ] || exit 0' \
             '{program}' > /usr/local/sbin/tar2sqfs && chmod +x /usr/local/sbin/tar2sqfs && \
             exec $ONEPASS pack tree -o out/{number} -c squashfs --strategy {strategy}"
        );
        fails(&place, &script, words);
        assert!(names(&out).is_empty(), "{program}: left behind");
    });
}

/// All of a small tar fits the pipe, so that nobody notices a program that never reads it – but for what is left there.
#[test]
fn a_program_that_reads_nothing_of_a_small_tar_is_noticed() {
    if !can_be_made() {
        return;
    }
    let place = place();
    let [small, out] = ["small", "out"].map(|name| place.path().join(name));
    fs::create_dir(&small).unwrap();
    let image = made(&small, &out).path.unwrap();
    let whole = place.path().join("whole");
    fs::rename(image, &whole).unwrap();
    let script = format!(
        "mount -t tmpfs none /usr/local/sbin && printf '%s\\n' '#!/bin/sh' '[ \"$1\" != --version ] || exit 0' \
         'cat {} > /proc/self/fd/1' > /usr/local/sbin/tar2sqfs && chmod +x /usr/local/sbin/tar2sqfs && \
         exec $ONEPASS pack small -o out -c squashfs",
        whole.display()
    );
    fails(&place, &script, "`tar2sqfs` ended before it had read all of its input");
    assert!(names(&out).is_empty());
}

#[test]
fn a_program_that_is_missing_is_named() {
    let place = place();
    let without = "mount -t tmpfs none /usr/bin && exec";
    fails(&place, &format!("{without} $ONEPASS pack tree -o out -c squashfs"), "`tar2sqfs` is not installed");
    if can_be_made() {
        let image = made(&place.path().join("tree"), &place.path().join("out")).path.unwrap();
        let script = format!("{without} $ONEPASS verify {}", image.display());
        fails(&place, &script, "`sqfs2tar` is not installed");
    }
}

/// What it might print does not get into the image.
#[test]
fn standard_output_cannot_be_written_to() {
    if !can_be_made() {
        return;
    }
    let place = place();
    let [tree, out] = ["tree", "out"].map(|name| place.path().join(name));
    let expected = made(&tree, &out).fingerprint;
    let script = "program=$(command -v tar2sqfs) && mount -t tmpfs none /usr/local/sbin && \
                  printf '%s\\n' '#!/bin/sh' \"$program \\\"\\$@\\\"; echo 'printed'; exit 0\" \
                  > /usr/local/sbin/tar2sqfs && chmod +x /usr/local/sbin/tar2sqfs && \
                  exec $ONEPASS pack tree -o out -c squashfs --if-changed ";
    let run = crate::faults::run(&place, &format!("{script}{expected}"));
    assert_eq!(String::from_utf8_lossy(&run.stderr), "onepass: the image is unchanged, and was not kept\n");
}

#[test]
fn a_reader_that_fails_is_named_with_its_own_words() {
    if !can_be_made() {
        return;
    }
    let place = place();
    let image = made(&place.path().join("tree"), &place.path().join("out")).path.unwrap();
    let faults = [
        ("echo boom >&2; exit 3", "`sqfs2tar` failed (exit status: 3): boom"),
        ("kill -9 $$", "`sqfs2tar` failed (signal: 9"),
        ("exit 0", "does not end with two blocks of zeros"),
        ("head -c 2000000 /dev/zero >&2; echo boom; exit 3", "is not a sound image"),
        ("cat /proc/self/fd/0; exit 9", "is not a sound image"),
        ("exec >&-; exec sleep 100", "`sqfs2tar` closed its output and did not end"),
    ];
    at_once(faults, |_, (program, words)| {
        let script = format!(
            "mount -t tmpfs none /usr/local/sbin && printf '%s\\n' '#!/bin/sh' '{program}' > /usr/local/sbin/sqfs2tar && \
             chmod +x /usr/local/sbin/sqfs2tar && exec $ONEPASS verify {}",
            image.display()
        );
        fails(&place, &script, words);
    });
}

#[test]
fn at_whatever_moment_a_pack_is_cancelled_nothing_is_left() {
    if !can_be_made() {
        return;
    }
    let (root, output) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(root.path().join("file"), "content ".repeat(200_000)).unwrap();
    let pack = Pack::new(root.path()).compression(Compression::Squashfs);
    let mut leave = 0;
    while let Err(error) = pack.clone().cancel_token(cancelled_after(leave)).publish(output.path()) {
        assert!(error.kind() == packer::ErrorKind::Cancelled, "after {leave}: {error}");
        assert!(names(output.path()).is_empty(), "after {leave}");
        leave += 1 + leave / 16;
    }
    assert!(leave > 10, "asked only {leave} times");
}

/// The limit is told in time, not when all is packed; what is taken back as a double does not count.
#[test]
fn a_limit_is_for_what_stays() {
    if !can_be_made() {
        return;
    }
    let (root, output) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let noise = testkit::cases::Noise(1).bytes(1 << 20);
    ["a", "b", "c"].iter().for_each(|name| fs::write(root.path().join(name), &noise).unwrap());
    let pack = |limit| Pack::new(root.path()).compression(Compression::Squashfs).max_size(limit);
    let size = pack(u64::MAX).publish(output.path()).unwrap().size;
    assert!(size < 2 << 20, "no double was found");
    pack(size).publish(output.path()).unwrap();
    for limit in [size - 1, 1_000, 0] {
        let error = pack(limit).publish(output.path()).unwrap_err();
        assert_eq!(error.to_string(), format!("the image is larger than the limit of {limit} bytes"));
    }
}
