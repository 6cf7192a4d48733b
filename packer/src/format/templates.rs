//! The templates of an LXD image: files that the daemon fills in when an instance is made, and that stand beside its rootfs.
//!
//! Of a file only name and content count, of a directory the name: owners, modes and times are the same for all, so that an
//! image does not depend on how the templates were checked out.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::buffer::Buffer;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::frame::Framer;
use crate::segment::Framed;
use crate::tar;
use crate::tree::changes::Changes;
use crate::tree::entry::{Entry, Kind, Timestamp};
use crate::tree::filter::Rules;
use crate::tree::walk::Tree;

/// The most that all templates may take in the archive, in bytes. They are held in memory; real ones are a few KiB.
const LIMIT: usize = 16 << 20;

/// Where they stand in the archive.
const PREFIX: &[u8] = b"templates/";

/// The templates of an image, framed.
pub(super) struct Templates {
    pub(super) framed: Framed,
    /// The paths of the files, below the directory.
    pub(super) names: BTreeSet<Box<[u8]>>,
}

/// Reads the templates in `directory`; as members they are as old as `modified` says, in seconds since 1970.
pub(super) fn read(directory: &Path, modified: i64, cancel: &CancelToken) -> Result<Templates> {
    let located = |error: Error| error.below(directory);
    let tree = Tree::open_as("open the templates", directory, Rules::default(), cancel)?;
    let changes = Changes::Fatal;
    let mut framer = Framer::new(tree.handles().map_err(located)?, &changes);
    let (mut out, mut content) = (Buffer::default(), Buffer::default());
    let (mut names, mut members) = (BTreeSet::new(), 0);
    for entry in tree.walk(&changes).map_err(located)? {
        let entry = entry.map_err(located)?;
        let mut member = Entry::made_up(&entry.path, 0);
        (member.prefix, member.modified) = (PREFIX, Timestamp { seconds: modified, nanoseconds: 0 });
        content.clear();
        match entry.kind {
            Kind::Directory => (member.kind, member.stat.mode) = (Kind::Directory, 0o755),
            Kind::File | Kind::HardLink { .. } if entry.stat.mode & 0o170_000 == 0o100_000 => {
                member.stat.size = entry.stat.size;
                if entry.stat.size > (LIMIT - out.len()) as u64 {
                    return Err(too_large(directory));
                }
                framer.bytes(&entry, 0..entry.stat.size, &mut content).map_err(located)?;
                names.insert(entry.path.clone());
            }
            _ => {
                let what = "is neither a file nor a directory, and templates are";
                return Err(located(Error::unfit(OsStr::from_bytes(&entry.path), what)));
            }
        }
        tar::member(&member, &content, &mut out);
        members += 1;
        if out.len() > LIMIT {
            return Err(too_large(directory));
        }
    }
    Ok(Templates { framed: Framed { bytes: out[..].into(), members }, names })
}

fn too_large(directory: &Path) -> Error {
    Error::invalid_input(directory, format!("holds more templates than the {} MiB that an image may have", LIMIT >> 20))
}
