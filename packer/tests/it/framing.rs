//! The bytes of the tar: corners of the format, read back by GNU tar, and a golden listing.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use packer::{Compression, Strategy};
use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;

use crate::laws::pack;
use testkit::listing;

/// Names and targets around every limit of the format, among them bytes that are not UTF-8.
#[test]
fn names_of_any_length_and_bytes_survive() {
    let root = TempDir::new().unwrap();
    for length in [1, 98, 99, 100, 101, 154, 155, 156, 254, 255] {
        fs::write(root.path().join("f".repeat(length)), length.to_string()).unwrap();
        let deep = root.path().join("d".repeat(length));
        fs::create_dir(&deep).unwrap();
        for below in [1, 98, 99, 100, 101, 155, 255] {
            fs::write(deep.join("x".repeat(below)), below.to_string()).unwrap();
        }
        let target = "t".repeat(length);
        std::os::unix::fs::symlink(&target, root.path().join(format!("l{length}"))).unwrap();
    }
    for bytes in [&b"\xff\xfe"[..], b"new\nline", b"tab\tand \x7f", "\u{fc}n\u{ef}c\u{f6}de".as_bytes()] {
        fs::write(root.path().join(std::ffi::OsStr::from_bytes(bytes)), bytes).unwrap();
        let long = [&b"y".repeat(200)[..], bytes].concat();
        fs::write(root.path().join(std::ffi::OsStr::from_bytes(&long)), &long).unwrap();
    }
    let tar = pack(root.path(), Compression::None, Strategy::SingleStream, 2).1;
    for (found, expected) in listing::of_tar(&tar).iter().zip(listing::of_tree(root.path())) {
        assert_eq!(*found, expected);
    }
    unpacks_equal(&tar, root.path());
}

/// GNU tar gives the tree back.
fn unpacks_equal(tar: &[u8], root: &std::path::Path) {
    let unpacked = TempDir::new().unwrap();
    let archive = unpacked.path().join("archive");
    let into = unpacked.path().join("tree");
    fs::write(&archive, tar).unwrap();
    fs::create_dir(&into).unwrap();
    let run = Command::new("tar")
        .arg("-xpf")
        .arg(&archive)
        .arg("-C")
        .arg(&into)
        .args(["--numeric-owner", "--warning=no-timestamp", "--warning=no-unknown-keyword"])
        .output()
        .unwrap();
    assert!(run.status.success() && run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
    let (found, expected) = (listing::of_tree(&into), listing::of_tree(root));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
}

/// Sizes that octal cannot hold, with content that takes no room.
#[test]
fn large_owners_and_old_times_survive() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "x").unwrap();
    let root_user = std::os::unix::fs::chown(&file, Some(2_097_152), Some(4_294_967_294)).is_ok();
    let time = rustix::fs::Timespec { tv_sec: -3, tv_nsec: 250_000_000 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, &file, &times, rustix::fs::AtFlags::empty()).unwrap();
    let tar = pack(root.path(), Compression::None, Strategy::SingleStream, 1).1;
    let member = listing::of_tar(&tar).pop().unwrap();
    assert_eq!(member.mtime, -2_750_000_000);
    if root_user {
        assert_eq!(member.owner, (2_097_152, 4_294_967_294));
        unpacks_equal(&tar, root.path());
    }
}

#[test]
fn the_walk_reaches_any_depth_with_few_handles() {
    let root = TempDir::new().unwrap();
    // Beyond PATH_MAX, too.
    let depth = 3_000;
    let mut lowest = rustix::fs::open(root.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    for number in 0..depth {
        rustix::fs::mkdirat(&lowest, "d", Mode::RWXU).unwrap();
        let after = rustix::fs::openat(&lowest, "after", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
        fs::File::from(after).write_all(number.to_string().as_bytes()).unwrap();
        lowest = rustix::fs::openat(lowest, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let output = TempDir::new().unwrap();
    let script = format!(
        "ulimit -n 256; ulimit -s 256; exec {} pack {} -o {} -c none --json",
        env!("CARGO_BIN_EXE_onepass"),
        root.path().display(),
        output.path().display()
    );
    let run = Command::new("sh").arg("-c").arg(script).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let record: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(record["entries"], 2 * depth + 1);
    // `TempDir` removes by path, which is too long here.
    let script = format!("rm -rf {}/d", root.path().display());
    assert!(Command::new("sh").arg("-c").arg(script).status().unwrap().success());
}
