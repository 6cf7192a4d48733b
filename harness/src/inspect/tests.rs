//! Real trees and the packer's own images of them: no difference is found, and every single change is, where it is.

use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use packer::{Compression, Pack, Sparse};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, makedev, mknodat};
use tempfile::TempDir;

use super::{Comparison, Expectation, Listing};
use crate::plan::Limit;

/// `u::rw-,u:10:r-x,g::r--,m::rwx,o::r--`: a user whose number is a newline in the kernel's form.
const ACL: &[u8] = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x05\0\x0a\0\0\0\
                     \x04\0\x04\0\xff\xff\xff\xff\x10\0\x07\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";

/// A tree with an entry of every kind.
struct Tree(TempDir);

impl Tree {
    /// `None` where only root can make one.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            testkit::log::skip("devices and owners are made by root only");
            return None;
        }
        let tree = Tree(TempDir::new().unwrap());
        fs::create_dir_all(tree.at("etc/empty")).unwrap();
        tree.write("etc/passwd", b"root");
        tree.write("etc/shadow", b"");
        tree.write(&format!("etc/{}", "long".repeat(40)), b"long");
        tree.write("etc-", b"another");
        // Two holes, large enough for the packer to keep them.
        let sparse = [&vec![0; 20 << 20][..], b"data", &vec![0; 1 << 20]].concat();
        tree.write("sparse", &sparse);
        fs::hard_link(tree.at("etc/passwd"), tree.at("hard")).unwrap();
        symlink("etc/passwd", tree.at("symbolic")).unwrap();
        tree.node("fifo", FileType::Fifo, 0, 0);
        tree.node("null", FileType::CharacterDevice, 1, 3);
        tree.node("loop0", FileType::BlockDevice, 7, 0);
        drop(std::os::unix::net::UnixListener::bind(tree.at("socket")).unwrap());
        tree.attribute("etc/shadow", "user.a=b%", b"line\nline");
        tree.attribute("etc", "user.empty", b"");
        tree.attribute("symbolic", "trusted.of-a-link", b"v");
        tree.attribute("etc/passwd", "system.posix_acl_access", ACL);
        tree.attribute("etc", "system.posix_acl_default", ACL);
        chown(tree.at("sparse"), Some(3_000_000_000), Some(7)).unwrap();
        fs::set_permissions(tree.at("sparse"), Permissions::from_mode(0o6711)).unwrap();
        tree.time("sparse", UNIX_EPOCH - Duration::new(1, 500_000_000));
        tree.time("etc-", UNIX_EPOCH + Duration::new(10_000_000_000, 1));
        Some(tree)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, content: &[u8]) {
        fs::write(self.at(path), content).unwrap();
        self.time(path, UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789));
    }

    fn time(&self, path: &str, time: SystemTime) {
        let file = File::options().read(true).open(self.at(path)).unwrap();
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }

    fn node(&self, path: &str, kind: FileType, major: u32, minor: u32) {
        mknodat(CWD, self.at(path), kind, Mode::from_raw_mode(0o644), makedev(major, minor)).unwrap();
    }

    fn attribute(&self, path: &str, name: &str, value: &[u8]) {
        lsetxattr(self.at(path), name, value, XattrFlags::empty()).unwrap();
    }

    /// Changes an entry, and keeps its time, unless another stands in its place, and that of its directory.
    fn change(&self, path: &str, change: impl FnOnce(&Path)) {
        let at = self.at(path);
        let directory = at.parent().unwrap().to_owned();
        let look = |path: &Path| fs::symlink_metadata(path).ok().filter(|found| found.is_dir() || found.is_file());
        let before = [&directory, &at].map(|path| look(path));
        change(&at);
        for (path, before) in [&directory, &at].into_iter().zip(before) {
            if let (Some(before), Some(after)) = (before, look(path))
                && before.ino() == after.ino()
            {
                let times = FileTimes::new().set_modified(before.modified().unwrap());
                File::open(path).unwrap().set_times(times).unwrap();
            }
        }
    }

    /// The packer's archive.
    fn packed(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        let pack = Pack::new(self.0.path()).compression(Compression::None).sparse(Sparse::Auto);
        pack.write(&mut archive).unwrap();
        archive
    }

    fn compare(&self, archive: &[u8]) -> Comparison {
        Comparison::in_order(&Listing::of_tree(self.0.path()).unwrap(), archive).unwrap()
    }
}

#[test]
fn an_image_of_every_kind_of_entry_is_its_tree() {
    let Some(tree) = Tree::new() else { return };
    let archive = tree.packed();
    let comparison = tree.compare(&archive);
    assert_eq!(comparison.told(), None);
    assert_eq!((comparison.members, comparison.differing), (13, 0));
    // It is really stored as a sparse file.
    assert!(archive.len() < 1 << 20, "{} bytes", archive.len());
}

/// The change is made in the tree: "is" is how the image has it, "in the tree" how it is now.
fn check(path: &str, change: impl FnOnce(&Path), told: &str) {
    let Some(tree) = Tree::new() else { return };
    let archive = tree.packed();
    tree.change(path, change);
    let found = tree.compare(&archive).told().unwrap_or_default();
    assert!(found.starts_with(told), "{path}: {found}");
}

/// Puts something else in an entry's place.
fn replace<Made>(make: impl FnOnce(&Path) -> Made) -> impl FnOnce(&Path) {
    |path| {
        fs::remove_file(path).unwrap();
        make(path);
    }
}

fn device(kind: FileType, major: u32, minor: u32) -> impl FnOnce(&Path) {
    replace(move |path| mknodat(CWD, path, kind, Mode::from_raw_mode(0o644), makedev(major, minor)).unwrap())
}

fn attribute(name: &str, value: &str) -> impl FnOnce(&Path) {
    move |path| lsetxattr(path, name, value.as_bytes(), XattrFlags::empty()).unwrap()
}

fn mode(mode: u32) -> impl FnOnce(&Path) {
    move |path| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap()
}

#[test]
fn another_content_is_found() {
    let root = "4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2";
    let content = format!("`etc/passwd`: content (sha256) is {root}, in the tree ce5ca673d13b3611");
    check("etc/passwd", |path| fs::write(path, "toor").unwrap(), &content);
    let cut = |path: &Path| File::options().write(true).open(path).unwrap().set_len(9).unwrap();
    check("sparse", cut, "`sparse`: size is 22020100, in the tree 9");
    let hole =
        |path: &Path| rustix::io::pwrite(File::options().write(true).open(path).unwrap(), b"x", 5).map(drop).unwrap();
    check("sparse", hole, "`sparse`: content (sha256) is ");
}

#[test]
fn another_mode_owner_or_time_is_found() {
    check("etc/shadow", mode(0o600), "`etc/shadow`: mode is 644, in the tree 600");
    check("sparse", mode(0o711), "`sparse`: mode is 6711, in the tree 711");
    check("etc", |path| chown(path, Some(1), Some(2)).unwrap(), "`etc`: owner is 0:0, in the tree 1:2");
    let group = |path: &Path| lchown(path, None, Some(4_000_000_000)).unwrap();
    check("symbolic", group, "`symbolic`: owner is 0:0, in the tree 0:4000000000");
    let Some(tree) = Tree::new() else { return };
    let archive = tree.packed();
    tree.time("etc/passwd", UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_788));
    let told = "`etc/passwd`: time is 1700000000.123456789, in the tree 1700000000.123456788; 1 more entry differs";
    assert_eq!(tree.compare(&archive).told().as_deref(), Some(told), "its hard link has the same time");
    tree.time("sparse", UNIX_EPOCH - Duration::new(2, 0));
    tree.time("etc/passwd", UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789));
    let told = "`sparse`: time is -1.500000000, in the tree -2";
    assert_eq!(tree.compare(&archive).told().as_deref(), Some(told));
}

#[test]
fn another_target_device_or_kind_is_found() {
    let target = replace(|path| symlink("etc/shadow", path).unwrap());
    check("symbolic", target, "`symbolic`: target is `etc/passwd`, in the tree `etc/shadow`");
    check("null", device(FileType::CharacterDevice, 1, 5), "`null`: device is 1:3, in the tree 1:5");
    check("loop0", device(FileType::BlockDevice, 7, 4096), "`loop0`: device is 7:0, in the tree 7:4096");
    check("fifo", replace(|path| fs::write(path, "").unwrap()), "`fifo`: kind is fifo, in the tree file");
    check(
        "loop0",
        device(FileType::CharacterDevice, 7, 0),
        "`loop0`: kind is block device, in the tree character device",
    );
    let other = |path: &Path| fs::hard_link(path.with_file_name("etc-"), path).unwrap();
    check("hard", replace(other), "`hard`: target is `etc/passwd`, in the tree `etc-`");
    check("hard", replace(|path| fs::write(path, "root").unwrap()), "`hard`: kind is hard link, in the tree file");
}

#[test]
fn another_attribute_is_found() {
    let of_shadow = "`etc/shadow`: attribute `user.a=b%` is 6c696e650a6c696e65, in the tree `line`";
    check("etc/shadow", attribute("user.a=b%", "line"), of_shadow);
    check("etc", attribute("user.new", "1"), "`etc`: attribute `user.new` is missing, in the tree `1`");
    let without = |path: &Path| rustix::fs::lremovexattr(path, "user.empty").unwrap();
    check("etc", without, "`etc`: attribute `user.empty` is ``, in the tree missing");
    let of_link = "`symbolic`: attribute `trusted.of-a-link` is `v`, in the tree `w`";
    check("symbolic", attribute("trusted.of-a-link", "w"), of_link);
    let acl = |path: &Path| rustix::fs::lremovexattr(path, "system.posix_acl_default").unwrap();
    check("etc", acl, "`etc`: attribute `SCHILY.acl.default` is 0200000001000600");
}

/// The packer writes an ACL twice, and readers use the text.
#[test]
fn an_acl_whose_text_says_something_else_is_found() {
    let Some(tree) = Tree::new() else { return };
    let mut archive = tree.packed();
    let text = b"SCHILY.acl.access=user::rw-,user:10:r-x";
    let at = archive.windows(text.len()).position(|bytes| bytes == text).unwrap();
    archive[at + text.len() - 3] = b'-';
    let told = tree.compare(&archive).told().unwrap();
    assert!(told.starts_with("`etc/passwd`: attribute `SCHILY.acl.access` is 0200"), "{told}");
}

#[test]
fn a_missing_an_additional_and_a_doubled_entry_are_found() {
    check("etc/empty", |path| fs::remove_dir(path).unwrap(), "`etc/empty` is not in the tree");
    check("etc/new", |path| fs::write(path, "").unwrap(), "`etc/new` is missing");
    check("zzz", |path| fs::write(path, "").unwrap(), "`zzz` is missing");
    let Some(tree) = Tree::new() else { return };
    let mut archive = tree.packed();
    let end = archive.len() - 1024;
    let fifo = archive.chunks(512).position(|block| block.starts_with(b"fifo\0")).unwrap() * 512;
    archive.splice(end..end, archive[fifo..fifo + 512].to_vec());
    let told = tree.compare(&archive).told();
    assert_eq!(told.as_deref(), Some("`fifo` stands behind `symbolic`"));
}

/// A directory comes before what is in it, so `etc-` comes behind `etc/shadow`, although `-` is less than `/`.
#[test]
fn the_order_is_that_of_names_in_directories() {
    let Some(tree) = Tree::new() else { return };
    let listing = Listing::of_tree(tree.0.path()).unwrap();
    let place = |wanted: &str| listing.entries.iter().position(|entry| *entry.path == *wanted.as_bytes()).unwrap();
    assert!(place("") < place("etc") && place("etc") < place("etc/shadow") && place("etc/shadow") < place("etc-"));
    assert!(listing.entries.iter().all(|entry| *entry.path != *b"socket"));
}

/// An archive by GNU tar with these options and names.
fn by_tar(tree: &Tree, options: &[&str], names: &[&str]) -> Vec<u8> {
    let mut tar = std::process::Command::new("tar");
    tar.args(["--sort=name", "--numeric-owner", "--xattrs", "--no-acls", "--pax-option=delete=atime,delete=ctime"]);
    let run = tar.args(options).args(["-cf", "-", "-C"]).arg(tree.0.path()).args(names).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    run.stdout
}

fn compare_by_name(tree: &Tree, archive: &[u8], limits: &[Limit]) -> Comparison {
    let tree = Listing::of_tree(tree.0.path()).unwrap();
    Expectation { tree: &tree, top: "", limits }.archive(archive).unwrap()
}

/// Another name of an inode comes first, and the directories in another order.
#[test]
fn an_archive_of_another_tool_is_its_tree_whatever_its_order() {
    let Some(tree) = Tree::new() else { return };
    let archive = by_tar(&tree, &[], &["./symbolic", "./hard", "./sparse", "."]);
    // Three of them twice.
    assert_eq!(
        compare_by_name(&tree, &archive, &[]).told().as_deref(),
        Some("`hard` stands there twice; 2 more entries differ")
    );
    let rest = ["--exclude=./hard", "--exclude=./symbolic", "--exclude=./sparse"];
    let rest = by_tar(&tree, &rest, &["."]);
    let first = by_tar(&tree, &[], &["./sparse", "./symbolic", "./hard"]);
    let first = &first[..first.chunks(512).rposition(|block| block != [0; 512]).unwrap() * 512 + 512];
    // Each archive has the content of the inode: together they are no hard link any more.
    let told = compare_by_name(&tree, &[first, &rest].concat(), &[]).told();
    assert_eq!(told.as_deref(), Some("`etc/passwd`: kind is file, in the tree hard link"));
    let links = by_tar(&tree, &["--no-recursion"], &["./symbolic", "./hard", "./etc", "./etc/passwd"]);
    let found = compare_by_name(&tree, &links, &[]);
    assert_eq!((found.members, found.differing), (4, 9), "{found:?}");
    assert_eq!(found.told().as_deref(), Some("`.` is missing; 8 more entries differ"));
}

#[test]
fn attributes_that_a_tool_is_known_to_lose_are_counted() {
    let Some(tree) = Tree::new() else { return };
    let lost = |option: &str, limit: Limit, without: &str| {
        let archive = by_tar(&tree, &[option], &["."]);
        let found = compare_by_name(&tree, &archive, &[limit]);
        assert_eq!(found.told(), None, "{limit:?}");
        assert!(found.losses[&limit] > 0);
        let others: Vec<Limit> = Limit::ALL.into_iter().filter(|other| *other != limit).collect();
        let told = compare_by_name(&tree, &archive, &others).told().unwrap_or_default();
        assert!(told.contains(without), "{limit:?}: {told}");
    };
    lost(
        "--xattrs-exclude=trusted.*",
        Limit::SymlinkAttributes,
        "`symbolic`: attribute `trusted.of-a-link` is missing",
    );
    lost("--xattrs-exclude=system.*", Limit::Acls, "attribute `system.posix_acl_");
    let archive = by_tar(&tree, &["--xattrs-exclude=user.*"], &["."]);
    assert!(compare_by_name(&tree, &archive, &Limit::ALL).told().is_some());
}

/// The tree of an image of LXD is below `rootfs`; what is beside that is not looked at.
#[test]
fn a_tree_below_a_directory_is_found_there() {
    let Some(tree) = Tree::new() else { return };
    let archive = by_tar(&tree, &["--transform=s,^\\.,rootfs,rhS"], &["."]);
    let listing = Listing::of_tree(tree.0.path()).unwrap();
    let compare = |top| Expectation { tree: &listing, top, limits: &[] }.archive(&archive[..]).unwrap();
    assert_eq!(compare("rootfs").told(), None);
    assert_eq!((compare("root").members, compare("").differing), (0, 26));
}
