//! A tree that changes once while it is packed, at each step in turn: the image is that of the tree before or after the change, or there
//! is none. With a live tree there is one, which lists the change.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use packer::{
    CancelToken, Compression, ErrorKind, Fingerprint, Format, LxdOptions, OciOptions, Pack, Sparse, Strategy,
};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};
use tempfile::TempDir;
use testkit::log::{count, skip};
use testkit::tier::sized;

use crate::laws::names;

/// A change of the tree, and the entry that it is a change of.
pub(crate) struct Change {
    pub(crate) path: &'static str,
    /// `aside` is a directory outside the tree.
    pub(crate) make: fn(tree: &Path, aside: &Path),
}

fn device(path: &Path, minor: u32) {
    rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, Mode::RUSR, rustix::fs::makedev(1, minor)).unwrap();
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
}

/// The header of a program for a machine of this number.
pub(crate) fn program(machine: u8) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    header[18] = machine;
    header
}

/// The tree before the change, with a directory aside. All times are old, so that every change of a time shows, however coarse the
/// clock is.
pub(crate) fn place() -> (TempDir, PathBuf) {
    let place = TempDir::new_in("/dev/shm").unwrap();
    let tree = place.path().join("tree");
    for directory in ["tree/a", "tree/bin", "tree/usr/lib", "tree/z/below", "aside", "out"] {
        fs::create_dir_all(place.path().join(directory)).unwrap();
    }
    for (name, content) in [("a/file", "text"), ("empty", ""), ("file", "content"), ("z/last", "")] {
        fs::write(tree.join(name), content).unwrap();
    }
    fs::write(tree.join("bin/sh"), program(62)).unwrap();
    fs::write(tree.join("usr/lib/os-release"), "ID=before\n").unwrap();
    File::create(tree.join("hole")).unwrap().set_len(17 << 20).unwrap();
    fs::hard_link(tree.join("a/file"), tree.join("second")).unwrap();
    symlink("target", tree.join("link")).unwrap();
    fifo(&tree.join("fifo"));
    if rustix::process::geteuid().is_root() {
        device(&tree.join("null"), 3);
    }
    let old = Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 };
    let times = Timestamps { last_access: old, last_modification: old };
    let entries = ["a/file", "bin/sh", "empty", "file", "fifo", "hole", "link", "null", "usr/lib/os-release", "z/last"];
    for name in entries.into_iter().chain(["z/below", "a", "bin", "usr/lib", "usr", "z", ""]) {
        let set = rustix::fs::utimensat(CWD, tree.join(name), &times, AtFlags::SYMLINK_NOFOLLOW);
        assert!(set.is_ok() || name == "null");
    }
    (place, tree)
}

/// A way of packing.
struct Way {
    format: Format,
    strategy: Strategy,
    live: bool,
}

impl Way {
    fn all() -> Vec<Way> {
        let (lxd, oci) = (LxdOptions::new(), OciOptions::new());
        let mut ways = Vec::new();
        for format in [Format::Tar, Format::Unified(lxd.clone()), Format::Split(lxd), Format::Oci(oci)] {
            for strategy in Strategy::ALL {
                ways.extend([false, true].map(|live| Way { format: format.clone(), strategy, live }));
            }
        }
        ways
    }

    fn pack(&self, tree: &Path) -> Pack {
        // Without compression two passes are one.
        let compression =
            if self.strategy == Strategy::TwoPass { "zstd:1".parse().unwrap() } else { Compression::None };
        let pack = Pack::new(tree).format(self.format.clone()).strategy(self.strategy).compression(compression);
        pack.sparse(Sparse::Auto).live(self.live)
    }

    fn fingerprint(&self, tree: &Path) -> Fingerprint {
        self.pack(tree).publish(TempDir::new_in("/dev/shm").unwrap().path()).unwrap().fingerprint
    }
}

/// The outcomes of packs of a tree that changes at some of their steps.
#[derive(Debug, Default)]
struct Outcomes {
    before: usize,
    after: usize,
    /// The paths that failures or lists named, below the tree.
    named: BTreeSet<PathBuf>,
}

/// Packs the tree with a change at every `stride`th step.
fn sweep(change: &Change, way: &Way, start: usize, stride: usize) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let unchanged = way.fingerprint(&place().1);
    for at in (start..).step_by(stride) {
        let (place, tree) = place();
        let (make, changed, aside) = (change.make, tree.clone(), place.path().join("aside"));
        // A pack asks its token between any two steps.
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let token = CancelToken::when(move || {
            if count.fetch_add(1, Ordering::SeqCst) == at {
                make(&changed, &aside);
            }
            false
        });
        let output = place.path().join("out");
        let result = way.pack(&tree).cancel_token(token).publish(&output);
        if asked.load(Ordering::SeqCst) <= at {
            return outcomes;
        }
        let below = |path: &Path| path.strip_prefix(&tree).unwrap().to_owned();
        match result {
            Ok(image) if image.fingerprint == unchanged => {
                outcomes.before += 1;
                outcomes.named.extend(image.changes.iter().map(|change| below(&change.path)));
            }
            Ok(image) if image.changes.is_empty() => {
                assert_eq!(image.fingerprint, way.fingerprint(&tree), "at question {at}: an image of no moment");
                outcomes.after += 1;
            }
            Ok(image) => {
                packer::verify(image.path.as_ref().unwrap()).unwrap();
                outcomes.named.extend(image.changes.iter().map(|change| below(&change.path)));
            }
            Err(error) => {
                assert!(!way.live && error.kind() == ErrorKind::Changed, "at question {at}: {error}");
                assert!(names(&output).is_empty(), "at question {at}");
                outcomes.named.insert(below(error.path().unwrap()));
            }
        }
    }
    outcomes
}

fn holds(change: &Change) {
    holds_in(change, "tar");
}

/// In the fast tier one way of this format is tried at every step, and the others at some.
pub(crate) fn holds_in(change: &Change, format: &str) {
    if change.path == "null" && !rustix::process::geteuid().is_root() {
        return skip("only root can make devices");
    }
    let (mut before, mut after) = (0, 0);
    let ways = Way::all();
    let whole = ways.iter().position(|way| way.format.name() == format);
    for (number, way) in ways.iter().enumerate() {
        let stride = if Some(number) == whole { 1 } else { sized(11, 1) };
        let outcomes = sweep(change, way, number % stride, stride);
        let context = format!("{:?} {}, live: {}: {outcomes:?}", way.format.name(), way.strategy, way.live);
        assert!(stride > 1 || outcomes.before > 0 && outcomes.named.contains(Path::new(change.path)), "{context}");
        // Otherwise it is the directory that holds the name, what is in the directory, or another name of a file that lost one.
        let is_near = |path: &PathBuf| {
            path.starts_with(change.path)
                || Path::new(change.path).parent() == Some(path)
                || ["a/file", "second"].map(Path::new).contains(&&**path)
        };
        assert!(outcomes.named.iter().all(is_near), "{context}");
        (before, after) = (before + outcomes.before, after + outcomes.after);
    }
    count("images of a tree before a change during the pack", before);
    count("images of a tree after a change during the pack", after);
}

#[test]
fn a_directory_gets_a_name() {
    holds(&Change { path: "a", make: |tree, _| fs::write(tree.join("a/new"), "new").unwrap() });
}

#[test]
fn a_directory_loses_a_name() {
    holds(&Change { path: "a", make: |tree, _| fs::remove_file(tree.join("a/file")).unwrap() });
}

#[test]
fn a_directory_is_replaced() {
    holds(&Change {
        path: "a",
        make: |tree, aside| {
            fs::rename(tree.join("a"), aside.join("a")).unwrap();
            fs::create_dir(tree.join("a")).unwrap();
            fs::write(tree.join("a/file"), "text").unwrap();
        },
    });
}

#[test]
fn a_directory_becomes_a_file() {
    holds(&Change {
        path: "z/below",
        make: |tree, _| {
            fs::remove_dir(tree.join("z/below")).unwrap();
            fs::write(tree.join("z/below"), "").unwrap();
        },
    });
}

#[test]
fn a_file_becomes_a_directory() {
    holds(&Change {
        path: "file",
        make: |tree, _| {
            fs::remove_file(tree.join("file")).unwrap();
            fs::create_dir(tree.join("file")).unwrap();
        },
    });
}

#[test]
fn an_empty_file_gets_content() {
    holds(&Change { path: "empty", make: |tree, _| fs::write(tree.join("empty"), "more").unwrap() });
}

#[test]
fn a_hole_gets_content() {
    holds(&Change {
        path: "hole",
        make: |tree, _| {
            File::options().write(true).open(tree.join("hole")).unwrap().write_all_at(b"more", 1 << 20).unwrap();
        },
    });
}

#[test]
fn a_symlink_is_replaced() {
    holds(&Change {
        path: "link",
        make: |tree, _| {
            fs::remove_file(tree.join("link")).unwrap();
            symlink("other", tree.join("link")).unwrap();
        },
    });
}

#[test]
fn a_fifo_is_replaced() {
    holds(&Change {
        path: "fifo",
        make: |tree, _| {
            fs::remove_file(tree.join("fifo")).unwrap();
            fifo(&tree.join("fifo"));
        },
    });
}

#[test]
fn a_hard_link_becomes_another_file() {
    holds(&Change {
        path: "second",
        make: |tree, _| {
            fs::remove_file(tree.join("second")).unwrap();
            fs::write(tree.join("second"), "other").unwrap();
        },
    });
}

#[test]
fn a_device_is_replaced() {
    holds(&Change {
        path: "null",
        make: |tree, _| {
            fs::remove_file(tree.join("null")).unwrap();
            device(&tree.join("null"), 5);
        },
    });
}
