//! A tree whose owner is hostile: while it is packed, its entries are swapped for ways out of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use packer::{CancelToken, Compression, Pack};
use rustix::fs::{CWD, FileType, Mode, RenameFlags};
use tempfile::TempDir;
use testkit::tier::sized;

use crate::corners::PLACE;
use crate::strace;

/// What stands outside, and must never be inside.
const SECRET: &[u8] = b"the host's own secret, 4af1c09b";

/// Ends the storm with the test, also if that fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Exchanges each pair of names over and over while `work` runs.
fn storm<Value>(pairs: &[(PathBuf, PathBuf)], work: impl FnOnce() -> Value) -> Value {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for (one, other) in pairs {
                    rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
                }
            }
        });
        let _over = Over(&over);
        work()
    })
}

fn hostile(place: &Path) -> Vec<(PathBuf, PathBuf)> {
    let (tree, outside) = (place.join("tree"), place.join("outside"));
    for directory in [&tree, &outside, &tree.join("directory"), &tree.join("directory/below")] {
        fs::create_dir(directory).unwrap();
    }
    // The same names inside and outside, of the same length.
    for name in ["directory/file", "directory/below/file", "file", "other"] {
        fs::write(tree.join(name), vec![b'.'; SECRET.len()]).unwrap();
    }
    fs::create_dir(outside.join("below")).unwrap();
    for name in ["file", "below/file"] {
        fs::write(outside.join(name), SECRET).unwrap();
    }
    symlink(&outside, tree.join("way-out")).unwrap();
    symlink(outside.join("file"), tree.join("file-out")).unwrap();
    rustix::fs::mknodat(CWD, tree.join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let pair = |one: &str, other: &str| (tree.join(one), tree.join(other));
    vec![pair("directory", "way-out"), pair("file", "file-out"), pair("other", "fifo")]
}

#[test]
fn no_byte_from_outside_whatever_is_swapped_and_when() {
    let place = TempDir::new().unwrap();
    let pairs = hostile(place.path());
    let output = TempDir::new().unwrap();
    let (mut images, mut refusals, count) = (0, 0, sized(60, 2_000_usize));
    storm(&pairs, || {
        for number in 0..count {
            let threads = std::num::NonZeroUsize::new(1 + number % 3).unwrap();
            let pack = Pack::new(place.path().join("tree")).compression(Compression::None);
            match pack.threads(threads).live(number % 2 == 0).publish(output.path()) {
                Ok(image) => {
                    assert!(!leaks(image.path.as_ref().unwrap()), "pack {number} holds what stands outside");
                    packer::verify(image.path.as_ref().unwrap()).unwrap();
                    images += 1;
                }
                Err(error) => {
                    assert!(error.kind() == packer::ErrorKind::Changed, "pack {number}: {error}");
                    assert!(number % 2 == 1, "a live tree was refused: {error}");
                    refusals += 1;
                }
            }
        }
    });
    assert_eq!(images + refusals, count);
    testkit::log::count("packs in a storm", count);
}

/// The swap comes once, at each moment in turn, so that one of them is between the listing and the reading of each file.
#[test]
fn what_became_a_way_out_at_any_step_is_not_taken() {
    for live in [false, true] {
        let (mut refusals, mut looks) = (0, 0);
        for at in 0.. {
            let (place, output) = (TempDir::new().unwrap(), TempDir::new().unwrap());
            let pairs = hostile(place.path());
            // A pack asks its token between any two steps.
            let asked = Arc::new(AtomicU64::new(0));
            let count = Arc::clone(&asked);
            let swap = CancelToken::when(move || {
                if count.fetch_add(1, Ordering::SeqCst) == at {
                    for (one, other) in &pairs {
                        rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
                    }
                }
                false
            });
            let pack = Pack::new(place.path().join("tree")).compression(Compression::None).live(live);
            match pack.cancel_token(swap).publish(output.path()) {
                Ok(image) => assert!(!leaks(image.path.as_ref().unwrap()), "swapped at question {at}, live: {live}"),
                Err(error) => {
                    assert!(!live && error.kind() == packer::ErrorKind::Changed, "swapped at question {at}: {error}");
                    refusals += 1;
                }
            }
            // A pack that was refused asked no more; one that ended before the swap is the last.
            if asked.load(Ordering::SeqCst) <= at {
                break;
            }
            looks += 1;
        }
        assert!(looks > 10 && (live || refusals > 0), "{looks} looks, {refusals} refusals");
    }
}

fn leaks(image: &Path) -> bool {
    fs::read(image).unwrap().windows(SECRET.len()).any(|window| window == SECRET)
}

/// The walk is stopped between looking at an entry and reading its attributes, which are read by name.
#[test]
fn attributes_are_those_of_the_entry_that_was_listed() {
    if !strace::is_installed() {
        return;
    }
    let flags = rustix::fs::XattrFlags::empty();
    for live in [false, true] {
        let place = TempDir::new_in(PLACE).unwrap();
        let (tree, images, log) = (place.path().join("tree"), place.path().join("images"), place.path().join("log"));
        fs::create_dir(&tree).unwrap();
        fs::create_dir(&images).unwrap();
        let (victim, outside) = (tree.join("victim"), place.path().join("outside"));
        fs::write(&victim, "inside").unwrap();
        fs::write(&outside, "outside").unwrap();
        rustix::fs::setxattr(&victim, "user.name", b"inside", flags).unwrap();
        rustix::fs::setxattr(&outside, "user.name", SECRET, flags).unwrap();
        let traced = |injection: &[String]| {
            let _ = fs::remove_file(&log);
            let mut run = Command::new("strace");
            run.args(["-f", "-qq", "-e", "trace=statx"]).args(injection).arg("-o").arg(&log);
            run.arg(env!("CARGO_BIN_EXE_onepass")).args(["pack", "-c", "none", "-t", "1", "-o"]).arg(&images);
            run.arg(&tree).args(live.then_some("--live")).stdout(Stdio::piped()).stderr(Stdio::piped());
            run.spawn().unwrap()
        };
        assert!(traced(&[]).wait_with_output().unwrap().status.success());
        fs::remove_file(fs::read_dir(&images).unwrap().next().unwrap().unwrap().path()).unwrap();
        let calls = fs::read_to_string(&log).unwrap();
        let look = calls.lines().filter(|line| line.contains("statx(")).position(|line| line.contains("\"victim\""));
        let stop = format!("inject=statx:signal=STOP:when={}", look.unwrap() + 1);
        let child = traced(&["-e".into(), stop]);
        let stopped = loop {
            let log = fs::read_to_string(&log).unwrap_or_default();
            match log.lines().find(|line| line.contains("stopped by SIGSTOP")) {
                Some(line) => break line.split(' ').next().unwrap().parse().unwrap(),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        fs::hard_link(&outside, tree.join("new")).unwrap();
        fs::rename(tree.join("new"), &victim).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(stopped).unwrap(), rustix::process::Signal::CONT)
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.contains("victim`") && words.contains("another file took its place"), "{words}");
        assert_eq!(output.status.code(), Some(if live { 3 } else { 1 }), "{words}");
        let left: Vec<_> = fs::read_dir(&images).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left.len(), usize::from(live));
        assert!(left.iter().all(|image| !leaks(image)), "live: {live}");
    }
}
