//! What cannot be represented fails the pack, by the entry's name and the limit; nothing is dropped in silence.

use std::fs;
use std::process::Command;

use rustix::fs::XattrFlags;
use tempfile::TempDir;

use crate::corners::{PLACE, skip};
use crate::same_bytes::Mounted;

/// Packs a tree on xfs, which alone has room for such attributes, with one file that has those that are given.
fn refused(attributes: impl IntoIterator<Item = (String, Vec<u8>)>, words: &str) {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount filesystems");
    }
    let place = TempDir::new_in(PLACE).unwrap();
    let mounted = match Mounted::new(place.path(), "xfs", &["mkfs.xfs", "-q"]) {
        Ok(mounted) => mounted,
        Err(why) => return skip(&format!("no xfs: {why}")),
    };
    let (file, images) = (mounted.0.join("tree/file"), mounted.0.join("images"));
    fs::create_dir(mounted.0.join("tree")).unwrap();
    fs::create_dir(&images).unwrap();
    fs::write(&file, "content").unwrap();
    for (name, value) in attributes {
        rustix::fs::setxattr(&file, name, &value, XattrFlags::empty()).unwrap();
    }
    let mut pack = Command::new(env!("CARGO_BIN_EXE_onepass"));
    let run = pack.arg("pack").arg(mounted.0.join("tree")).arg("-o").arg(&images).output().unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("tree/file`") && said.contains(words) && said.lines().count() == 1, "{said}");
    assert_eq!(fs::read_dir(&images).unwrap().count(), 0);
}

#[test]
fn an_extended_header_that_common_readers_refuse() {
    let values = (0..18).map(|number| (format!("user.{number}"), vec![number; 60_000]));
    refused(values, "bytes, and common readers refuse more than 1048576");
}

#[test]
fn more_names_than_linux_lists() {
    let names = (0..300).map(|number| (format!("user.{number}{}", "n".repeat(240)), Vec::new()));
    refused(names, "more names of extended attributes than the 64 KiB that Linux can list");
}
