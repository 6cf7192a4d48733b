//! A packed tree is what its image holds, and one change of it, whichever, shows where it is and nowhere else.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use packer::{Compression, Pack, Source};
use proptest::prelude::*;
use proptest::sample::Index;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use tempfile::TempDir;

use crate::against::keep_time;
use crate::corners::PLACE;
use crate::trees;
use testkit::listing::{self, Member};

/// One change of a tree.
#[derive(Clone, Copy, Debug)]
enum Change {
    Content,
    Growth,
    Mode,
    Owner,
    Time,
    Attribute,
    Target,
    Name,
    Removal,
    Addition,
}

fn change() -> impl Strategy<Value = Change> {
    use Change::*;
    prop::sample::select(vec![Content, Growth, Mode, Owner, Time, Attribute, Target, Name, Removal, Addition])
}

fn at(root: &Path, path: &[u8]) -> PathBuf {
    if path == b"." { root.to_owned() } else { root.join(OsStr::from_bytes(path)) }
}

impl Change {
    /// Whether it can be made of an entry.
    fn fits(self, member: &Member, root: &Path) -> bool {
        let is_top = member.path == b".";
        let is_root = rustix::process::geteuid().is_root();
        let path = at(root, &member.path);
        let file = || fs::symlink_metadata(&path).unwrap().is_file();
        let length = || fs::symlink_metadata(&path).unwrap().len();
        match self {
            Change::Content => file() && length() > 0,
            Change::Growth => file(),
            Change::Mode => !path.is_symlink(),
            Change::Owner | Change::Attribute => is_root,
            Change::Time => true,
            Change::Target => path.is_symlink() && member.kind == '2',
            Change::Name | Change::Removal => !is_top && member.kind != '5',
            Change::Addition => path.is_dir() && !path.is_symlink(),
        }
    }

    /// Makes it, and nothing else: times of what is around it stay. Gives the paths that differ now.
    fn make(self, member: &Member, root: &Path) -> BTreeSet<Vec<u8>> {
        let path = at(root, &member.path);
        let parent = path.parent().unwrap();
        let (of_entry, of_parent) = (keep_time(&path), keep_time(parent));
        let is_writable = member.kind != '5' && fs::symlink_metadata(&path).unwrap().is_file();
        let mut differ = BTreeSet::from([leader(root, member)]);
        match self {
            Change::Content | Change::Growth => {
                assert!(is_writable);
                let mode = fs::metadata(&path).unwrap().permissions();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
                let mut bytes = fs::read(&path).unwrap();
                match self {
                    Change::Content => {
                        let middle = bytes.len() / 2;
                        bytes[middle] ^= 0x20;
                    }
                    _ => bytes.push(0),
                }
                fs::write(&path, bytes).unwrap();
                fs::set_permissions(&path, mode).unwrap();
            }
            Change::Mode => {
                let mode = fs::metadata(&path).unwrap().mode();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o7777 ^ 0o010)).unwrap();
            }
            Change::Owner => {
                let found = fs::symlink_metadata(&path).unwrap();
                std::os::unix::fs::lchown(&path, Some(if found.uid() == 1 { 2 } else { 1 }), None).unwrap();
            }
            Change::Time => {
                let found = fs::symlink_metadata(&path).unwrap();
                let time = Timespec { tv_sec: found.mtime(), tv_nsec: (found.mtime_nsec() + 1) % 1_000_000_000 };
                let times = Timestamps { last_access: time, last_modification: time };
                rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
                return differ;
            }
            Change::Attribute => {
                rustix::fs::lsetxattr(&path, "trusted.new", b"", XattrFlags::empty()).unwrap();
            }
            Change::Target => return self.retarget(member, root),
            Change::Name => {
                let new = [&member.path[..], b"~"].concat();
                differ = BTreeSet::from([member.path.clone(), new.clone()]);
                fs::rename(&path, at(root, &new)).unwrap();
            }
            Change::Removal => {
                differ = BTreeSet::from([member.path.clone()]);
                fs::remove_file(&path).unwrap();
            }
            Change::Addition => {
                let new = if member.path == b"." { b"~new".to_vec() } else { [&member.path[..], b"/~new"].concat() };
                rustix::fs::mknodat(CWD, at(root, &new), FileType::Fifo, Mode::RUSR, 0).unwrap();
                differ = BTreeSet::from([new]);
            }
        }
        if !matches!(self, Change::Name | Change::Removal) {
            of_entry(&path);
        }
        if member.path != b"." {
            of_parent(parent);
        }
        differ
    }

    /// A symlink cannot be changed: another one takes its place, with all that the first one had.
    fn retarget(self, member: &Member, root: &Path) -> BTreeSet<Vec<u8>> {
        let path = at(root, &member.path);
        let parent = path.parent().unwrap();
        let (of_entry, of_parent) = (keep_time(&path), keep_time(parent));
        let found = fs::symlink_metadata(&path).unwrap();
        fs::remove_file(&path).unwrap();
        symlink("elsewhere~", &path).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(&path, Some(found.uid()), Some(found.gid())).unwrap();
        }
        for (name, value) in &member.attributes {
            let name = std::str::from_utf8(name).unwrap();
            rustix::fs::lsetxattr(&path, name, value, XattrFlags::empty()).unwrap();
        }
        of_entry(&path);
        of_parent(parent);
        BTreeSet::from([member.path.clone()])
    }
}

/// The first in byte order of all names that an entry has.
fn leader(root: &Path, member: &Member) -> Vec<u8> {
    let inode = |path: &[u8]| fs::symlink_metadata(at(root, path)).unwrap().ino();
    let own = inode(&member.path);
    let all = listing::of_tree(root).into_iter().map(|member| member.path);
    all.filter(|path| inode(path) == own).min().unwrap()
}

/// The paths that differ, with `.` for the top.
fn differing(tree: &Path, image: &Path) -> BTreeSet<Vec<u8>> {
    let found = Source::new(image).compare_with_tree(&Pack::new(tree)).unwrap();
    let path = |path: &Path| if path == Path::new("") { b".".to_vec() } else { path.as_os_str().as_bytes().to_vec() };
    found.iter().map(|difference| path(&difference.path)).collect()
}

proptest! {
    #![proptest_config(testkit::cases::cases(24, 768))]

    #[test]
    fn a_packed_tree_is_the_same_and_one_change_of_it_shows_where_it_is(
        plan in trees::plan(), change in change(), which: Index, codec in 0..3_usize,
    ) {
        let (place, output) = (TempDir::new_in(PLACE).unwrap(), TempDir::new().unwrap());
        let root = place.path().join("tree");
        plan.create(&root, false);
        let compression: Compression = ["none", "gzip:1", "zstd:1"][codec].parse().unwrap();
        let image = Pack::new(&root).compression(compression).publish(output.path()).unwrap().path.unwrap();
        prop_assert_eq!(differing(&root, &image), BTreeSet::new());
        let members: Vec<_> =
            listing::of_tree(&root).into_iter().filter(|member| change.fits(member, &root)).collect();
        prop_assume!(!members.is_empty());
        let member = which.get(&members);
        let expected = change.make(member, &root);
        prop_assert_eq!(differing(&root, &image), expected, "{:?} of {}", change, member.path.escape_ascii());
    }
}
