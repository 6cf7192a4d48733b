//! A root filesystem in memory, as a pack should have packed it.
//!
//! The walk is that of a pack, with its filter and owners. Content is read here, from handles that are compared with the walk's
//! listing before and after. Hard links are found here, too.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::FileType;

use crate::error::{Error, Result};
use crate::read::archive::error::ReadError;
use crate::read::compare::contents::{Contents, Node, NodeKind};
use crate::read::compare::digest::{ContentDigest, ContentHasher};
use crate::read::context::{ReadContext, is_cancelled};
use crate::tree::Tree;
use crate::tree::changes::Changes;
use crate::tree::directory::{DirHandleCache, OPEN_FLAGS, fstat};
use crate::tree::entry::{self, Entry};
use crate::tree::holes::Sparse;
use crate::tree::rules::Rules;

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
    // The first name of each inode, by device and inode number.
    let mut first_names: HashMap<_, Box<[u8]>> = HashMap::new();
    for entry in tree.walk(&Changes::Fatal)? {
        let entry = entry?;
        let unlocated = |error: ReadError| error.at(Path::new(""));
        let identity = (entry.stat.identity.device, entry.stat.identity.inode);
        if entry.stat.links > 1 && entry.stat.file_type() != FileType::Directory {
            if let Some(first) = first_names.get(&identity) {
                contents.link(&entry.member.path, first).map_err(unlocated)?;
                continue;
            }
            first_names.insert(identity, entry.member.path.clone());
        }
        let node = reader.node(&entry)?;
        contents.insert(&entry.member.path, node).map_err(unlocated)?;
    }
    Ok(contents)
}

/// Reads the content and targets of entries.
struct EntryReader<'a> {
    context: &'a ReadContext<'a>,
    handles: DirHandleCache<'a>,
    buffer: Vec<u8>,
}

impl EntryReader<'_> {
    fn node(&mut self, entry: &Entry) -> Result<Node> {
        let (major, minor) = entry.stat.device;
        let kind = match entry.stat.file_type() {
            FileType::RegularFile => NodeKind::File(self.content(entry)?),
            FileType::Directory => NodeKind::Directory,
            FileType::Symlink => NodeKind::Symlink { target: self.target(entry)? },
            FileType::Fifo => NodeKind::Fifo,
            FileType::CharacterDevice => NodeKind::CharacterDevice(major, minor),
            FileType::BlockDevice => NodeKind::BlockDevice(major, minor),
            FileType::Socket | FileType::Unknown => {
                return Err(Error::unfit(OsStr::from_bytes(&entry.member.path), "is of an unknown kind"));
            }
        };
        let xattrs = entry.member.xattrs.iter().map(|xattr| (xattr.name.clone(), xattr.value.clone()));
        Ok(Node {
            kind,
            mode: entry.stat.permissions(),
            owner: (entry.member.owner.uid, entry.member.owner.gid),
            modified: entry.member.modified,
            xattrs: xattrs.collect(),
        })
    }

    fn target(&mut self, entry: &Entry) -> Result<Box<[u8]>> {
        match &entry.member.kind {
            entry::Kind::Symlink { target } => Ok(target.clone()),
            // The walk lists it as a hard link.
            _ => self.handles.read_link(&entry.directory, entry.name()),
        }
    }

    fn content(&mut self, entry: &Entry) -> Result<ContentDigest> {
        let path = OsStr::from_bytes(&entry.member.path);
        let file = File::from(self.handles.open(&entry.directory, entry.name(), OPEN_FLAGS)?);
        let unchanged = |file: &File| {
            let found = fstat(file).map_err(|error| Error::io("stat", path, error))?;
            entry.stat.difference(&found).map_or(Ok(()), |what| Err(Error::changed(&entry.member.path, what)))
        };
        unchanged(&file)?;
        let mut hasher = ContentHasher::default();
        let mut content = self.context.watch(&file);
        loop {
            match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => hasher.data(&self.buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if is_cancelled(&error) => return Err(Error::cancelled()),
                Err(error) => return Err(Error::io("read", path, error)),
            }
        }
        unchanged(&file)?;
        Ok(hasher.finish())
    }
}
