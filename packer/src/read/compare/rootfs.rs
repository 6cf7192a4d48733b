//! What a root filesystem holds, as the packer should have packed it.
//!
//! The walk is the packer's: it knows what is left out and who owns what. Content is read here, from handles that are compared with
//! what the walk listed, before and after; which names are hard links is found out here, too.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::FileType;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::read::archive::error::Flaw;
use crate::read::compare::contents::{Contents, Kind, Node};
use crate::read::compare::digest::{Content, Digester};
use crate::tree::changes::Changes;
use crate::tree::directory::{Handles, OPEN, stat};
use crate::tree::entry::{self, Entry};
use crate::tree::filter::Rules;
use crate::tree::holes::Sparse;
use crate::tree::walk::Tree;

/// How much content is read at once.
const CHUNK: usize = 256 << 10;

/// What the tree at `path` holds by these rules.
pub(crate) fn contents(path: &Path, rules: Rules) -> Result<Contents> {
    // A map of holes would be made in vain.
    let rules = Rules { sparse: Sparse::Never, ..rules };
    let tree = Tree::open(path, rules, &CancelToken::NEVER)?;
    read(&tree).map_err(|error| match error.change() {
        Some((changed, what)) => {
            Error::changed_while_read(path.join(changed), format!("changed while it was read: {what}"))
        }
        None => error.below(path),
    })
}

fn read(tree: &Tree<'_>) -> Result<Contents> {
    let mut contents = Contents::new();
    let mut reader = Reader { handles: tree.handles()?, buffer: vec![0; CHUNK] };
    // By filesystem and inode, the name that was met first.
    let mut first: HashMap<_, Box<[u8]>> = HashMap::new();
    for entry in tree.walk(&Changes::Fatal)? {
        let entry = entry?;
        let located = |flaw: Flaw| flaw.of(Path::new(""));
        let identity = (entry.stat.identity.device, entry.stat.identity.inode);
        if entry.stat.links > 1 && entry.stat.file_type() != FileType::Directory {
            if let Some(first) = first.get(&identity) {
                contents.link(&entry.path, first).map_err(located)?;
                continue;
            }
            first.insert(identity, entry.path.clone());
        }
        let node = reader.node(&entry)?;
        contents.insert(&entry.path, node).map_err(located)?;
    }
    Ok(contents)
}

/// Reads what is left to be read of entries.
struct Reader<'a> {
    handles: Handles<'a>,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    fn node(&mut self, entry: &Entry) -> Result<Node> {
        let (major, minor) = entry.stat.device;
        let kind = match entry.stat.file_type() {
            FileType::RegularFile => Kind::File(self.content(entry)?),
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink { target: self.target(entry)? },
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::CharacterDevice(major, minor),
            FileType::BlockDevice => Kind::BlockDevice(major, minor),
            FileType::Socket | FileType::Unknown => {
                return Err(Error::unfit(OsStr::from_bytes(&entry.path), "is of an unknown kind"));
            }
        };
        let attributes = entry.attributes.iter().map(|attribute| (attribute.name.clone(), attribute.value.clone()));
        Ok(Node {
            kind,
            mode: entry.stat.permissions(),
            owner: (entry.owner.uid, entry.owner.gid),
            modified: entry.modified,
            attributes: attributes.collect(),
        })
    }

    fn target(&mut self, entry: &Entry) -> Result<Box<[u8]>> {
        match &entry.kind {
            entry::Kind::Symlink { target } => Ok(target.clone()),
            // The walk took it for a further name.
            _ => self.handles.target(&entry.directory, name(entry)),
        }
    }

    fn content(&mut self, entry: &Entry) -> Result<Content> {
        let path = OsStr::from_bytes(&entry.path);
        let mut file = File::from(self.handles.open(&entry.directory, name(entry), OPEN)?);
        let unchanged = |file: &File| {
            let found = stat(file).map_err(|error| Error::io("stat", path, error))?;
            entry.stat.difference(&found).map_or(Ok(()), |what| Err(Error::changed(&entry.path, what)))
        };
        unchanged(&file)?;
        let mut digester = Digester::default();
        loop {
            match file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => digester.data(&self.buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", path, error)),
            }
        }
        unchanged(&file)?;
        Ok(digester.finish())
    }
}

fn name(entry: &Entry) -> &[u8] {
    entry.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}
