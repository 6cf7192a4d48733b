//! An image is the tree that it was packed from, and every change of that tree shows, as what it is and where.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use packer::{Compression, Pack, Source};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use tempfile::TempDir;

use crate::corners::{PLACE, pack};
use crate::corners_tree::{Node, Order, create, nodes};
use crate::faults;
use crate::workshop::{WHOLE, Workshop, sha256};
use testkit::log::skip;

/// The time of an entry as it is now, to be set again.
pub(crate) fn keep_time(path: &Path) -> impl Fn(&Path) + use<> {
    let found = fs::symlink_metadata(path).unwrap();
    let time = Timespec { tv_sec: found.mtime(), tv_nsec: found.mtime_nsec() };
    let times = Timestamps { last_access: time, last_modification: time };
    move |path| rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap()
}

fn verify(arguments: &[&OsStr]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_onepass")).arg("verify").args(arguments).output().unwrap()
}

/// What `verify --against` prints on standard output; it exits with 1 if there is something, with 0 if not.
#[track_caller]
fn told(image: &Path, tree: &Path, options: &[&str]) -> String {
    let options = options.iter().map(OsStr::new);
    let arguments = [image.as_os_str(), "--against".as_ref(), tree.as_os_str()];
    let run = verify(&arguments.into_iter().chain(options).collect::<Vec<_>>());
    let said = String::from_utf8(run.stdout).unwrap();
    let code = i32::from(!said.is_empty());
    assert_eq!(run.status.code(), Some(code), "{said}{}", String::from_utf8_lossy(&run.stderr));
    said
}

#[test]
fn the_tree_of_corners_is_the_same_by_the_rules_that_it_was_packed_by() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can make the tree of corners");
    }
    let place = TempDir::new_in(PLACE).unwrap();
    let (tree, images) = (place.path().join("tree"), place.path().join("images"));
    fs::create_dir(&tree).unwrap();
    fs::create_dir(&images).unwrap();
    create(&tree, &nodes(), Order::Forwards);
    for options in [
        &[][..],
        &["--exclude", "dev/*", "--exclude", "links/a-*"],
        &["--owner", "7:2097152"],
        &["--clamp-mtime", "1"],
        &[
            "--idmap",
            "u:4294967294:0:1",
            "--idmap",
            "u:0:1:4294967294",
            "--idmap",
            "g:1:0:4294967294",
            "--idmap",
            "g:0:4294967294:1",
        ],
    ] {
        let record = pack(&tree, &images, options);
        let image = Path::new(record["path"].as_str().unwrap());
        assert_eq!(told(image, &tree, options), "", "{options:?}");
        if !options.is_empty() {
            assert_ne!(told(image, &tree, &[]), "", "{options:?}");
        }
    }
}

/// What the formats do to the tree – put it below `rootfs`, leave out holes, part names below `dev` – is no difference.
#[test]
fn the_tree_of_corners_is_the_same_in_every_format() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can make the tree of corners");
    }
    let place = TempDir::new_in(PLACE).unwrap();
    let (tree, images) = (place.path().join("tree"), place.path().join("images"));
    fs::create_dir(&tree).unwrap();
    create(&tree, &nodes(), Order::Forwards);
    let without = ["--exclude", "**/.wh.*", "--exclude", "specials/character-0"];
    for (format, options) in [
        ("unified", &[][..]),
        ("unified", &["--sparse", "never"]),
        ("split", &[]),
        ("split", &without),
        ("oci", &without),
    ] {
        let images = images.join(format);
        fs::create_dir_all(&images).unwrap();
        let record = pack(&tree, &images, &[&["--format", format, "--arch", "x86_64"], options].concat());
        let image = Path::new(record["path"].as_str().unwrap());
        let rules = if options.contains(&"--exclude") { options } else { &[] };
        assert_eq!(told(image, &tree, rules), "", "{format} {options:?}");
        let name = keep_time(&tree);
        fs::write(tree.join("one more"), "").unwrap();
        name(&tree);
        assert_eq!(told(image, &tree, rules), "one more: only in the tree\n", "{format} {options:?}");
        fs::remove_file(tree.join("one more")).unwrap();
        name(&tree);
    }
}

/// A small tree in the workshop, and its image.
fn small() -> (Workshop, PathBuf) {
    let shop = Workshop::new();
    let at = |name: &str| shop.tree().join(name);
    fs::create_dir(at("etc")).unwrap();
    for (name, content) in [("etc/passwd", "root"), ("etc/shadow", "x"), ("etc/group", "root:"), ("etc/gone", "")] {
        fs::write(at(name), content).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::hard_link(at("etc/group"), at("etc/group-")).unwrap();
    fs::hard_link(at("etc/group"), at("etc/groups")).unwrap();
    symlink("gone", at("etc/link")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(at("etc/s")).unwrap());
    let image = Pack::new(shop.tree()).publish(shop.images()).unwrap().path.unwrap();
    (shop, image)
}

#[test]
fn every_difference_is_a_line() {
    let (shop, image) = small();
    let at = |name: &str| shop.tree().join(name);
    assert_eq!(told(&image, &shop.tree(), &[]), "");
    let times = ["", "etc", "etc/passwd", "etc/group", "etc/link"].map(|name| (at(name), keep_time(&at(name))));
    fs::write(at("etc/passwd"), "toor").unwrap();
    fs::set_permissions(at("etc/shadow"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(at("etc/groups"), "root:x").unwrap();
    fs::remove_file(at("etc/group-")).unwrap();
    fs::write(at("etc/group-"), "root:x").unwrap();
    times[3].1(&at("etc/group-"));
    fs::set_permissions(at("etc/group-"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(at("etc/gone")).unwrap();
    fs::remove_file(at("etc/link")).unwrap();
    symlink("\x1b[31m", at("etc/link")).unwrap();
    fs::write(at("etc/new\n"), "").unwrap();
    fs::create_dir(at("usr")).unwrap();
    times.iter().for_each(|(path, time)| time(path));
    insta::assert_snapshot!(told(&image, &shop.tree(), &[]), @r"
    etc/gone: only in the image
    etc/group: size 5 in the image, 6 in the tree
    etc/group-: hard link `etc/group` in the image, none in the tree
    etc/group-: size 5 in the image, 6 in the tree
    etc/link: target `gone` in the image, `\u{1b}[31m` in the tree
    etc/new\n: only in the tree
    etc/passwd: content differs
    etc/shadow: mode 0600 in the image, 0640 in the tree
    usr: only in the tree
    ");
}

#[test]
fn owners_times_kinds_and_attributes_are_told_with_both_values() {
    let (shop, image) = small();
    if !rustix::process::geteuid().is_root() {
        return skip("only root can change owners");
    }
    let at = |name: &str| shop.tree().join(name);
    let etc = keep_time(&at("etc"));
    let times = |seconds, nanoseconds| {
        let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        Timestamps { last_access: time, last_modification: time }
    };
    let set = |name: &str, times: &Timestamps| rustix::fs::utimensat(CWD, at(name), times, AtFlags::empty()).unwrap();
    for name in ["etc/passwd", "etc/shadow", "etc/group", "etc/gone"] {
        set(name, &times(-1, 999_999_999));
    }
    rustix::fs::setxattr(at("etc/gone"), "user.kept", b"1", XattrFlags::empty()).unwrap();
    rustix::fs::setxattr(at("etc/gone"), "user.lost", b"1", XattrFlags::empty()).unwrap();
    rustix::fs::mknodat(CWD, at("etc/null"), FileType::CharacterDevice, Mode::RUSR, rustix::fs::makedev(1, 3)).unwrap();
    set("etc/null", &times(0, 0));
    etc(&at("etc"));
    fs::remove_file(&image).unwrap();
    let image = Pack::new(shop.tree()).publish(shop.images()).unwrap().path.unwrap();
    set("etc/passwd", &times(5, 0));
    std::os::unix::fs::chown(at("etc/shadow"), Some(7), Some(4_294_967_294)).unwrap();
    rustix::fs::setxattr(at("etc/gone"), "user.kept", b"2", XattrFlags::empty()).unwrap();
    rustix::fs::removexattr(at("etc/gone"), "user.lost").unwrap();
    rustix::fs::setxattr(at("etc/gone"), "user.new", b"", XattrFlags::empty()).unwrap();
    fs::remove_file(at("etc/null")).unwrap();
    rustix::fs::mknodat(CWD, at("etc/null"), FileType::CharacterDevice, Mode::RUSR, rustix::fs::makedev(1, 5)).unwrap();
    set("etc/null", &times(0, 0));
    fs::remove_file(at("etc/link")).unwrap();
    etc(&at("etc"));
    fs::remove_file(at("etc/group")).unwrap();
    fs::create_dir(at("etc/group")).unwrap();
    fs::set_permissions(at("etc/group"), fs::Permissions::from_mode(0o600)).unwrap();
    set("etc/group", &times(-1, 999_999_999));
    etc(&at("etc"));
    insta::assert_snapshot!(told(&image, &shop.tree(), &[]), @r"
    etc/gone: attribute `user.kept` differs
    etc/gone: attribute `user.lost` only in the image
    etc/gone: attribute `user.new` only in the tree
    etc/group: kind file in the image, directory in the tree
    etc/group-: hard link `etc/group` in the image, none in the tree
    etc/groups: hard link `etc/group` in the image, `etc/group-` in the tree
    etc/link: only in the image
    etc/null: device 1,3 in the image, 1,5 in the tree
    etc/passwd: mtime -0.000000001 in the image, 5 in the tree
    etc/shadow: owner 0:0 in the image, 7:4294967294 in the tree
    ");
}

#[test]
fn images_of_every_format_are_the_tree() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can make the tree of corners");
    }
    let shop = Workshop::new();
    // What GNU tar does not give back is told in `foreign.rs`.
    let kept = |node: &Node| [&b"links"[..], b"attributes/machine"].iter().all(|lost| !node.path.starts_with(lost));
    create(&shop.tree(), &nodes().into_iter().filter(kept).collect::<Vec<_>>(), Order::Forwards);
    for image in [shop.unified(), shop.split(), shop.oci()] {
        assert_eq!(told(&image, &shop.tree(), &[]), "", "{}", image.display());
    }
}

/// LXD and Incus unpack nothing below `dev`: what has names there and elsewhere is not the same file in their images, and is in others.
#[test]
fn what_is_below_dev_is_nobodys_hard_link_in_lxds_formats() {
    let shop = Workshop::new();
    fs::create_dir(shop.tree().join("dev")).unwrap();
    fs::write(shop.tree().join("dev/first"), "content").unwrap();
    fs::hard_link(shop.tree().join("dev/first"), shop.tree().join("second")).unwrap();
    let apart = [&WHOLE[..], &["--hard-dereference"]].concat();
    let unified = shop.keep(&shop.tar(".", &apart, &["metadata.yaml", "rootfs"]), ".tar");
    let linked = shop.keep(&shop.tar(".", &WHOLE, &["metadata.yaml", "rootfs"]), ".tar");
    let tree = shop.keep(&shop.tar("rootfs", &apart, &["."]), ".tar");
    assert_eq!(told(&unified, &shop.tree(), &[]), "");
    assert_eq!(told(&linked, &shop.tree(), &[]), "");
    assert_eq!(told(&tree, &shop.tree(), &[]), "second: hard link none in the image, `dev/first` in the tree\n");
    assert_eq!(packer::diff(&Source::new(&unified), &Source::new(&tree)).unwrap(), []);
}

/// Two bytes of content that are exchanged in an archive are nothing that its structure shows.
#[test]
fn a_fault_of_the_packer_would_be_seen() {
    let (shop, _) = small();
    let image = Pack::new(shop.tree()).compression(Compression::None).publish(shop.images()).unwrap();
    let mut bytes = fs::read(image.path.unwrap()).unwrap();
    let content = bytes.windows(6).position(|window| window == b"root\0\0").unwrap();
    bytes.swap(content, content + 1);
    let image = shop.keep(&bytes, ".tar");
    assert_eq!(told(&image, &shop.tree(), &[]), "etc/passwd: content differs\n");
}

#[test]
fn one_means_an_answer_and_two_that_there_is_none() {
    let (shop, image) = small();
    let at = |name: &str| shop.tree().join(name).into_os_string();
    let damaged = shop.images().join(sha256(b"another"));
    fs::copy(&image, &damaged).unwrap();
    let (image, damaged, tree) = (image.into_os_string(), damaged.into_os_string(), shop.tree().into_os_string());
    let against = "--against".to_owned().into();
    for (arguments, code, words) in [
        (&[&image][..], 0, ""),
        (&[&image, &against, &tree], 0, "is the same"),
        (&[&damaged], 1, "is not a sound image"),
        (&[&damaged, &against, &tree], 1, "is not a sound image"),
        (&[&image, &against, &at("etc")], 1, "differs in"),
        (&[&at("etc/nowhere")], 2, "no such file"),
        (&[&image, &against, &at("etc/nowhere")], 2, "no such file"),
        (&[&image, &against, &at("etc/passwd")], 2, "is not a directory"),
        (&[&at("etc")], 2, "is neither an OCI image layout nor a split image"),
        (&[&"/dev/null".to_owned().into()], 2, "is not a regular file"),
        (&[&image, &"--owner".to_owned().into(), &"0:0".to_owned().into()], 2, "--against"),
    ] {
        let run = verify(&arguments.iter().map(|argument| argument.as_os_str()).collect::<Vec<_>>());
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

/// What is mounted below the tree is a part of it if the pack was told so.
#[test]
fn mounts_are_crossed_only_when_asked_for() {
    let place = TempDir::new().unwrap();
    let script = "mkdir -p tree/memory out && echo in > tree/file && mount -t tmpfs none tree/memory \
         && echo here > tree/memory/inside && P=$(\"$ONEPASS\" pack tree -o out | cut -c67-) \
         && C=$(\"$ONEPASS\" pack tree -o out --cross-mounts | cut -c67-) && \"$ONEPASS\" verify $P --against tree \
         && \"$ONEPASS\" verify $C --against tree --cross-mounts && ! \"$ONEPASS\" verify $C --against tree";
    let run = faults::run(&place, script);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(String::from_utf8_lossy(&run.stdout), "memory/inside: only in the image\n");
}
