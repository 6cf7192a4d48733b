//! Surroundings that tell less of a tree than a pack needs, or something else.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use testkit::log::skip;

use crate::corners::PLACE;
use crate::same_bytes::{Mounted, succeeds, unmount};
use crate::strace::{self, strace};

/// A tree with a file in a directory, and a place for images.
fn place() -> TempDir {
    let place = TempDir::new_in(PLACE).unwrap();
    fs::create_dir_all(place.path().join("tree/directory")).unwrap();
    fs::create_dir(place.path().join("images")).unwrap();
    fs::write(place.path().join("tree/directory/file"), "text").unwrap();
    place
}

/// A pack of the tree while the kernel says that `statx` tells the fields of `mask` only.
fn packed_with_mask(place: &Path, mask: u32) -> Output {
    let mask: String = mask.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let injection = format!("inject=statx:poke_exit=@arg5={mask}");
    let mut command = strace(&["-f", "-e", "trace=statx", "-e", &injection], &place.join("log"));
    command.args(["pack", "-c", "none", "--json", "-o"]).args([place.join("images"), place.join("tree")]);
    command.output().unwrap()
}

/// The fields of `linux/stat.h` that a pack asks for.
const BASIC: u32 = 0x7ff & !0x20;
const SIZE: u32 = 0x200;

#[test]
fn a_field_that_the_kernel_leaves_out_fails_the_pack_and_is_named() {
    if !strace::is_installed() {
        return;
    }
    let place = place();
    assert!(packed_with_mask(place.path(), BASIC).status.success());
    fs::remove_dir_all(place.path().join("images")).unwrap();
    fs::create_dir(place.path().join("images")).unwrap();
    let run = packed_with_mask(place.path(), BASIC & !SIZE);
    let said = String::from_utf8_lossy(&run.stderr);
    let told = format!("onepass: cannot stat `{}", place.path().join("tree").display());
    assert!(run.status.code() == Some(1) && said.starts_with(&told), "{said}");
    assert!(said.ends_with("`: the filesystem does not tell its size\n") && said.lines().count() == 1, "{said}");
    assert_eq!(fs::read_dir(place.path().join("images")).unwrap().count(), 0);
}

/// The second mount is one that devices do not show: of the tree's own filesystem.
#[test]
fn without_numbers_of_mounts_other_filesystems_are_left_out() {
    if !strace::is_installed() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount filesystems");
    }
    let place = place();
    let _mounted = match Mounted::new(&place.path().join("tree"), "tmpfs", &[]) {
        Ok(mounted) => mounted,
        Err(why) => return skip(&format!("no tmpfs: {why}")),
    };
    fs::write(place.path().join("tree/on/secret"), "").unwrap();
    let bound = place.path().join("tree/bound");
    fs::create_dir(&bound).unwrap();
    succeeds(Command::new("mount").arg("--bind").args([&place.path().join("tree/directory"), &bound])).unwrap();
    let run = packed_with_mask(place.path(), BASIC);
    unmount(&bound);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let record: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(record["mounts_skipped"], serde_json::json!([place.path().join("tree/on")]));
    let tar = fs::read(record["path"].as_str().unwrap()).unwrap();
    let members = testkit::listing::of_tar(&tar);
    let has = |path: &[u8]| members.iter().any(|member| member.path == path);
    assert!(has(b"bound/file") && has(b"on") && !has(b"on/secret"), "{members:?}");
}

#[test]
fn a_tree_that_fakeroot_shows_is_refused_in_one_line() {
    let fakeroot = |arguments: &[&str]| -> Option<Output> {
        Command::new("fakeroot").args(["--", env!("CARGO_BIN_EXE_onepass")]).args(arguments).output().ok()
    };
    let place = place();
    let (tree, images) = (place.path().join("tree"), place.path().join("images"));
    let [tree, images] = [tree.to_str().unwrap(), images.to_str().unwrap()];
    let refused = |run: Output, code| {
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(said.starts_with("onepass: cannot see the tree that fakeroot shows: "), "{said}");
        assert_eq!((run.status.code(), run.stdout.len(), said.lines().count()), (Some(code), 0, 1), "{said}");
    };
    let Some(run) = fakeroot(&["pack", tree, "-o", images]) else { return skip("fakeroot is not installed") };
    refused(run, 1);
    refused(fakeroot(&["pack", tree, "--dry-run"]).unwrap(), 1);
    assert_eq!(fs::read_dir(images).unwrap().count(), 0);
    let record = crate::corners::pack(tree.as_ref(), images.as_ref(), &[]);
    let image = record["path"].as_str().unwrap();
    refused(fakeroot(&["verify", image, "--against", tree]).unwrap(), 2);
    // An image is what it is.
    assert!(fakeroot(&["verify", image]).unwrap().status.success());
}
