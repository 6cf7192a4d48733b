//! A member's values in its headers: name, link target, type and content size.

use crate::tar::sparse;
use crate::tar::ustar::TypeFlag;
use crate::tree::entry::{Kind, Member};

/// The name in the archive: `./` for a top without a prefix; a directory's name ends in a slash.
pub(super) fn name(member: &Member) -> Vec<u8> {
    let is_directory = matches!(member.kind, Kind::Directory);
    match (member.prefix, &*member.path, is_directory) {
        (b"", b"", _) => b"./".to_vec(),
        (prefix, b"", _) => prefix.to_vec(),
        (prefix, path, true) => [prefix, path, b"/"].concat(),
        (prefix, path, false) => [prefix, path].concat(),
    }
}

/// The target of a hard link or symlink; empty for all others.
pub(super) fn link_target(member: &Member) -> &[u8] {
    match &member.kind {
        Kind::HardLink { target } => target,
        Kind::Symlink { target } => target,
        Kind::File { .. }
        | Kind::SparseFile { .. }
        | Kind::Directory
        | Kind::Fifo
        | Kind::CharacterDevice { .. }
        | Kind::BlockDevice { .. } => b"",
    }
}

/// The bytes of content that follow the headers.
pub(crate) fn content_size(member: &Member) -> u64 {
    match &member.kind {
        Kind::File { size } => *size,
        Kind::SparseFile { extents } => sparse::content_size(extents),
        Kind::HardLink { .. }
        | Kind::Directory
        | Kind::Symlink { .. }
        | Kind::Fifo
        | Kind::CharacterDevice { .. }
        | Kind::BlockDevice { .. } => 0,
    }
}

pub(super) fn type_flag(kind: &Kind) -> TypeFlag {
    match kind {
        Kind::File { .. } | Kind::SparseFile { .. } => TypeFlag::Regular,
        Kind::HardLink { .. } => TypeFlag::HardLink,
        Kind::Directory => TypeFlag::Directory,
        Kind::Symlink { .. } => TypeFlag::Symlink,
        Kind::Fifo => TypeFlag::Fifo,
        Kind::CharacterDevice { .. } => TypeFlag::CharacterDevice,
        Kind::BlockDevice { .. } => TypeFlag::BlockDevice,
    }
}
