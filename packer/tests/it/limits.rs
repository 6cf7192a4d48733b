//! What cannot be represented fails the pack, by the entry's name and the limit; nothing is dropped in silence.

use std::fs;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags, XattrFlags};
use tempfile::TempDir;
use testkit::tier::runs_deep;

use crate::corners::{PLACE, pack};
use crate::same_bytes::Mounted;
use testkit::log::skip;

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

/// A path per level would be 100 MB here.
#[test]
fn a_deep_tree_takes_memory_for_its_depth_only() {
    let (root, output) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut lowest = rustix::fs::open(root.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..10_000 {
        rustix::fs::mkdirat(&lowest, "d", Mode::RWXU).unwrap();
        lowest = rustix::fs::openat(lowest, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let record = pack(root.path(), output.path(), &["--threads", "2"]);
    assert_eq!(record["entries"], 10_001);
    let memory = record["vm_hwm"].as_u64().unwrap();
    assert!(memory < 64 << 20, "{memory} bytes");
    // `TempDir` removes by path, which is too long here.
    assert!(Command::new("rm").arg("-rf").arg(root.path().join("d")).status().unwrap().success());
}

/// A tree with a file whose size is more than eleven octal digits can say.
fn more_than_8_gib() -> (TempDir, u64) {
    let (root, size) = (TempDir::new_in(PLACE).unwrap(), (8 << 30) + 5);
    let file = fs::File::create(root.path().join("large")).unwrap();
    file.set_len(size).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"end", size - 3).unwrap();
    fs::write(root.path().join("last"), "behind").unwrap();
    (root, size)
}

/// Its size is in the extended header, too. Only the beginning is read of the archive.
#[test]
fn the_size_of_a_file_of_more_than_8_gib() {
    let (root, size) = more_than_8_gib();
    let mut pack = Command::new(env!("CARGO_BIN_EXE_onepass"))
        .args(["pack", "-c", "none", "-t", "1", "-o", "-"])
        .arg(root.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    {
        let mut archive = tar::Archive::new(pack.stdout.take().unwrap());
        let mut entries = archive.entries().unwrap();
        assert_eq!(&*entries.next().unwrap().unwrap().path_bytes(), b"./");
        let mut large = entries.next().unwrap().unwrap();
        let mut records = large.pax_extensions().unwrap().unwrap().map(Result::unwrap);
        let record = records.find(|record| record.key() == Ok("size"));
        assert_eq!(record.unwrap().value(), Ok(&*size.to_string()));
        assert_eq!((&*large.path_bytes(), large.size()), (&b"large"[..], size));
    }
    let run = pack.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(run.stderr).unwrap(), "onepass: cannot write the image: broken pipe\n");
}

#[test]
fn a_file_of_more_than_8_gib_comes_back() {
    if !runs_deep() {
        return;
    }
    let ((root, size), output) = (more_than_8_gib(), TempDir::new_in(PLACE).unwrap());
    let run = Command::new(env!("CARGO_BIN_EXE_onepass"))
        .args(["pack", "--compression", "zstd:1", "--threads", "2", "--json", "--output"])
        .args([output.path(), root.path()])
        .output()
        .unwrap();
    let record: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(record["bytes_read"].as_u64().unwrap(), size + 6);
    let image = record["path"].as_str().unwrap();
    let listed = Command::new("tar").args(["--zstd", "-tvf", image]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(" 8589934597 ") && listed.trim_end().ends_with(" last"), "{listed}");
    let tail = Command::new("sh").arg("-c").arg(format!("tar --zstd -xOf {image} large | tail -c 4")).output().unwrap();
    assert_eq!(tail.stdout, b"\0end");
}
