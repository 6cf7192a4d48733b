//! The walk's output: one entry for each member of the archive.

use std::sync::Arc;

use crate::tree::directory::Directory;
use crate::tree::holes::Extents;
use crate::tree::id_map::Owner;
use crate::tree::stat::{Stat, Timestamp};
use crate::tree::xattr::Xattrs;

/// A file of the tree: its member of the archive, and where its content is read.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) member: Member,
    /// The directory to open the file in.
    pub(crate) directory: Arc<Directory>,
    /// The file's metadata on the disk when it was listed.
    pub(crate) stat: Stat,
}

/// A member of the archive, without its content. The values are those of the archive, which may differ from the disk's.
#[derive(Debug)]
pub(crate) struct Member {
    /// Stands before the path in the archive: nothing, or a directory with its slash.
    pub(crate) prefix: &'static [u8],
    /// The path below the top of the tree, without a leading or trailing slash; empty for the top itself.
    pub(crate) path: Box<[u8]>,
    pub(crate) kind: Kind,
    /// The permission bits, set-id and sticky bits included.
    pub(crate) mode: u16,
    pub(crate) owner: Owner,
    pub(crate) modified: Timestamp,
    pub(crate) xattrs: Xattrs,
}

/// The kind of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File {
        size: u64,
    },
    /// A file that is archived without its holes.
    SparseFile {
        extents: Extents,
    },
    /// A further name of a file that stands earlier in the archive under the name `target`.
    HardLink {
        target: Arc<[u8]>,
    },
    Directory,
    Symlink {
        target: Box<[u8]>,
    },
    Fifo,
    CharacterDevice {
        major: u32,
        minor: u32,
    },
    BlockDevice {
        major: u32,
        minor: u32,
    },
}

impl Entry {
    /// The last component of the path: the file's name in its directory.
    pub(crate) fn name(&self) -> &[u8] {
        self.member.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }
}

impl Member {
    /// A regular file of no tree: mode 0644, owned by root, from 1970.
    #[cfg_attr(not(feature = "lxd"), expect(dead_code, reason = "only LXD images have such members"))]
    pub(crate) fn file(path: &[u8], size: u64) -> Self {
        Member {
            prefix: b"",
            path: path.into(),
            kind: Kind::File { size },
            mode: 0o644,
            owner: Owner { uid: 0, gid: 0 },
            modified: Timestamp { seconds: 0, nanoseconds: 0 },
            xattrs: Xattrs::default(),
        }
    }
}
