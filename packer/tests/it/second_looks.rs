//! The second looks at directories, when everything has been read: which changes they find, and which they excuse.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use packer::{Compression, Image, Pack, Strategy};
use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;

use crate::changes::at_first_report;
use crate::formats::system;
use crate::squashfs::can_be_made;

const NAMES: &str = "names in it came or went, or it was touched";

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
