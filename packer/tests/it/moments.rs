//! A tree that changes once while it is packed, at each step in turn: the image is that of the tree before or after the change, or there
//! is none. With a live tree there is one, which lists the change.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use packer::{
    CancelToken, Compression, ErrorKind, Fingerprint, Format, Image, LxdOptions, OciOptions, Pack, Sparse, Strategy,
};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps};
use tempfile::TempDir;
use testkit::log::{count, skip};
use testkit::tier::sized;

use crate::changes::at_first_report;
use crate::formats::system;
use crate::laws::names;
use crate::squashfs::can_be_made;

const NAMES: &str = "names in it came or went, or it was touched";

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

/// A tree with directories that are listed before a large file is packed, which takes many segments.
fn with_large_file() -> TempDir {
    let root = system();
    for directory in ["apart/cache", "apart/logs"] {
        fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    fs::write(root.path().join("apart/logs/old.log"), "old").unwrap();
    fs::write(root.path().join("apart/cache/file"), "file").unwrap();
    fs::write(root.path().join("large"), vec![7; 48 << 20]).unwrap();
    root
}

/// Packs that tree, which changes when the first segment has been packed.
fn changing(root: &TempDir, rules: impl FnOnce(Pack) -> Pack, change: fn(&Path)) -> packer::Result<Image> {
    let (output, tree) = (TempDir::new_in("/dev/shm").unwrap(), root.path().to_owned());
    rules(Pack::new(root.path())).on_progress(at_first_report(move || change(&tree))).publish(output.path())
}

#[test]
fn a_directory_that_changes_behind_its_last_name_is_named() {
    let change: fn(&Path) = |tree| fs::write(tree.join("apart/cache/new"), "new").unwrap();
    let mut ways: Vec<_> = Strategy::ALL.map(|strategy| (strategy, "zstd:1")).into();
    ways.push((Strategy::SingleStream, "external:gzip"));
    if can_be_made() {
        ways.push((Strategy::SingleStream, "squashfs"));
    }
    for (strategy, compression) in ways {
        let way = |pack: Pack| pack.strategy(strategy).compression(compression.parse().unwrap());
        let root = with_large_file();
        let error = changing(&root, way, change).unwrap_err();
        assert_eq!(error.path(), Some(&*root.path().join("apart/cache")), "{strategy} {compression}");
        assert!(error.to_string().ends_with(NAMES), "{error}");
        let root = with_large_file();
        let image = changing(&root, |pack| way(pack).live(true), change).unwrap();
        let listed: Vec<_> = image.changes.iter().map(|change| (change.path.clone(), change.what)).collect();
        assert_eq!(listed, [(root.path().join("apart/cache"), NAMES)], "{strategy} {compression}");
    }
}

/// One look at the end goes down several names, as long as a path may be.
#[test]
fn directories_are_looked_at_whatever_their_depth_and_the_length_of_their_names() {
    for (name, depth) in [("a".repeat(255), 47), ("a".to_owned(), 47)] {
        let (root, output) = (with_large_file(), TempDir::new_in("/dev/shm").unwrap());
        let mut lowest = rustix::fs::open(root.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
        let mut path = root.path().to_owned();
        for _ in 0..depth {
            rustix::fs::mkdirat(&lowest, &*name, Mode::RWXU).unwrap();
            lowest = rustix::fs::openat(&lowest, &*name, OFlags::DIRECTORY, Mode::empty()).unwrap();
            path.push(&name);
        }
        let change = at_first_report(move || rustix::fs::mkdirat(&lowest, "new", Mode::RWXU).unwrap());
        let error = Pack::new(root.path()).on_progress(change).publish(output.path()).unwrap_err();
        assert_eq!(error.path(), Some(&*path), "{error}");
        // `TempDir` removes by path, which is too long here.
        assert!(Command::new("rm").arg("-rf").arg(root.path().join(&name)).status().unwrap().success());
    }
}

/// What is excluded may come and go; the directory that holds it is compared by its other names.
#[test]
fn only_names_that_are_packed_count() {
    let fails = |globs: &[&str], change: fn(&Path)| {
        let root = with_large_file();
        let excluded: Vec<packer::Exclusion> = globs.iter().map(|glob| glob.parse().unwrap()).collect();
        let result = changing(&root, |pack| pack.compression(Compression::None).exclude(excluded), change);
        result.err().map(|error| error.path().unwrap().strip_prefix(root.path()).unwrap().to_owned())
    };
    let write_file: fn(&Path) = |tree| fs::write(tree.join("apart/cache/new"), "new").unwrap();
    let log: fn(&Path) = |tree| fs::write(tree.join("apart/logs/new.log"), "new").unwrap();
    let lock: fn(&Path) = |tree| {
        fs::write(tree.join("apart/cache/x.lock"), "").unwrap();
        fs::remove_file(tree.join("apart/cache/x.lock")).unwrap();
    };
    let replace: fn(&Path) = |tree| {
        fs::write(tree.join("apart/cache/file.new"), "other").unwrap();
        fs::rename(tree.join("apart/cache/file.new"), tree.join("apart/cache/file")).unwrap();
    };
    for (globs, change, expected) in [
        (&["apart/cache"][..], write_file, None),
        (&["apart/cache/*"], write_file, None),
        (&["apart/cache/new"], write_file, None),
        (&["apart/logs"], write_file, Some("apart/cache")),
        // It is there at neither look.
        (&["apart/cache/*.lock"], lock, None),
        (&["**/*.lock"], lock, None),
        (&["apart/*.lock"], lock, Some("apart/cache")),
        (&["apart/cache/*.new"], replace, Some("apart/cache")),
        (&["apart/logs/*.log"], log, None),
        (&["apart/logs/*.log"], |tree| fs::write(tree.join("apart/logs/other"), "").unwrap(), Some("apart/logs")),
        (&["apart/logs/*.log"], |tree| fs::remove_file(tree.join("apart/logs/old.log")).unwrap(), None),
        // The directory that holds the excluded one loses it.
        (&["apart/cache"], |tree| fs::remove_dir_all(tree.join("apart/cache")).unwrap(), None),
        (
            &["apart/cache/*"],
            |tree| {
                fs::set_permissions(tree.join("apart/cache"), std::os::unix::fs::PermissionsExt::from_mode(0o711))
                    .unwrap()
            },
            Some("apart/cache"),
        ),
        (&["apart/cache/*"], |tree| fs::remove_dir_all(tree.join("apart/cache")).unwrap(), Some("apart")),
    ] {
        assert_eq!(fails(globs, change), expected.map(PathBuf::from), "{globs:?}");
    }
}

/// Reading is no change, whatever times it sets.
#[test]
fn times_of_access_do_not_count() {
    let root = with_large_file();
    let read: fn(&Path) = |tree| {
        fs::read(tree.join("apart/cache/file")).unwrap();
        assert!(fs::read_dir(tree.join("apart/cache")).unwrap().count() > 0);
    };
    assert_eq!(changing(&root, |pack| pack.compression(Compression::None), read).unwrap().changes, []);
}
