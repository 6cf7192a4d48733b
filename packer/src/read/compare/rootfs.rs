//! A root filesystem in memory, as a pack should have packed it.
//!
//! The walk is that of a pack, with its filter, owners and hard links. Content is read here, from handles that are compared with the
//! walk's listing before and after.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::read::archive::error::ReadError;
use crate::read::compare::contents::{Contents, Node, NodeKind};
use crate::read::compare::digest::{ContentDigest, ContentHasher};
use crate::read::context::ReadContext;
use crate::tree::Tree;
use crate::tree::changes::Changes;
use crate::tree::directory::{DirHandleCache, OPEN_FLAGS, fstat};
use crate::tree::entry::{Entry, Kind};
use crate::tree::holes::{ScanError, Sparse, next_allocated};
use crate::tree::rules::Rules;
use crate::tree::stat::Stat;

/// The most content that is read at once, in bytes.
const CHUNK: usize = 256 << 10;

/// Reads the tree at `path` by these rules.
pub(crate) fn load(path: &Path, rules: Rules, context: &ReadContext<'_>) -> Result<Contents> {
    // Maps of holes are not needed.
    let rules = Rules { sparse: Sparse::Never, ..rules };
    let tree = Tree::open(path, rules, context.cancel())?;
    load_tree(&tree, context).map_err(|error| match error.change() {
        Some((changed, what)) => {
            Error::changed_while_read(path.join(changed), format!("changed while it was read: {what}"))
        }
        None => error.below(path),
    })
}

fn load_tree(tree: &Tree<'_>, context: &ReadContext<'_>) -> Result<Contents> {
    let mut contents = Contents::new(context.cancel());
    let mut reader = EntryReader { context, handles: tree.handles()?, buffer: vec![0; CHUNK] };
    let mut walk = tree.walk(&Changes::Fatal)?;
    for entry in walk.by_ref() {
        let entry = entry?;
        let unlocated = |error: ReadError| error.at(Path::new(""));
        let kind = match &entry.member.kind {
            Kind::File { .. } | Kind::SparseFile { .. } => NodeKind::File(reader.content(&entry)?),
            Kind::HardLink { target } => {
                contents.link(&entry.member.path, target).map_err(unlocated)?;
                continue;
            }
            Kind::Directory => NodeKind::Directory,
            Kind::Symlink { target } => NodeKind::Symlink { target: target.clone() },
            Kind::Fifo => NodeKind::Fifo,
            Kind::CharacterDevice { major, minor } => NodeKind::CharacterDevice(*major, *minor),
            Kind::BlockDevice { major, minor } => NodeKind::BlockDevice(*major, *minor),
        };
        contents.insert(&entry.member.path, node(&entry, kind)).map_err(unlocated)?;
    }
    walk.finish()?;
    Ok(contents)
}

fn node(entry: &Entry, kind: NodeKind) -> Node {
    let xattrs = entry.member.xattrs.iter().map(|xattr| (xattr.name.clone(), xattr.value.clone()));
    Node {
        kind,
        mode: entry.stat.permissions(),
        owner: (entry.member.owner.uid, entry.member.owner.gid),
        modified: entry.member.modified,
        xattrs: xattrs.collect(),
    }
}

/// Reads the content of entries.
struct EntryReader<'a> {
    context: &'a ReadContext<'a>,
    handles: DirHandleCache<'a>,
    buffer: Vec<u8>,
}

impl EntryReader<'_> {
    fn content(&mut self, entry: &Entry) -> Result<ContentDigest> {
        let path = OsStr::from_bytes(&entry.member.path);
        let file = File::from(self.handles.open(&entry.directory, entry.name(), OPEN_FLAGS)?);
        let unchanged = |look: std::io::Result<Stat>| {
            let found = look.map_err(|error| Error::io("stat", path, error))?;
            entry.stat.difference(&found).map_or(Ok(()), |what| Err(Error::changed(&entry.member.path, what)))
        };
        unchanged(fstat(&file))?;
        let mut hasher = ContentHasher::default();
        let read = self.hash(&file, entry.stat.size, &mut hasher);
        // A file that changed meanwhile may have failed to read for that reason.
        unchanged(Stat::look_again(&file, b""))?;
        read.map_err(|cause| match cause {
            ScanError::Io(error) => Error::io("read", path, error),
            ScanError::Cancelled(error) => error,
        })?;
        Ok(hasher.finish())
    }

    /// Hashes a file of `size` bytes. Holes that its filesystem reports are not read.
    fn hash(&mut self, file: &File, size: u64, hasher: &mut ContentHasher) -> std::result::Result<(), ScanError> {
        let mut at = 0;
        while let Some(allocated) = next_allocated(file, at, size)? {
            self.hole(allocated.start - at, hasher);
            at = allocated.start;
            while at < allocated.end {
                self.context.cancel().check().map_err(ScanError::Cancelled)?;
                let length = (allocated.end - at).min(CHUNK as u64) as usize;
                match file.read_at(&mut self.buffer[..length], at) {
                    // Some files of the kernel have fewer bytes than they claim.
                    Ok(0) => return Ok(()),
                    Ok(count) => {
                        hasher.data(&self.buffer[..count]);
                        self.context.advance(count as u64);
                        at += count as u64;
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.hole(size - at, hasher);
        Ok(())
    }

    fn hole(&self, length: u64, hasher: &mut ContentHasher) {
        hasher.hole(length);
        self.context.advance(length);
    }
}
