//! From an archive to a tree in memory, as unpacking would make it: later members replace earlier ones.

use std::io::Read;

use crate::cancel::CancelToken;
use crate::read::archive::error::{ReadError, quoted};
use crate::read::archive::member::{Member, MemberKind};
use crate::read::archive::path;
use crate::read::archive::reader::{ArchiveDigest, ArchiveReader, End, Piece};
use crate::read::compare::contents::{Contents, Node, NodeKind};
use crate::read::compare::digest::ContentHasher;
use crate::read::context::Cancelled;
use crate::read::image::format::{FormatDetector, METADATA, METADATA_LIMIT};

/// The role of an archive in its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArchiveRole {
    /// A whole tree.
    Whole,
    /// A layer, with whiteouts of entries in lower layers.
    Layer,
}

/// The findings beside the tree.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) archive: ArchiveDigest,
    pub(crate) detector: FormatDetector,
    /// The content of `metadata.yaml` at the top, unless it is longer than importers read.
    pub(crate) metadata: Option<Vec<u8>>,
}

/// The prefix of whiteouts in a layer.
const WHITEOUT: &[u8] = b".wh.";
/// The prefix of names that are reserved for aufs.
const RESERVED: &[u8] = b".wh..wh.";
/// The opaque whiteout, which hides all entries of lower layers in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Inserts the members of an archive into `contents`.
pub(crate) fn unpack(
    tar: impl Read,
    role: ArchiveRole,
    contents: &mut Contents,
    cancel: &CancelToken,
) -> Result<Unpacked, ReadError> {
    let mut archive =
        ArchiveReader::new(tar, if role == ArchiveRole::Layer { End::Anywhere } else { End::Marked }, cancel);
    let (mut detector, mut metadata) = (FormatDetector::default(), None);
    while let Some(member) = archive.next()? {
        let path = path::normalize(&member.name)?;
        detector.add(&member, &path);
        match path::split(&path) {
            Some((directory, name)) if role == ArchiveRole::Layer && name.starts_with(WHITEOUT) => {
                apply_whiteout(directory, name, contents)?;
            }
            _ => {
                let text = insert(&mut archive, member, &path, contents)?;
                if let Some(text) = &text {
                    detector.add_description(text);
                }
                if path == METADATA {
                    metadata = text;
                }
            }
        }
    }
    Ok(Unpacked { archive: archive.finish()?, detector, metadata })
}

fn apply_whiteout(directory: &[u8], name: &[u8], contents: &mut Contents) -> Result<(), Cancelled> {
    match name {
        OPAQUE => contents.hide_below(directory),
        _ if name.starts_with(RESERVED) => Ok(()),
        _ => {
            let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
            contents.hide(&[directory, slash, &name[WHITEOUT.len()..]].concat())
        }
    }
}

/// Inserts one member. Returns its content if it is `metadata.yaml`.
fn insert(
    archive: &mut ArchiveReader<'_, impl Read>,
    member: Member,
    path: &[u8],
    contents: &mut Contents,
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut text = None;
    let kind = match member.kind {
        MemberKind::HardLink { target } => {
            let target = path::normalize(&target)?;
            return contents.link(path, &target).map(|()| None);
        }
        MemberKind::File { size } => {
            let mut hasher = ContentHasher::default();
            let mut kept = (path == METADATA && size <= METADATA_LIMIT).then(Vec::new);
            archive.content(&mut |piece| match piece {
                Piece::Data(data) => {
                    hasher.data(data);
                    kept.iter_mut().for_each(|kept| kept.extend_from_slice(data));
                }
                Piece::Hole(length) => {
                    hasher.hole(length);
                    kept.iter_mut().for_each(|kept| kept.resize(kept.len() + length as usize, 0));
                }
            })?;
            text = kept;
            NodeKind::File(hasher.finish())
        }
        MemberKind::Directory => NodeKind::Directory,
        MemberKind::Symlink { target } => NodeKind::Symlink { target: target.into() },
        MemberKind::Fifo => NodeKind::Fifo,
        MemberKind::CharacterDevice(major, minor) => NodeKind::CharacterDevice(major, minor),
        MemberKind::BlockDevice(major, minor) => NodeKind::BlockDevice(major, minor),
    };
    if path.is_empty() && kind != NodeKind::Directory {
        return Err(ReadError::Malformed(format!("{} is the top, and no directory", quoted(&member.name))));
    }
    let Member { mode, owner, modified, xattrs, .. } = member;
    contents.insert(path, Node { kind, mode, owner, modified, xattrs })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::read::archive::reader::End;
    use crate::read::verify::{LinkTargets, scan};
    use testkit::handmade;

    proptest! {
        #![proptest_config(testkit::cases::usually(4_096))]

        /// Every archive that scans unpacks, to one entry for each member. No archive makes a reader panic.
        #[test]
        fn every_archive_that_scans_unpacks(tar in handmade::archive()) {
            let mut contents = Contents::new(&CancelToken::NEVER);
            let unpacked = unpack(&tar.0[..], ArchiveRole::Whole, &mut contents, &CancelToken::NEVER);
            if let Ok(scanned) = scan(&tar.0[..], End::Marked, LinkTargets::SameArchive, &CancelToken::NEVER) {
                let unpacked = unpacked.unwrap();
                prop_assert_eq!(unpacked.archive, scanned.archive);
                prop_assert_eq!(unpacked.archive.length, tar.0.len() as u64);
                prop_assert_eq!(contents.entries().count() as u64, scanned.members);
            }
            let mut layers = Contents::new(&CancelToken::NEVER);
            for _ in 0..2 {
                layers.begin_layer().unwrap();
                let _ = unpack(&tar.0[..], ArchiveRole::Layer, &mut layers, &CancelToken::NEVER);
            }
        }
    }
}
