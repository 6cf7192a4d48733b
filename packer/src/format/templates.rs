//! The templates of an LXD image: files beside the rootfs that the daemon fills in when it creates an instance.
//!
//! Only names and contents go into the image. Owners, modes and times are the same for all, so that the image does not depend on how
//! the templates were checked out.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::FileType;

use crate::buffer::Buffer;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::frame::Framer;
use crate::segment::FramedMembers;
use crate::tar;
use crate::tree::Tree;
use crate::tree::changes::Changes;
use crate::tree::entry::{Entry, Kind, Member};
use crate::tree::id_map::{Owner, OwnerPolicy};
use crate::tree::rules::Rules;
use crate::tree::stat::Timestamp;

/// The most bytes of all templates in the archive. They are held in memory; real ones are a few KiB.
const LIMIT: usize = 16 << 20;

/// The directory of the templates in the archive.
const PREFIX: &[u8] = b"templates/";

/// The templates of an image, framed.
pub(super) struct Templates {
    pub(super) framed: FramedMembers,
    /// The paths of the files below the directory.
    pub(super) names: BTreeSet<Box<[u8]>>,
}

/// Reads the templates below `directory`. Their modification time in the archive is `modified`, in seconds since 1970.
pub(super) fn read(directory: &Path, modified: i64, cancel: &CancelToken) -> Result<Templates> {
    let located = |error: Error| error.below(directory);
    let owners = OwnerPolicy::Fixed(Owner { uid: 0, gid: 0 });
    let tree = Tree::open_as("open the templates", directory, Rules { owners, ..Rules::default() }, cancel)?;
    let changes = Changes::Fatal;
    let mut framer = Framer::new(tree.handles().map_err(located)?, &changes);
    let (mut out, mut content) = (Buffer::default(), Buffer::default());
    let (mut names, mut count) = (BTreeSet::new(), 0);
    let mut walk = tree.walk(&changes).map_err(located)?;
    for entry in walk.by_ref() {
        let entry = entry.map_err(located)?;
        let mut member = member(&entry).map_err(located)?;
        member.modified = Timestamp { seconds: modified, nanoseconds: 0 };
        content.clear();
        if let Kind::File { size } = member.kind {
            if size > (LIMIT - out.len()) as u64 {
                return Err(too_large(directory));
            }
            framer.append_bytes(&entry, 0..size, &mut content).map_err(located)?;
            names.insert(entry.member.path);
        }
        if tar::framed_length(&member).map_err(located)? > (LIMIT - out.len()) as u64 {
            return Err(too_large(directory));
        }
        tar::append_member(&member, &content, &mut out);
        count += 1;
    }
    walk.finish().map_err(located)?;
    Ok(Templates { framed: FramedMembers { bytes: out[..].into(), count }, names })
}

/// A template's member of the archive, without its time.
fn member(entry: &Entry) -> Result<Member> {
    let path = &entry.member.path;
    let mut member = match entry.stat.file_type() {
        FileType::Directory => Member { kind: Kind::Directory, mode: 0o755, ..Member::file(path, 0) },
        FileType::RegularFile => Member::file(path, entry.stat.size),
        _ => {
            let what = "is neither a file nor a directory, and templates are";
            return Err(Error::unfit(OsStr::from_bytes(path), what));
        }
    };
    member.prefix = PREFIX;
    Ok(member)
}

fn too_large(directory: &Path) -> Error {
    Error::invalid_input(directory, format!("holds more templates than the {} MiB that an image may have", LIMIT >> 20))
}
