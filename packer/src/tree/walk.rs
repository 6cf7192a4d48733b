//! The walk: a root filesystem in, its entries out, in the one order that the archive has.
//!
//! Names are sorted by their bytes, a directory stands before what is in it. Nothing is followed and nothing but
//! directories is opened here; contents are the workers' business (`frame.rs`).

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobSet;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::tar;
use crate::tree::changes::Changes;
use crate::tree::directory::{Directory, Handles, OPEN, path_of, stat};
use crate::tree::entry::{Entry, Kind, Stat, Timestamp};
use crate::tree::filter::{self, Rules};
use crate::tree::hard_links::{self, Links};
use crate::tree::holes::{Map, Sparse, Unmapped, WORTHWHILE};
use crate::tree::id_map::Owner;
use crate::tree::listing::{self, Names};
use crate::tree::xattr::{AttributeReader, Attributes, Way};

/// A root filesystem, held open by its top directory.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    path: PathBuf,
    top: OwnedFd,
    stat: Stat,
    rules: Rules,
    excluded: GlobSet,
    /// How extended attributes are read here.
    way: Way,
    cancel: &'a CancelToken,
}

impl<'a> Tree<'a> {
    /// Opens a root filesystem.
    pub(crate) fn open(path: &Path, rules: Rules, cancel: &'a CancelToken) -> Result<Self> {
        Tree::open_as("open the root filesystem", path, rules, cancel)
    }

    /// Opens the top directory of a tree; a failure to do so is called by `operation`. A symlink is refused: its target could
    /// change between two looks at it.
    pub(crate) fn open_as(operation: &'static str, path: &Path, rules: Rules, cancel: &'a CancelToken) -> Result<Self> {
        let top =
            rustix::fs::open(path, OPEN | OFlags::DIRECTORY, Mode::empty()).map_err(
                |error| match rustix::fs::statx(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW, Stat::WANTED)
                    .map(Stat::from)
                {
                    Ok(found) if found.file_type() == FileType::Symlink => {
                        Error::invalid_input(path, "is a symbolic link, not a directory")
                    }
                    Ok(found) if found.file_type() != FileType::Directory => {
                        Error::invalid_input(path, "is not a directory")
                    }
                    _ => Error::io(operation, path, error),
                },
            )?;
        let way = Way::open(top.as_fd()).ok_or_else(|| {
            Error::unfit(
                "/proc/self/fd",
                "is not there, and before Linux 6.13 extended attributes are read by way of it",
            )
        })?;
        let stat = stat(&top).map_err(|error| Error::io("stat", path, error))?;
        let excluded = rules.excluded()?;
        Ok(Tree { path: path.to_owned(), top, stat, rules, excluded, way, cancel })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The handle of the top directory.
    pub(crate) fn top(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    /// The time of the top directory, as the archive has it.
    pub(crate) fn modified(&self) -> Timestamp {
        self.rules.clamped(self.stat.modified)
    }

    /// Handles for one thread that reads this tree.
    pub(crate) fn handles(&self) -> Result<Handles<'a>> {
        Handles::new(&self.top, self.cancel)
    }

    /// All entries in archive order. Entries that vanish before they are seen go to `changes`.
    pub(crate) fn walk<'b>(&'b self, changes: &'b Changes) -> Result<Walk<'b>> {
        Ok(Walk {
            tree: self,
            changes,
            handles: self.handles()?,
            reader: AttributeReader::new(self.way),
            levels: Vec::new(),
            path: Vec::new(),
            room: listing::ROOM,
            links: Links::new(hard_links::ROOM),
            started: false,
            left_out: LeftOut::default(),
        })
    }
}

/// What stands in the tree and not in the archive. What was excluded is not told: whoever asked for it knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftOut {
    /// Sockets, which an archive cannot hold.
    pub(crate) sockets: u64,
    /// Where something else is mounted: of a directory the entry itself is kept, a file is left out.
    pub(crate) mounts: Vec<PathBuf>,
}

/// The entries of a tree, listed one directory at a time.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    tree: &'a Tree<'a>,
    changes: &'a Changes,
    handles: Handles<'a>,
    reader: AttributeReader,
    levels: Vec<Level>,
    /// The path of the lowest level.
    path: Vec<u8>,
    /// How many more bytes the levels' names may take.
    room: usize,
    links: Links,
    started: bool,
    left_out: LeftOut,
}

/// A directory that is being walked, and what is left of its listing.
#[derive(Debug)]
struct Level {
    directory: Arc<Directory>,
    /// How much of the walk's path is its parent's.
    above: usize,
    names: Names,
}

impl Walk<'_> {
    /// What was met so far and left out.
    pub(crate) fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    fn start(&mut self) -> Result<Entry> {
        self.started = true;
        let stat = self.tree.stat;
        let directory = Directory::top(stat.identity);
        let attributes = self.attributes(&directory, b"", &stat)?;
        self.descend(&directory, &[])?;
        self.entry(directory, Box::default(), Kind::Directory, stat, attributes)
    }

    fn descend(&mut self, directory: &Arc<Directory>, path: &[u8]) -> Result<()> {
        let handle = self.handles.enter(directory)?;
        let names = Names::read(handle, self.room, self.tree.cancel).map_err(|cause| match cause {
            listing::Unlisted::Cancelled(error) => error,
            listing::Unlisted::Io(error) => Error::io("read directory", OsStr::from_bytes(path), error),
            listing::Unlisted::TooLong => Error::unfit(
                OsStr::from_bytes(path),
                format!(
                    "and the directories above it hold more names than fit {} MiB, which is the limit",
                    listing::ROOM >> 20
                ),
            ),
        })?;
        self.room -= names.size;
        self.levels.push(Level { directory: Arc::clone(directory), above: self.path.len(), names });
        self.path.clear();
        self.path.extend_from_slice(path);
        Ok(())
    }

    /// Leaves the lowest level.
    fn ascend(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.room += level.names.size;
            self.path.truncate(level.above);
        }
    }

    /// The entry called `name` in the lowest level; nothing for what is left out.
    fn visit(&mut self, name: &[u8]) -> Result<Option<Entry>> {
        let Some(level) = self.levels.last() else { return Ok(None) };
        let directory = Arc::clone(&level.directory);
        let path: Box<[u8]> = path_of(&self.path, name).into();
        if filter::matches(&self.tree.excluded, &path) {
            self.tree.cancel.check()?;
            return Ok(None);
        }
        if self.tree.rules.layout.misleads(name) {
            let what = "would stand for the absence of another file in an OCI layer, and has to be excluded";
            return Err(Error::unfit(OsStr::from_bytes(&path), what));
        }
        let stat = self.handles.stat(&directory, name)?;
        let is_directory = stat.file_type() == FileType::Directory;
        // What is mounted on it belongs to another tree; the mount point itself is part of this one, if it can be.
        let foreign = stat.identity.mount != self.tree.stat.identity.mount && !self.tree.rules.cross_mounts;
        if foreign {
            self.left_out.mounts.push(OsStr::from_bytes(&path).into());
        }
        if stat.file_type() == FileType::Socket {
            self.left_out.sockets += 1;
        }
        if stat.file_type() == FileType::Socket || foreign && !is_directory {
            return Ok(None);
        }
        let attributes = self.attributes(&directory, name, &stat)?;
        let kind = if is_directory {
            if !foreign {
                self.descend(&directory.child(name, stat.identity), &path)?;
            }
            Kind::Directory
        } else {
            let (kind, layout) = (self.kind(&directory, name, &path, &stat)?, self.tree.rules.layout);
            let earlier = if layout.links(&path) {
                self.links.earlier(&stat, &[layout.prefix, &path].concat())
            } else {
                Ok(None)
            };
            match earlier {
                Ok(earlier) => earlier.map_or(kind, |target| Kind::HardLink { target }),
                Err(hard_links::TooMany) => {
                    let limit = hard_links::ROOM >> 20;
                    let what =
                        format!("has further names, as have more files before it than fit the limit of {limit} MiB");
                    return Err(Error::unfit(OsStr::from_bytes(&path), what));
                }
            }
        };
        self.entry(directory, path, kind, stat, attributes).map(Some)
    }

    /// What kind of member an entry is that is no directory, if it is no further name of another.
    fn kind(&mut self, directory: &Arc<Directory>, name: &[u8], path: &[u8], stat: &Stat) -> Result<Kind> {
        match stat.file_type() {
            FileType::RegularFile if self.tree.rules.sparse == Sparse::Auto && stat.size >= WORTHWHILE => {
                self.large_file(directory, name, path, stat)
            }
            FileType::RegularFile => Ok(Kind::File),
            FileType::Symlink => self.handles.target(directory, name).map(|target| Kind::Symlink { target }),
            FileType::Fifo => Ok(Kind::Fifo),
            FileType::CharacterDevice => Ok(Kind::CharacterDevice),
            FileType::BlockDevice => Ok(Kind::BlockDevice),
            FileType::Directory | FileType::Socket | FileType::Unknown => {
                Err(Error::unfit(OsStr::from_bytes(path), "is of an unknown kind"))
            }
        }
    }

    /// A file that may have holes worth leaving out.
    fn large_file(&mut self, directory: &Arc<Directory>, name: &[u8], path: &[u8], stat: &Stat) -> Result<Kind> {
        let mut map = || {
            let file = self.handles.open(directory, name, OPEN)?;
            let unchanged = |file: &File| {
                let found = self::stat(file).map_err(|error| Error::io("stat", OsStr::from_bytes(path), error))?;
                stat.difference(&found).map_or(Ok(()), |what| Err(Error::changed(path, what)))
            };
            let file = File::from(file);
            unchanged(&file)?;
            let map = Map::of(&file, stat.size, self.tree.cancel);
            unchanged(&file)?;
            map.map_err(|cause| match cause {
                Unmapped::Io(error) => Error::io("read", OsStr::from_bytes(path), error),
                Unmapped::Cancelled(error) => error,
            })
        };
        match map() {
            Ok(map) => Ok(map.map_or(Kind::File, |map| Kind::SparseFile { map })),
            // Of a live tree it is packed as any other file that changes.
            Err(error) => self.changes.tolerate(error).map(|()| Kind::File),
        }
    }

    /// The attributes of an entry that was found to be `stat`'s, with the ids in them mapped.
    fn attributes(&mut self, directory: &Arc<Directory>, name: &[u8], stat: &Stat) -> Result<Attributes> {
        let mut attributes = self.handles.attributes(directory, name, &mut self.reader)?;
        if attributes.is_empty() {
            return Ok(attributes);
        }
        let path = path_of(&directory.path(), name);
        // They were read by name: they are this inode's if nothing has happened to it meanwhile.
        let later = if name.is_empty() {
            self::stat(self.handles.enter(directory)?)
                .map_err(|error| Error::io("stat", OsStr::from_bytes(&path), error))?
        } else {
            self.handles.stat(directory, name)?
        };
        if let Some(what) = stat.difference(&later) {
            let error = Error::changed(&path, what);
            if !stat.is_same_file(&later) {
                return Err(error);
            }
            // Of a live tree the entry stays, with what was read.
            self.changes.tolerate(error)?;
        }
        for attribute in attributes.iter_mut() {
            let value = self.tree.rules.owners.attribute(&attribute.name, &attribute.value);
            let unfit = |what: String| {
                let name = String::from_utf8_lossy(&attribute.name).escape_debug().to_string();
                Error::unfit(OsStr::from_bytes(&path), format!("has an entry in `{name}` that {what}"))
            };
            if let Some(value) = value.map_err(unfit)? {
                attribute.value = value.into();
            }
        }
        Ok(attributes)
    }

    /// Puts together what the archive says of an entry.
    fn entry(
        &self,
        directory: Arc<Directory>,
        path: Box<[u8]>,
        kind: Kind,
        stat: Stat,
        attributes: Attributes,
    ) -> Result<Entry> {
        let rules = &self.tree.rules;
        let owner = rules.owners.of(Owner { uid: stat.uid, gid: stat.gid });
        let owner = owner.map_err(|what| Error::unfit(OsStr::from_bytes(&path), what))?;
        let modified = rules.clamped(stat.modified);
        let prefix = rules.layout.prefix;
        let entry = Entry { directory, prefix, path, kind, stat, owner, modified, attributes };
        if let Some(length) = tar::too_long(&entry) {
            let limit = tar::EXTENDED_LIMIT;
            let what =
                format!("needs an extended header of {length} bytes, and common readers refuse more than {limit}");
            return Err(Error::unfit(OsStr::from_bytes(&entry.path), what));
        }
        Ok(entry)
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.started {
            return Some(self.start());
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.next() else {
                self.ascend();
                continue;
            };
            match self.visit(&name) {
                Ok(Some(entry)) => return Some(Ok(entry)),
                Ok(None) => {}
                Err(error) => {
                    if let Err(error) = self.changes.tolerate(error) {
                        return Some(Err(error));
                    }
                }
            }
        }
        None
    }
}
