//! `statx` answers: an inode's metadata on the disk, and its changes between two looks.

use rustix::fs::{FileType, Statx, StatxFlags};

/// A point in time: seconds since 1970, negative before it, plus nanoseconds, which always count forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// An inode and the mount that it was reached by. An inode number alone is unique on one filesystem only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// Major and minor number of the filesystem's device.
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
    pub(crate) mount: u64,
}

/// The part of a `statx` answer that the archive needs, or that shows whether a file is still the listed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) identity: Identity,
    /// File type and permissions.
    pub(crate) mode: u16,
    pub(crate) links: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    /// Major and minor number that a device node stands for.
    pub(crate) device: (u32, u32),
    pub(crate) modified: Timestamp,
    pub(crate) changed: Timestamp,
}

impl Stat {
    /// The fields to ask `statx` for.
    pub(crate) const WANTED: StatxFlags =
        StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID).difference(StatxFlags::ATIME);

    pub(crate) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(u32::from(self.mode))
    }

    /// The permission bits, set-id and sticky bits included.
    pub(crate) fn permissions(&self) -> u16 {
        self.mode & 0o7777
    }

    /// Whether a later look found the same inode and file type, changed or not.
    pub(crate) fn is_same_file(&self, later: &Stat) -> bool {
        self.identity == later.identity && self.file_type() == later.file_type()
    }

    /// How the file changed between this look and a later one; `None` if nothing that the archive depends on did.
    pub(crate) fn difference(&self, later: &Stat) -> Option<&'static str> {
        if !self.is_same_file(later) {
            Some(REPLACED)
        } else if later.size > self.size {
            Some("it grew")
        } else if later.size < self.size {
            Some(SHRANK)
        } else if self.modified != later.modified || self.changed != later.changed {
            Some("it was touched")
        } else {
            None
        }
    }
}

/// The change of an entry whose name stands for another inode now.
pub(crate) const REPLACED: &str = "another file took its place";
/// The change of an entry that is gone.
pub(crate) const VANISHED: &str = "it vanished";
/// The change of a file that has fewer bytes now.
pub(crate) const SHRANK: &str = "it shrank";

impl From<Statx> for Stat {
    fn from(statx: Statx) -> Self {
        let time = |stamp: rustix::fs::StatxTimestamp| Timestamp { seconds: stamp.tv_sec, nanoseconds: stamp.tv_nsec };
        Stat {
            identity: Identity {
                device: (statx.stx_dev_major, statx.stx_dev_minor),
                inode: statx.stx_ino,
                mount: statx.stx_mnt_id,
            },
            mode: statx.stx_mode,
            links: statx.stx_nlink,
            uid: statx.stx_uid,
            gid: statx.stx_gid,
            size: statx.stx_size,
            device: (statx.stx_rdev_major, statx.stx_rdev_minor),
            modified: time(statx.stx_mtime),
            changed: time(statx.stx_ctime),
        }
    }
}
