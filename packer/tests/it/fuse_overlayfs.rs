//! fuse-overlayfs: its link counts grow while names are looked up, and files of two filesystems have one number. Both are told apart
//! from real hard links.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use packer::{Compression, Pack};
use tempfile::TempDir;

use crate::changes::at_first_report;
use crate::corners::{PLACE, pack};
use crate::same_bytes::{Mounted, succeeds};
use testkit::listing;
use testkit::log::skip;

/// A new mount of the layers at `place`, which has looked up nothing; `None`, and says so, where there can be none.
pub(crate) fn overlay(place: &Path, layers: &[PathBuf]) -> Option<Mounted> {
    if !rustix::process::geteuid().is_root() {
        skip("only root can mount filesystems");
        return None;
    }
    let layers: Vec<&str> = layers.iter().map(|layer| layer.to_str().unwrap()).collect();
    let on = place.join("overlay");
    fs::create_dir_all(&on).unwrap();
    let mut mount = Command::new("fuse-overlayfs");
    mount.args(["-o", &format!("lowerdir={}", layers.join(":"))]).arg(&on);
    match mount.stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Some(Mounted(on)),
        found => {
            skip(&format!("no fuse-overlayfs: {found:?}"));
            None
        }
    }
}

#[test]
fn no_hard_link_is_lost_while_counts_grow() {
    let (place, images) = (TempDir::new_in(PLACE).unwrap(), TempDir::new_in(PLACE).unwrap());
    let tree = place.path().join("tree");
    fs::create_dir_all(tree.join("s/t")).unwrap();
    fs::write(tree.join("a"), "text").unwrap();
    fs::write(tree.join("alone"), "text").unwrap();
    for name in ["b", "s/c", "s/t/d"] {
        fs::hard_link(tree.join("a"), tree.join(name)).unwrap();
    }
    let expected = pack(&tree, images.path(), &[]);
    for _ in 0..2 {
        let Some(mounted) = overlay(place.path(), std::slice::from_ref(&tree)) else { return };
        for _ in 0..2 {
            assert_eq!(pack(&mounted.0, images.path(), &[])["fingerprint"], expected["fingerprint"]);
        }
    }
    let Some(mounted) = overlay(place.path(), &[tree]) else { return };
    let image = expected["path"].as_str().unwrap();
    let mut verify = Command::new(env!("CARGO_BIN_EXE_onepass"));
    assert_eq!(succeeds(verify.args(["verify", image, "--against"]).arg(&mounted.0)), Ok(()));
}

#[test]
fn files_of_two_filesystems_with_one_number_are_two() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount filesystems");
    }
    let (place, images) = (TempDir::new_in(PLACE).unwrap(), TempDir::new_in(PLACE).unwrap());
    let mut layers = Vec::new();
    for name in ["a", "b"] {
        match Mounted::new(&place.path().join(name), "tmpfs", &[]) {
            Ok(layer) => {
                fs::write(layer.0.join(name), name).unwrap();
                layers.push(layer);
            }
            Err(why) => return skip(&format!("no tmpfs: {why}")),
        }
    }
    let paths: Vec<PathBuf> = layers.iter().map(|layer| layer.0.clone()).collect();
    let Some(mounted) = overlay(place.path(), &paths) else { return };
    let record = pack(&mounted.0, images.path(), &[]);
    let members = listing::of_tar(&fs::read(record["path"].as_str().unwrap()).unwrap());
    let contents: Vec<&[u8]> =
        members.iter().filter(|member| member.kind == '0').map(|member| &*member.content).collect();
    assert_eq!(contents, [b"a", b"b"]);
    drop(mounted);
}

/// fuse-overlayfs answers from the kernel's cache for as long as it can, as a network filesystem does for some seconds.
#[test]
fn no_cache_hides_a_change() {
    let place = TempDir::new_in(PLACE).unwrap();
    let tree = place.path().join("tree");
    fs::create_dir_all(tree.join("directory")).unwrap();
    fs::write(tree.join("directory/file"), "text").unwrap();
    fs::write(tree.join("large"), vec![7; 48 << 20]).unwrap();
    fs::write(tree.join("zero"), "").unwrap();
    let Some(mounted) = overlay(place.path(), std::slice::from_ref(&tree)) else { return };
    let touched = |path: &str| {
        let (images, path) = (TempDir::new_in(PLACE).unwrap(), tree.join(path));
        let change = move || fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        let pack = Pack::new(&mounted.0).compression(Compression::None).on_progress(at_first_report(change));
        let error = pack.publish(images.path()).unwrap_err();
        error.path().unwrap().strip_prefix(&mounted.0).unwrap().to_owned()
    };
    for path in ["directory", "zero", "large"] {
        assert_eq!(touched(path), Path::new(path));
    }
}
