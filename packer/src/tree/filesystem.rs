//! What is known of the filesystem that a tree lies on.

use std::os::fd::AsFd;

/// How far a filesystem is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filesystem {
    /// It has link counts on the disk, and to list a directory changes nothing of it.
    Plain,
    /// It has link counts as well. What it tells of a directory may be older than its listing, or the listing may change it.
    Layered,
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

/// overlay, which removes a mark of its own when a directory is first listed; NFS, whose server is asked only from time to time.
const LAYERED: [u32; 2] = [0x794c_7630, 0x0000_6969];

impl Filesystem {
    /// The filesystem of an open file.
    pub(crate) fn of(file: impl AsFd) -> Self {
        match rustix::fs::fstatfs(file).map(|found| found.f_type as u32) {
            Ok(number) if PLAIN.contains(&number) => Filesystem::Plain,
            Ok(number) if LAYERED.contains(&number) => Filesystem::Layered,
            _ => Filesystem::Unknown,
        }
    }
}
