//! What a pack says is on the disk was synced, also what stood there before: whoever copied it need not have synced it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use packer::Outcome;
use tempfile::TempDir;

use crate::formats::system;
use crate::strace::{self, strace};

/// Copies a directory and all below it. Nothing of the copy is synced.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A directory with all files and directories below it.
fn all(top: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::from([top.to_owned()]);
    for entry in fs::read_dir(top).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(all(&entry.path()));
        } else {
            found.insert(entry.path());
        }
    }
    found
}

/// Packs `tree` into `output`; returns the outcome in the record, and the files and directories that were synced.
fn synced(tree: &Path, output: &Path, way: &[&str]) -> (String, BTreeSet<PathBuf>) {
    let log = output.with_extension("log");
    let mut command = strace(&["-f", "-y", "-e", "trace=fsync"], &log);
    let run = command.arg("pack").arg(tree).arg("-o").arg(output).args(way).arg("--json").output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let record: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    // `fsync(5</path>) = 0`, behind the number of a thread. A pack whose fsync fails is no success.
    let path = |call: &str| call.split_once('<')?.1.split_once('>').map(|(path, _)| PathBuf::from(path));
    let calls = fs::read_to_string(&log).unwrap();
    let paths = calls.lines().filter(|call| call.contains(" fsync(")).map(|call| path(call).unwrap());
    (record["outcome"].as_str().unwrap().to_owned(), paths.collect())
}

#[test]
fn an_image_that_is_there_already_is_synced() {
    if !strace::is_installed() {
        return;
    }
    let (root, place) = (system(), TempDir::new().unwrap());
    let place = fs::canonicalize(place.path()).unwrap();
    for format in ["tar", "unified", "split", "oci"] {
        let way: &[&str] = if format == "tar" { &["-f", format] } else { &["-f", format, "--arch", "amd64"] };
        let (first, copied) = (place.join(format), place.join(format!("{format}-copied")));
        fs::create_dir(&first).unwrap();
        assert_eq!(synced(root.path(), &first, way).0, Outcome::Published.name());
        copy(&first, &copied);
        let (outcome, synced) = synced(root.path(), &copied, way);
        assert_eq!(outcome, Outcome::AlreadyThere.name(), "{format}");
        let missing: Vec<_> = all(&copied).difference(&synced).cloned().collect();
        assert!(missing.is_empty(), "{format}: not synced: {missing:?}");
    }
}

/// Another image in the layout has the same layer and configuration, or the pack was killed before it wrote the index.
#[test]
fn blobs_that_are_there_already_are_synced() {
    if !strace::is_installed() {
        return;
    }
    let (root, place) = (system(), TempDir::new().unwrap());
    let place = fs::canonicalize(place.path()).unwrap();
    let (first, copied, way) = (place.join("first"), place.join("copied"), ["-f", "oci", "--arch", "amd64"]);
    fs::create_dir(&first).unwrap();
    synced(root.path(), &first, &way);
    for lost in [&["index.json"][..], &["index.json", "oci-layout"]] {
        copy(&first, &copied);
        lost.iter().for_each(|name| fs::remove_file(copied.join(name)).unwrap());
        let standing = all(&copied);
        let (outcome, synced) = synced(root.path(), &copied, &way);
        assert_eq!(outcome, Outcome::Published.name(), "{lost:?}");
        let missing: Vec<_> = standing.difference(&synced).cloned().collect();
        assert!(missing.is_empty(), "{lost:?}: not synced: {missing:?}");
        fs::remove_dir_all(&copied).unwrap();
    }
}
