//! The walk: a root filesystem in, its entries out, in the one order that the archive has.
//!
//! Names are sorted by their bytes, a directory stands before what is in it. Nothing is followed and nothing but
//! directories is opened here; contents are the workers' business (`frame.rs`).

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};

use crate::directory::{Directory, Handles, OPEN, joined, stat};
use crate::entry::{Entry, Kind, Stat};
use crate::error::{Error, Result};
use crate::links::Links;

/// A root filesystem, held open by its top directory.
#[derive(Debug)]
pub(crate) struct Tree {
    path: PathBuf,
    top: OwnedFd,
    stat: Stat,
}

impl Tree {
    /// Opens the top directory. A symlink is refused: its target could change between two looks at it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let top =
            rustix::fs::open(path, OPEN | OFlags::DIRECTORY, Mode::empty()).map_err(
                |error| match rustix::fs::statx(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW, Stat::WANTED)
                    .map(Stat::from)
                {
                    Ok(found) if found.file_type() == FileType::Symlink => {
                        Error::unfit(path, "is a symbolic link, not a directory")
                    }
                    Ok(found) if found.file_type() != FileType::Directory => Error::unfit(path, "is not a directory"),
                    _ => Error::io("open the root filesystem", path, error),
                },
            )?;
        let stat = stat(top.as_fd(), path.as_os_str().as_bytes())?;
        Ok(Tree { path: path.to_owned(), top, stat })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Handles for one thread that reads this tree.
    pub(crate) fn handles(&self) -> Result<Handles> {
        Handles::new(&self.top)
    }

    /// All entries in archive order.
    pub(crate) fn walk(&self) -> Result<Walk> {
        Ok(Walk {
            handles: self.handles()?,
            top: self.stat,
            levels: Vec::new(),
            links: Links::default(),
            started: false,
            sockets: 0,
        })
    }
}

/// The entries of a tree, listed one directory at a time.
#[derive(Debug)]
pub(crate) struct Walk {
    handles: Handles,
    top: Stat,
    levels: Vec<Level>,
    links: Links,
    started: bool,
    sockets: u64,
}

/// A directory that is being walked, and what is left of its listing.
#[derive(Debug)]
struct Level {
    directory: Arc<Directory>,
    path: Box<[u8]>,
    names: Listing,
}

impl Walk {
    /// Sockets met so far. They cannot be archived.
    pub(crate) fn sockets(&self) -> u64 {
        self.sockets
    }

    fn start(&mut self) -> Result<Entry> {
        self.started = true;
        let directory = Directory::top(self.top.identity);
        self.descend(&directory, Box::default())?;
        Ok(Entry { directory, path: Box::default(), kind: Kind::Directory, stat: self.top })
    }

    fn descend(&mut self, directory: &Arc<Directory>, path: Box<[u8]>) -> Result<()> {
        let handle = self.handles.enter(directory)?;
        let names =
            Listing::read(handle).map_err(|error| Error::io("read directory", OsStr::from_bytes(&path), error))?;
        self.levels.push(Level { directory: Arc::clone(directory), path, names });
        Ok(())
    }

    /// The entry called `name` in the lowest level; nothing for a socket.
    fn visit(&mut self, name: &[u8]) -> Result<Option<Entry>> {
        let Some(level) = self.levels.last() else { return Ok(None) };
        let directory = Arc::clone(&level.directory);
        let stat = rustix::fs::statx(
            self.handles.enter(&directory)?,
            name,
            AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT,
            Stat::WANTED,
        );
        let stat = stat.map(Stat::from).map_err(|error| Error::io("stat", joined(&level.path, name), error))?;
        let path: Box<[u8]> =
            if level.path.is_empty() { name.into() } else { [&level.path, &b"/"[..], name].concat().into() };
        let kind = match stat.file_type() {
            FileType::Socket => {
                self.sockets += 1;
                return Ok(None);
            }
            FileType::Directory => {
                // What is mounted on it belongs to another tree; the mount point itself is part of this one.
                if stat.identity.mount == self.top.identity.mount {
                    self.descend(&directory.child(name, stat.identity), path.clone())?;
                }
                Kind::Directory
            }
            file_type => match self.links.earlier(&stat, &path) {
                Some(target) => Kind::HardLink { target },
                None => {
                    kind(file_type).ok_or_else(|| Error::unfit(OsStr::from_bytes(&path), "is of an unknown kind"))?
                }
            },
        };
        Ok(Some(Entry { directory, path, kind, stat }))
    }
}

impl Iterator for Walk {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.started {
            return Some(self.start());
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.next() else {
                self.levels.pop();
                continue;
            };
            if let Some(entry) = self.visit(&name).transpose() {
                return Some(entry);
            }
        }
        None
    }
}

fn kind(file_type: FileType) -> Option<Kind> {
    match file_type {
        FileType::RegularFile => Some(Kind::File),
        FileType::Symlink => Some(Kind::Symlink),
        FileType::Fifo => Some(Kind::Fifo),
        FileType::CharacterDevice => Some(Kind::CharacterDevice),
        FileType::BlockDevice => Some(Kind::BlockDevice),
        FileType::Directory | FileType::Socket | FileType::Unknown => None,
    }
}

/// The names in one directory, sorted by bytes, in one allocation.
#[derive(Debug, Default)]
struct Listing {
    bytes: Vec<u8>,
    spans: std::vec::IntoIter<(u32, u16)>,
}

impl Listing {
    fn read(handle: impl AsFd) -> rustix::io::Result<Self> {
        let mut bytes = Vec::new();
        let mut spans: Vec<(u32, u16)> = Vec::new();
        let mut buffer = Vec::with_capacity(32 << 10);
        let mut entries = RawDir::new(handle, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let start = u32::try_from(bytes.len()).map_err(|_| rustix::io::Errno::NAMETOOLONG)?;
                spans.push((start, u16::try_from(name.len()).map_err(|_| rustix::io::Errno::NAMETOOLONG)?));
                bytes.extend_from_slice(name);
            }
        }
        spans.sort_unstable_by(|one, other| span(&bytes, *one).cmp(span(&bytes, *other)));
        Ok(Listing { bytes, spans: spans.into_iter() })
    }
}

impl Iterator for Listing {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.spans.next().map(|at| span(&self.bytes, at).to_vec())
    }
}

fn span(bytes: &[u8], (start, length): (u32, u16)) -> &[u8] {
    &bytes[start as usize..][..usize::from(length)]
}
