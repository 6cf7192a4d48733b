//! Files that change while they are packed, and faults of compressors: never an image, never a hang.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use packer::{Observer, Pack, Progress, Strategy};
use tempfile::TempDir;

use crate::laws::names;

/// Changes the tree once, when the first progress is told: the walk is ahead of the files at the end by then.
struct Meddler<'a> {
    change: &'a (dyn Fn() + Sync),
    done: AtomicBool,
    ticks: std::sync::atomic::AtomicU64,
}

impl Observer for Meddler<'_> {
    /// Every look at the clock is a second later, so that progress is told at once.
    fn now(&self) -> Duration {
        Duration::from_secs(self.ticks.fetch_add(1, Ordering::SeqCst))
    }

    fn wants_progress(&self) -> bool {
        true
    }

    fn progress(&self, _: &Progress) {
        if !self.done.swap(true, Ordering::SeqCst) {
            (self.change)();
        }
    }
}

/// A large file whose packing takes many segments, the last of them after the change.
fn tree() -> TempDir {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("a"), b"first").unwrap();
    fs::write(root.path().join("large"), vec![7; 48 << 20]).unwrap();
    root
}

#[track_caller]
fn fails(change: impl Fn(&Path) + Sync, words: &str) {
    for strategy in Strategy::ALL {
        let (root, output) = (tree(), TempDir::new().unwrap());
        let change = || change(&root.path().join("large"));
        let meddler = Meddler { change: &change, done: AtomicBool::new(false), ticks: 0.into() };
        let error = Pack::new(root.path(), output.path()).strategy(strategy).run(&meddler).unwrap_err();
        assert!(error.to_string().contains(words), "{strategy}: {error}");
        assert_eq!(error.path(), Some(&*root.path().join("large")));
        assert!(names(output.path()).is_empty(), "{strategy} left something");
    }
}

#[test]
fn a_file_that_shrinks_grows_or_is_touched_fails_the_pack() {
    fails(|file| OpenOptions::new().write(true).open(file).unwrap().set_len(1 << 20).unwrap(), "it shrank");
    fails(|file| OpenOptions::new().append(true).open(file).unwrap().write_all(b"more").unwrap(), "it grew");
    fails(
        |file| {
            let file = OpenOptions::new().write(true).open(file).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        },
        "it was touched",
    );
}

#[test]
fn a_file_that_vanishes_or_is_replaced_fails_the_pack() {
    fails(|file| fs::remove_file(file).unwrap(), "it vanished");
    fails(
        |file| {
            fs::rename(file, file.with_file_name("aside")).unwrap();
            fs::write(file, vec![7; 48 << 20]).unwrap();
        },
        "another file took its place",
    );
    fails(
        |file| {
            fs::remove_file(file).unwrap();
            symlink("/etc/passwd", file).unwrap();
        },
        "another file took its place",
    );
}
