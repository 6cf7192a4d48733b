//! The tree of corners has one fingerprint on every filesystem, whatever order it was made in.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::XattrFlags;
use tempfile::TempDir;

use crate::corners::{PLACE, pack};
use crate::corners_tree::{Node, Order, create, nodes};
use crate::snapshot::{differences, of_tree};
use testkit::listing;
use testkit::log::skip;

/// What mounts a new filesystem on a directory: the program that makes it in a sparse file, or none.
const FILESYSTEMS: [(&str, &[&str]); 4] = [
    ("ext4", &["mkfs.ext4", "-q", "-b", "4096"]),
    ("xfs", &["mkfs.xfs", "-q"]),
    ("btrfs", &["mkfs.btrfs", "-q"]),
    ("tmpfs", &[]),
];

/// Bytes of the sparse file: the least that mkfs.xfs takes is 300 MiB.
const SIZE: u64 = 400 << 20;

/// What not every filesystem can hold: xfs has targets of up to 1,023 bytes and 18 bits for minor numbers.
const LARGER: [&str; 3] = ["symlinks/4095", "specials/character-3", "specials/block-3"];

#[test]
fn the_filesystem_and_the_order_of_creation_do_not_matter() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount filesystems");
    }
    let nodes: Vec<Node> =
        nodes().into_iter().filter(|node| LARGER.iter().all(|path| node.path != path.as_bytes())).collect();
    let here = TempDir::new_in(PLACE).unwrap();
    let expected = fingerprint(here.path(), &nodes, Order::Forwards);
    for (filesystem, make) in FILESYSTEMS {
        let place = TempDir::new_in(PLACE).unwrap();
        match Mounted::new(place.path(), filesystem, make) {
            Ok(mounted) => {
                let found = fingerprint(&mounted.0, &nodes, Order::Backwards);
                let [there, here] = [&mounted.0, here.path()].map(|place| of_tree(&place.join("tree")));
                let shows = differences(&there, &here, &[]).join("\n");
                assert_eq!(found, expected, "{filesystem} shows:\n{shows}");
            }
            Err(why) => skip(&format!("no {filesystem}: {why}")),
        }
    }
}

/// Subvolumes are of one mount and of several devices, and number their inodes alike.
#[test]
fn inodes_of_two_subvolumes_are_not_taken_for_one() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount filesystems");
    }
    let place = TempDir::new_in(PLACE).unwrap();
    let mounted = match Mounted::new(place.path(), "btrfs", &["mkfs.btrfs", "-q"]) {
        Ok(mounted) => mounted,
        Err(why) => return skip(&format!("no btrfs: {why}")),
    };
    let (tree, images) = (mounted.0.join("tree"), mounted.0.join("images"));
    fs::create_dir(&images).unwrap();
    for subvolume in [tree.clone(), tree.join("one"), tree.join("two")] {
        succeeds(Command::new("btrfs").args(["-q", "subvolume", "create"]).arg(&subvolume)).unwrap();
        fs::write(subvolume.join("a"), subvolume.as_os_str().as_encoded_bytes()).unwrap();
        fs::hard_link(subvolume.join("a"), subvolume.join("b")).unwrap();
    }
    let inode = |path: &str| fs::metadata(tree.join(path)).unwrap().ino();
    assert_eq!(inode("one/a"), inode("two/a"));
    let record = pack(&tree, &images, &[]);
    assert_eq!(record["mounts_skipped"], serde_json::json!([]));
    let tar = fs::read(record["path"].as_str().unwrap()).unwrap();
    assert_eq!(listing::of_tar(&tar), listing::of_tree(&tree));
}

fn fingerprint(place: &Path, nodes: &[Node], order: Order) -> String {
    let (tree, images) = (place.join("tree"), place.join("images"));
    fs::create_dir(&tree).unwrap();
    fs::create_dir(&images).unwrap();
    create(&tree, nodes, order);
    // A property of the filesystem, shown as an attribute; only btrfs has it.
    let _ = rustix::fs::setxattr(tree.join("sizes/0"), "btrfs.compression", b"zstd", XattrFlags::empty());
    pack(&tree, &images, &[])["fingerprint"].as_str().unwrap().to_owned()
}

/// A mounted filesystem, unmounted when dropped.
pub(crate) struct Mounted(pub(crate) PathBuf);

impl Mounted {
    /// Makes and mounts a filesystem below `place`, or says why it cannot be done.
    pub(crate) fn new(place: &Path, filesystem: &str, make: &[&str]) -> Result<Self, String> {
        let (device, on) = (place.join("device"), place.join("on"));
        fs::create_dir_all(&on).unwrap();
        let mut mount = Command::new("mount");
        if let Some((program, arguments)) = make.split_first() {
            fs::File::create(&device).unwrap().set_len(SIZE).unwrap();
            succeeds(Command::new(program).args(arguments).arg(&device))?;
            mount.args(["-o", "loop"]);
        }
        succeeds(mount.args(["-t", filesystem]).args([&device, &on]))?;
        Ok(Mounted(on))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}

/// Another test that starts a program at this moment holds all of our handles until it has started.
pub(crate) fn unmount(place: &Path) {
    for _ in 0..50 {
        if succeeds(Command::new("umount").arg(place)).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

pub(crate) fn succeeds(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(run) if run.status.success() => Ok(()),
        Ok(run) => Err(String::from_utf8_lossy(&run.stderr).trim().to_owned()),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
