//! The entries of a tree, found by a walk that is not the packer's: what every image of it is compared with.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{major, minor};
use sha2::{Digest, Sha256};

use super::attributes::Attributes;
use super::entry::{Entry, Kind};

/// The entries of a tree in the one order that an archive of ours has: a directory before what is in it, names sorted by
/// their bytes. About 200 bytes for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub(super) entries: Vec<Entry>,
}

impl Listing {
    /// Reads a tree with the content of all its files. Sockets and mounted filesystems are left out, as they are from
    /// archives.
    ///
    /// # Errors
    ///
    /// If something cannot be read, with its path.
    pub fn of_tree(root: &Path) -> io::Result<Self> {
        let device = fs::symlink_metadata(root)?.dev();
        let mut walk = Walk { device, first: HashMap::new(), entries: Vec::new(), buffer: vec![0; 256 << 10] };
        walk.visit(root, b"")?;
        Ok(Listing { entries: walk.entries })
    }

    /// The same tree, if all of it belonged to one user and group: what `onepass pack --owner` packs.
    #[must_use]
    pub fn with_owner(mut self, user: u32, group: u32) -> Self {
        self.entries.iter_mut().for_each(|entry| entry.owner = (user.into(), group.into()));
        self
    }

    /// The number of entries.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries.len() as u64
    }
}

/// A walk under way.
struct Walk {
    /// The filesystem of the top.
    device: u64,
    /// The first name of each inode that has more than one.
    first: HashMap<(u64, u64), Box<[u8]>>,
    entries: Vec<Entry>,
    buffer: Vec<u8>,
}

impl Walk {
    fn visit(&mut self, at: &Path, path: &[u8]) -> io::Result<()> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", at.display()));
        let found = fs::symlink_metadata(at).map_err(named)?;
        if found.is_dir() {
            self.entries.push(entry(at, path, &found, Kind::Directory).map_err(named)?);
            return if found.dev() == self.device { self.visit_children(at, path) } else { Ok(()) };
        }
        if found.file_type().is_socket() || found.dev() != self.device {
            return Ok(());
        }
        if found.nlink() > 1 {
            let first = self.first.entry((found.dev(), found.ino())).or_insert_with(|| path.into());
            if **first != *path {
                let kind = Kind::HardLink { target: first.clone() };
                self.entries.push(entry(at, path, &found, kind).map_err(named)?);
                return Ok(());
            }
        }
        let kind = self.kind(at, &found).map_err(named)?;
        self.entries.push(entry(at, path, &found, kind).map_err(named)?);
        Ok(())
    }

    fn visit_children(&mut self, at: &Path, path: &[u8]) -> io::Result<()> {
        let mut names = fs::read_dir(at)?.map(|child| Ok(child?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
        names.into_iter().try_for_each(|name| {
            let below = if path.is_empty() { name.as_bytes().to_vec() } else { [path, b"/", name.as_bytes()].concat() };
            self.visit(&at.join(&name), &below)
        })
    }

    /// The kind of what is no directory, with its content.
    fn kind(&mut self, at: &Path, found: &Metadata) -> io::Result<Kind> {
        let (file_type, device) = (found.file_type(), found.rdev());
        Ok(if file_type.is_symlink() {
            Kind::Symlink { target: fs::read_link(at)?.as_os_str().as_bytes().into() }
        } else if file_type.is_char_device() {
            Kind::CharacterDevice { major: major(device), minor: minor(device) }
        } else if file_type.is_block_device() {
            Kind::BlockDevice { major: major(device), minor: minor(device) }
        } else if file_type.is_fifo() {
            Kind::Fifo
        } else {
            let mut file = File::open(at)?;
            let (mut hasher, mut size) = (Sha256::new(), 0);
            loop {
                let count = file.read(&mut self.buffer)?;
                if count == 0 {
                    break Kind::File { size, content: hasher.finalize().into() };
                }
                hasher.update(&self.buffer[..count]);
                size += count as u64;
            }
        })
    }
}

fn entry(at: &Path, path: &[u8], found: &Metadata, kind: Kind) -> io::Result<Entry> {
    Ok(Entry {
        path: path.into(),
        kind,
        mode: found.mode() & 0o7777,
        owner: (found.uid().into(), found.gid().into()),
        modified: i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec()),
        attributes: Attributes::of(at)?,
    })
}
