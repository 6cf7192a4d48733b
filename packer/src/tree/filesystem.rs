//! What is known of the filesystems that a tree lies on.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use rustix::fs::FileType;

use crate::error::Result;
use crate::tree::stat::{Identity, Mount, Stat};

/// How far a filesystem is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filesystem {
    /// It has link counts and inode numbers on the disk, and to list a directory changes nothing of it.
    Plain,
    /// overlay. It has link counts as well. It sets and removes marks of its own when a directory, or what is in it, is first looked
    /// up. Where its layers lie on several filesystems, directories have inode numbers of the moment: `overlayfs.rst`, "Inode
    /// properties".
    Overlay,
    /// NFS. It has link counts and inode numbers as well. Its server is asked only from time to time, so what it tells of a directory
    /// may be older than the listing.
    Nfs,
    /// Nothing is known.
    Unknown,
}

/// By their numbers in `linux/magic.h`: ext, xfs, btrfs, tmpfs, ramfs, f2fs, zfs, bcachefs, squashfs, erofs.
const PLAIN: [u32; 10] = [
    0x0000_ef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x8584_58f6,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x7371_7368,
    0xe0f5_e1e2,
];
const OVERLAY: u32 = 0x794c_7630;
const NFS: u32 = 0x0000_6969;

impl Filesystem {
    /// The filesystem of an open file.
    pub(crate) fn of(file: impl AsFd) -> Self {
        match rustix::fs::fstatfs(file).map(|found| found.f_type as u32) {
            Ok(number) if PLAIN.contains(&number) => Filesystem::Plain,
            Ok(OVERLAY) => Filesystem::Overlay,
            Ok(NFS) => Filesystem::Nfs,
            _ => Filesystem::Unknown,
        }
    }

    /// Whether to list a directory and to look at its files changes nothing of what a look at the directory shows.
    pub(crate) fn is_listed_quietly(self) -> bool {
        self == Filesystem::Plain
    }

    /// Whether every file keeps its inode number as long as it exists. FAT, exFAT and many filesystems in user space number a file
    /// anew when the kernel has forgotten it.
    pub(crate) fn has_persistent_numbers(self) -> bool {
        matches!(self, Filesystem::Plain | Filesystem::Nfs)
    }

    /// A look at a file of this filesystem, with which later ones are compared.
    pub(crate) fn comparable(self, stat: Stat) -> Stat {
        // Other files of an overlay have the numbers of their layers.
        let is_persistent = match self {
            Filesystem::Overlay => stat.file_type() != FileType::Directory,
            known => known.has_persistent_numbers(),
        };
        Stat { identity: Identity { is_persistent, ..stat.identity }, ..stat }
    }
}

/// The filesystems of a tree, by mount.
#[derive(Debug)]
pub(crate) struct Filesystems {
    top: (Mount, Filesystem),
    others: Mutex<HashMap<Mount, Filesystem>>,
}

impl Filesystems {
    /// Of the top alone.
    pub(crate) fn new(top: &Identity, filesystem: Filesystem) -> Self {
        Filesystems { top: (top.reached_by(), filesystem), others: Mutex::default() }
    }

    /// The filesystem of a file. `ask` is called once for each mount below the top.
    pub(crate) fn find(&self, identity: &Identity, ask: impl FnOnce() -> Result<Filesystem>) -> Result<Filesystem> {
        if let Some(known) = self.known(identity) {
            return Ok(known);
        }
        let found = ask()?;
        self.others.lock().unwrap_or_else(PoisonError::into_inner).insert(identity.reached_by(), found);
        Ok(found)
    }

    /// The filesystem of a file on a mount that was asked for before.
    pub(crate) fn known(&self, identity: &Identity) -> Option<Filesystem> {
        let mount = identity.reached_by();
        if mount == self.top.0 {
            return Some(self.top.1);
        }
        self.others.lock().unwrap_or_else(PoisonError::into_inner).get(&mount).copied()
    }
}
