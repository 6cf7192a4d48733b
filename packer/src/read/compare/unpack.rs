//! From an archive to contents, as unpacking it would make them: later members take the place of earlier ones.

use std::io::Read;

use crate::read::archive::error::{Flaw, quoted};
use crate::read::archive::member::{Kind, Member};
use crate::read::archive::members::{Archive, End, Piece, Whole};
use crate::read::archive::path;
use crate::read::compare::contents::{self, Contents, Node};
use crate::read::compare::digest::Digester;
use crate::read::image::format::{METADATA, METADATA_LIMIT, Shape};

/// What an archive is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// All there is.
    Whole,
    /// A layer: some names say what it hides of the layers below.
    Layer,
}

/// What was found on the way.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) whole: Whole,
    pub(crate) shape: Shape,
    /// The file called `metadata.yaml` at the top, if it is of a size that importers read.
    pub(crate) metadata: Option<Vec<u8>>,
}

/// In a layer, names that begin so hide something.
const HIDES: &[u8] = b".wh.";
/// Names that begin so twice are the marks of one implementation.
const MARKS: &[u8] = b".wh..wh.";
/// This one hides all that lower layers have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Puts the members of an archive into `contents`.
pub(crate) fn unpack(tar: impl Read, role: Role, contents: &mut Contents) -> Result<Unpacked, Flaw> {
    let mut archive = Archive::new(tar, if role == Role::Layer { End::Anywhere } else { End::Marked });
    let (mut shape, mut metadata) = (Shape::default(), None);
    while let Some(member) = archive.next()? {
        let path = path::of_name(&member.name)?;
        shape.see(&member, &path);
        match path::split(&path) {
            Some((directory, name)) if role == Role::Layer && name.starts_with(HIDES) => {
                hide(directory, name, contents);
            }
            _ => {
                let text = node(&mut archive, member, &path, contents)?;
                if let Some(text) = &text {
                    shape.read(text);
                }
                if path == METADATA {
                    metadata = text;
                }
            }
        }
    }
    Ok(Unpacked { whole: archive.finish()?, shape, metadata })
}

fn hide(directory: &[u8], name: &[u8], contents: &mut Contents) {
    match name {
        OPAQUE => contents.hide_below(directory),
        _ if name.starts_with(MARKS) => {}
        _ => {
            let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
            contents.hide(&[directory, slash, &name[HIDES.len()..]].concat());
        }
    }
}

/// Puts in one member; gives its content if it is the description of an image.
fn node(
    archive: &mut Archive<impl Read>,
    member: Member,
    path: &[u8],
    contents: &mut Contents,
) -> Result<Option<Vec<u8>>, Flaw> {
    let mut text = None;
    let kind = match member.kind {
        Kind::HardLink { target } => {
            let target = path::of_name(&target)?;
            return contents.link(path, &target).map(|()| None);
        }
        Kind::File { size } => {
            let mut digester = Digester::default();
            let mut kept = (path == METADATA && size <= METADATA_LIMIT).then(Vec::new);
            archive.content(&mut |piece| match piece {
                Piece::Data(data) => {
                    digester.data(data);
                    kept.iter_mut().for_each(|kept| kept.extend_from_slice(data));
                }
                Piece::Hole(length) => {
                    digester.hole(length);
                    kept.iter_mut().for_each(|kept| kept.resize(kept.len() + length as usize, 0));
                }
            })?;
            text = kept;
            contents::Kind::File(digester.finish())
        }
        Kind::Directory => contents::Kind::Directory,
        Kind::Symlink { target } => contents::Kind::Symlink { target: target.into() },
        Kind::Fifo => contents::Kind::Fifo,
        Kind::CharacterDevice(major, minor) => contents::Kind::CharacterDevice(major, minor),
        Kind::BlockDevice(major, minor) => contents::Kind::BlockDevice(major, minor),
    };
    if path.is_empty() && kind != contents::Kind::Directory {
        return Err(Flaw::Unsound(format!("{} is the top, and no directory", quoted(&member.name))));
    }
    let Member { mode, owner, modified, attributes, .. } = member;
    contents.insert(path, Node { kind, mode, owner, modified, attributes })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::read::archive::members::End;
    use crate::read::verify::names::Targets;
    use crate::read::verify::scan::scan;
    use testkit::handmade;

    proptest! {
        #![proptest_config(testkit::cases::usually(4_096))]

        /// Whatever is found sound can be read, with as many entries as members have names of their own; nothing makes a reader panic.
        #[test]
        fn what_is_sound_can_be_read(tar in handmade::archive()) {
            let mut contents = Contents::new();
            let unpacked = unpack(&tar.0[..], Role::Whole, &mut contents);
            if let Ok(scanned) = scan(&tar.0[..], End::Marked, Targets::Here) {
                let unpacked = unpacked.unwrap();
                prop_assert_eq!(unpacked.whole, scanned.whole);
                prop_assert_eq!(unpacked.whole.length, tar.0.len() as u64);
                prop_assert_eq!(contents.entries().count() as u64, scanned.members);
            }
            let mut layers = Contents::new();
            for _ in 0..2 {
                layers.begin_layer();
                let _ = unpack(&tar.0[..], Role::Layer, &mut layers);
            }
        }
    }
}
