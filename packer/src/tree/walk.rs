//! The walk: a root filesystem in, its entries out, in the archive's order.
//!
//! Names are sorted by their bytes, and a directory stands before what is in it. No symlink is followed. The walk opens directories
//! and, to find holes, large files (`Sparse::Auto`); all other content is read by the workers.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rustix::fs::FileType;

use crate::error::{Error, Result};
use crate::tree::Tree;
use crate::tree::changes::Changes;
use crate::tree::directory::{DirHandleCache, Directory, OPEN_FLAGS, child_path, fstat};
use crate::tree::entry::{Entry, Kind, Member};
use crate::tree::filesystem::Filesystem;
use crate::tree::hard_links::{self, FirstName, HardLinks, LinkCounts, TooManyLinks};
use crate::tree::holes::{Extents, ScanError, Sparse, WORTHWHILE};
use crate::tree::id_map::Owner;
use crate::tree::listing::{self, Name, Names};
use crate::tree::second_look::{OpenLook, SecondLooks};
use crate::tree::stat::Stat;
use crate::tree::xattr::{XattrReader, Xattrs};

/// The attributes that make a file a whiteout to an overlay filesystem, since Linux 6.7, beside a character device 0:0. Source:
/// `overlayfs.rst`, "Nesting overlayfs mounts".
const OVERLAY_WHITEOUTS: [&[u8]; 2] = [b"trusted.overlay.whiteout", b"user.overlay.whiteout"];

/// Entries that were skipped without being asked to: sockets and mount points. Excluded ones are not counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftOut {
    /// How many sockets there were; an archive cannot hold them.
    pub(crate) sockets: u64,
    /// The mount points below the top. A directory is kept, without its content; a file is skipped.
    pub(crate) mounts: Vec<PathBuf>,
}

/// The entries of a tree, listed one directory at a time.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    tree: &'a Tree<'a>,
    changes: &'a Changes,
    handles: DirHandleCache<'a>,
    xattr_reader: XattrReader<'a>,
    levels: Vec<Level>,
    /// The path of the lowest level.
    path: Vec<u8>,
    /// How many more bytes of memory the levels' names may take.
    remaining: usize,
    links: HardLinks,
    started: bool,
    left_out: LeftOut,
    /// `None` in a walk that does not mind changes.
    second_looks: Option<SecondLooks<'a>>,
}

/// A directory on the way down, and the rest of its listing.
#[derive(Debug)]
struct Level {
    directory: Arc<Directory>,
    /// The length of its parent's path.
    parent_length: usize,
    names: Names,
    look: Option<OpenLook>,
}

/// A name of the lowest level, and the first look at its file.
struct Listed<'a> {
    directory: Arc<Directory>,
    /// Empty for the top of the tree.
    name: &'a [u8],
    path: Box<[u8]>,
    stat: Stat,
}

impl Tree<'_> {
    /// All entries in the archive's order. An entry that vanishes before the first look at it goes to `changes`, and so does a directory
    /// that changes after it was listed: [`Walk::finish`] looks again.
    pub(crate) fn walk<'b>(&'b self, changes: &'b Changes) -> Result<Walk<'b>> {
        let walk = self.walk_once(changes)?;
        Ok(Walk { second_looks: Some(SecondLooks::new(self, changes)), ..walk })
    }

    /// All entries in the archive's order, without second looks at directories.
    pub(crate) fn walk_once<'b>(&'b self, changes: &'b Changes) -> Result<Walk<'b>> {
        Ok(Walk {
            tree: self,
            changes,
            handles: self.handles()?,
            xattr_reader: XattrReader::new(self.xattr_backend, &self.xattr_filter),
            levels: Vec::new(),
            path: Vec::new(),
            remaining: listing::MEMORY_LIMIT,
            links: self.hard_links(),
            started: false,
            left_out: LeftOut::default(),
            second_looks: None,
        })
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
                if let Err(error) = self.ascend().or_else(|error| self.changes.tolerate(error)) {
                    return Some(Err(error));
                }
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

impl Walk<'_> {
    /// The entries skipped so far.
    pub(crate) fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Looks at all directories and consulted files once more, behind the last entry. Those that changed go to `changes`.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let Some(looks) = &mut self.second_looks else { return Ok(()) };
        looks.finish(&mut self.handles)?;
        self.tree.consulted.check(&self.tree.top, self.changes)
    }

    fn start(&mut self) -> Result<Entry> {
        self.started = true;
        let stat = self.tree.stat;
        let top = Listed { directory: Directory::top(stat.identity), name: b"", path: Box::default(), stat };
        self.tree.outputs.check_absent(&top.path, &stat)?;
        self.check_owner(&top)?;
        let xattrs = self.xattrs(&top)?;
        self.descend(&top.directory, &top.path, &stat)?;
        self.entry(top, Kind::Directory, xattrs)
    }

    fn descend(&mut self, directory: &Arc<Directory>, path: &[u8], stat: &Stat) -> Result<()> {
        let handle = self.handles.enter(directory)?;
        let fields = self.tree.compared_fields(path, &stat.identity);
        let names = Names::read(handle, fields, self.remaining, self.tree.cancel).map_err(|cause| cause.at(path))?;
        let look = self.second_looks.as_ref().map(|looks| looks.begin(directory, path, stat));
        self.remaining -= names.size;
        self.levels.push(Level { directory: Arc::clone(directory), parent_length: self.path.len(), names, look });
        self.path.clear();
        self.path.extend_from_slice(path);
        Ok(())
    }

    /// Leaves the lowest level.
    fn ascend(&mut self) -> Result<()> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        self.remaining += level.names.size;
        self.path.truncate(level.parent_length);
        match (level.look, &mut self.second_looks) {
            (Some(look), Some(looks)) => looks.end(look, &mut self.handles),
            _ => Ok(()),
        }
    }

    /// The entry called `name` in the lowest level; `None` if it is left out.
    fn visit(&mut self, found: &Name) -> Result<Option<Entry>> {
        let Some(level) = self.levels.last_mut() else { return Ok(None) };
        let (directory, name) = (Arc::clone(&level.directory), &*found.bytes);
        let path: Box<[u8]> = child_path(&self.path, name).into();
        if self.tree.exclusions.matches(&path) {
            self.tree.cancel.check()?;
            return Ok(None);
        }
        if let Some(look) = &mut level.look {
            look.keep(found);
        }
        if self.tree.rules.placement.is_whiteout(name) {
            let what = "would stand for the absence of another file in an OCI layer, and has to be excluded";
            return Err(unfit(&path, what));
        }
        let stat = self.first_look(&directory, name)?;
        let listed = Listed { directory, name, path, stat };
        let is_mount_point = self.is_mount_point(&stat);
        if self.leaves_out(&listed, is_mount_point) {
            return Ok(None);
        }
        self.tree.outputs.check_absent(&listed.path, &stat)?;
        self.check_owner(&listed)?;
        let xattrs = self.xattrs(&listed)?;
        let kind = if stat.file_type() != FileType::Directory {
            self.kind_or_link(&listed)?
        } else {
            // A mounted directory is kept as an empty directory.
            if !is_mount_point {
                self.descend(&listed.directory.child(name, stat.identity), &listed.path, &stat)?;
            }
            Kind::Directory
        };
        self.entry(listed, kind, xattrs).map(Some)
    }

    /// The look at a name that later ones are compared with.
    fn first_look(&mut self, directory: &Arc<Directory>, name: &[u8]) -> Result<Stat> {
        let stat = self.handles.stat(directory, name)?;
        let filesystem = if self.is_mount_point(&stat) {
            Filesystem::Unknown
        } else {
            self.tree.filesystems.find(&stat.identity, || self.handles.filesystem(directory, name))?
        };
        Ok(filesystem.comparable(stat))
    }

    /// Whether another filesystem is mounted here that is not part of the tree.
    fn is_mount_point(&self, stat: &Stat) -> bool {
        !stat.identity.is_on_mount_of(&self.tree.stat.identity) && !self.tree.rules.cross_mounts
    }

    /// Whether the archive gets no entry for this name. Counts sockets and mount points.
    fn leaves_out(&mut self, listed: &Listed<'_>, is_mount_point: bool) -> bool {
        let file_type = listed.stat.file_type();
        if is_mount_point {
            self.left_out.mounts.push(OsStr::from_bytes(&listed.path).into());
        }
        if file_type == FileType::Socket {
            self.left_out.sockets += 1;
        }
        file_type == FileType::Socket || is_mount_point && file_type != FileType::Directory
    }

    /// The kind of an entry that is no directory: a hard link if it is a further name of an earlier one.
    fn kind_or_link(&mut self, listed: &Listed<'_>) -> Result<Kind> {
        let (placement, counts) = (self.tree.rules.placement, self.tree.link_counts(&listed.stat.identity));
        if !placement.allows_hard_link(&listed.path) {
            return self.kind(listed);
        }
        if let Some(FirstName { path: target, is_certain }) = self.links.first_name(&listed.stat, counts) {
            let other = &target[placement.prefix.len()..];
            if is_certain || self.handles.are_one_file(&listed.directory, listed.name, other)? {
                return Ok(Kind::HardLink { target });
            }
        }
        let kind = self.kind(listed)?;
        match self.links.remember(&listed.stat, counts, &[placement.prefix, &listed.path].concat()) {
            Ok(()) => Ok(kind),
            Err(TooManyLinks) => {
                let limit = hard_links::MEMORY_LIMIT >> 20;
                let what = match counts {
                    LinkCounts::Stored => {
                        format!("has further names, as have more files before it than fit the limit of {limit} MiB")
                    }
                    LinkCounts::Guessed => format!(
                        "is one of more files than fit the limit of {limit} MiB, and its filesystem does not say which have further names"
                    ),
                };
                Err(unfit(&listed.path, what))
            }
        }
    }

    fn kind(&mut self, listed: &Listed<'_>) -> Result<Kind> {
        let Stat { size, device: (major, minor), .. } = listed.stat;
        match listed.stat.file_type() {
            FileType::RegularFile if self.tree.rules.sparse == Sparse::Auto && size >= WORTHWHILE => {
                match self.extents(listed) {
                    Ok(Some(extents)) => Ok(Kind::SparseFile { extents }),
                    Ok(None) => Ok(Kind::File { size }),
                    // In a live tree it is packed as any other file that changes.
                    Err(error) => self.changes.tolerate(error).map(|()| Kind::File { size }),
                }
            }
            FileType::RegularFile => Ok(Kind::File { size }),
            FileType::Symlink => {
                self.handles.read_link(&listed.directory, listed.name).map(|target| Kind::Symlink { target })
            }
            FileType::Fifo => Ok(Kind::Fifo),
            FileType::CharacterDevice if self.tree.rules.placement.is_layer && (major, minor) == (0, 0) => {
                let what = "is a character device 0:0, which stands for the absence of a file in an overlay, and has to be excluded";
                Err(unfit(&listed.path, what))
            }
            FileType::CharacterDevice => Ok(Kind::CharacterDevice { major, minor }),
            FileType::BlockDevice => Ok(Kind::BlockDevice { major, minor }),
            FileType::Directory | FileType::Socket | FileType::Unknown => {
                Err(unfit(&listed.path, "is of an unknown kind"))
            }
        }
    }

    /// The extents of a large file; `None` if leaving out its holes is not worthwhile.
    fn extents(&mut self, listed: &Listed<'_>) -> Result<Option<Extents>> {
        let (counts, scans) = (self.tree.link_counts(&listed.stat.identity), &self.tree.hole_scans);
        scans.extents(&listed.stat, counts, &listed.path, |read| self.scan(listed, read))
    }

    /// Reads a large file for its holes.
    fn scan(&mut self, listed: &Listed<'_>, read: &AtomicU64) -> Result<Option<Extents>> {
        let Listed { directory, name, path, stat } = listed;
        let file = File::from(self.handles.open(directory, name, OPEN_FLAGS)?);
        let check_unchanged = || {
            let found = fstat(&file).map_err(|error| Error::io("stat", OsStr::from_bytes(path), error))?;
            stat.difference(&found).map_or(Ok(()), |what| Err(Error::changed(path, what)))
        };
        check_unchanged()?;
        let extents = Extents::scan(&file, stat.size, read, self.tree.cancel);
        // A file that changed meanwhile may have failed to read for that reason.
        check_unchanged()?;
        extents.map_err(|cause| match cause {
            ScanError::Io(error) => Error::io("read", OsStr::from_bytes(path), error),
            ScanError::Cancelled(error) => error,
        })
    }

    /// Fails for an owner that stands for users or groups that this process cannot tell apart.
    fn check_owner(&mut self, listed: &Listed<'_>) -> Result<()> {
        let Some(namespace) = &self.tree.user_namespace else { return Ok(()) };
        let mut asked = false;
        let flaw = namespace.flaw(Owner { uid: listed.stat.uid, gid: listed.stat.gid }, || {
            asked = true;
            self.handles.maps_owner(&listed.directory, listed.name)
        })?;
        if let Some(what) = flaw {
            return Err(unfit(&listed.path, what));
        }
        // The kernel was asked by name.
        if asked { self.look_again(listed) } else { Ok(()) }
    }

    /// The extended attributes of the listed inode that the filter keeps, with the ids in them mapped.
    fn xattrs(&mut self, listed: &Listed<'_>) -> Result<Xattrs> {
        let mut xattrs = self.handles.xattrs(&listed.directory, listed.name, &mut self.xattr_reader)?;
        if xattrs.is_empty() {
            return Ok(xattrs);
        }
        // They were read by name, so they are this inode's only if the name still stands for it.
        self.look_again(listed)?;
        let is_whiteout = OVERLAY_WHITEOUTS.iter().any(|name| xattrs.get(name).is_some());
        if self.tree.rules.placement.is_layer && is_whiteout {
            let what = "has an attribute that stands for the absence of a file in an overlay, and has to be excluded";
            return Err(unfit(&listed.path, what));
        }
        for xattr in xattrs.iter_mut() {
            let mapped = self.tree.rules.owners.map_xattr(&xattr.name, &xattr.value).map_err(|what| {
                let name = String::from_utf8_lossy(&xattr.name).escape_debug().to_string();
                unfit(&listed.path, format!("has an entry in `{name}` that {what}"))
            })?;
            if let Some(value) = mapped {
                xattr.value = value.into();
            }
        }
        Ok(xattrs)
    }

    /// Looks at the file by its name once more. In a live tree it may have changed, but not have become another file.
    fn look_again(&mut self, listed: &Listed<'_>) -> Result<()> {
        let Listed { directory, name, path, stat } = listed;
        let later = if name.is_empty() {
            fstat(self.handles.enter(directory)?).map_err(|error| Error::io("stat", OsStr::from_bytes(path), error))?
        } else {
            self.handles.stat(directory, name)?
        };
        let Some(what) = stat.difference(&later) else { return Ok(()) };
        let error = Error::changed(path, what);
        if stat.is_same_file(&later) { self.changes.tolerate(error) } else { Err(error) }
    }

    fn entry(&self, listed: Listed<'_>, kind: Kind, xattrs: Xattrs) -> Result<Entry> {
        let (Listed { directory, path, stat, .. }, rules) = (listed, &self.tree.rules);
        let owner = rules.owners.apply(Owner { uid: stat.uid, gid: stat.gid }).map_err(|what| unfit(&path, what))?;
        let member = Member {
            prefix: rules.placement.prefix,
            path,
            kind,
            mode: stat.permissions(),
            owner,
            modified: rules.clamp(stat.modified),
            xattrs,
        };
        Ok(Entry { member, directory, stat })
    }
}

fn unfit(path: &[u8], what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::unfit(OsStr::from_bytes(path), what)
}
