//! What the walk yields: one value for each member of the archive.

use std::sync::Arc;

use rustix::fs::{FileType, Statx, StatxFlags};

use crate::tree::directory::Directory;
use crate::tree::holes::Map;
use crate::tree::id_map::Owner;
use crate::tree::xattr::Attributes;

/// One member of the archive, as the walk listed it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Where it stands: the handle to open it by.
    pub(crate) directory: Arc<Directory>,
    /// What stands before its path in the archive: nothing, or a directory with its slash.
    pub(crate) prefix: &'static [u8],
    /// Its path below the top of the tree, without a leading or trailing slash; empty for the top itself.
    pub(crate) path: Box<[u8]>,
    pub(crate) kind: Kind,
    /// What the disk said of it; what the archive says is told by the fields below.
    pub(crate) stat: Stat,
    pub(crate) owner: Owner,
    pub(crate) modified: Timestamp,
    pub(crate) attributes: Attributes,
}

/// What kind of member an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    /// A file of which the archive holds a map and the data without the holes.
    SparseFile {
        map: Map,
    },
    /// Another name of a file that stands earlier in the archive, under the name `target`.
    HardLink {
        target: Arc<[u8]>,
    },
    Directory,
    Symlink {
        target: Box<[u8]>,
    },
    Fifo,
    CharacterDevice,
    BlockDevice,
}

/// A point in time; before 1970 the seconds are negative and the nanoseconds still count forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// Which inode this is, on which mount. An inode number alone is unique on one filesystem only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
    pub(crate) mount: u64,
}

/// The part of a `statx` answer that an archive needs, or that tells whether a file is still the one that was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) identity: Identity,
    pub(crate) mode: u16,
    pub(crate) links: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) device: (u32, u32),
    pub(crate) modified: Timestamp,
    pub(crate) changed: Timestamp,
}

impl Stat {
    /// What to ask `statx` for.
    pub(crate) const WANTED: StatxFlags =
        StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID).difference(StatxFlags::ATIME);

    pub(crate) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(u32::from(self.mode))
    }

    /// The permission bits with set-id and sticky.
    pub(crate) fn permissions(&self) -> u16 {
        self.mode & 0o7777
    }

    /// Whether a later look found the same file, whatever happened to it.
    pub(crate) fn is_same_file(&self, later: &Stat) -> bool {
        self.identity == later.identity && self.file_type() == later.file_type()
    }

    /// How a later look at the same file differs from this one, if it matters for the archive.
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

/// What is said of an entry that is another one now.
pub(crate) const REPLACED: &str = "another file took its place";
/// What is said of an entry that is gone.
pub(crate) const VANISHED: &str = "it vanished";
/// What is said of a file that has fewer bytes now.
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

impl Entry {
    /// A member that stands in no tree, and belongs to root: a file of `size` bytes with mode 0644.
    pub(crate) fn made_up(path: &[u8], size: u64) -> Self {
        let identity = Identity { device: (0, 1), inode: 1, mount: 1 };
        let never = Timestamp { seconds: 0, nanoseconds: 0 };
        let stat = Stat {
            identity,
            mode: 0o100_644,
            links: 1,
            uid: 0,
            gid: 0,
            size,
            device: (0, 0),
            modified: never,
            changed: never,
        };
        Entry {
            directory: Directory::top(identity),
            prefix: b"",
            path: path.into(),
            kind: Kind::File,
            stat,
            owner: Owner { uid: 0, gid: 0 },
            modified: never,
            attributes: Attributes::default(),
        }
    }
}
