//! Directory handles: every file of the tree is opened by its name in the handle of its directory.
//!
//! No path is joined and opened. A directory is opened by its name in its parent's handle, without following a symlink, and the
//! handle must be the inode that was listed. So no handle leads out of the tree, whatever is renamed during the walk. Where inode
//! numbers are not persistent, the handle must be on the mount that was listed, and the second look at the directory compares its times.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::tree::filesystem::Filesystem;
use crate::tree::stat::{DirectoryChange, Identity, REPLACED, Stat, VANISHED};
use crate::tree::user_namespace;
use crate::tree::xattr::acl::Subject;
use crate::tree::xattr::{XattrError, XattrReader, Xattrs, proc_path};

/// The flags that every file and directory of the tree is opened with: a symlink is not followed, a fifo not waited for, a terminal
/// does not become the controlling one.
pub(crate) const OPEN_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The flags that a file is held with: it is not read, and the kernel cannot forget it.
const HOLD_FLAGS: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory of the tree: its name in its parent, and its inode when it was listed.
#[derive(Debug)]
pub(crate) struct Directory {
    parent: Option<Arc<Directory>>,
    name: Box<[u8]>,
    identity: Identity,
    depth: usize,
}

impl Directory {
    /// The top of a tree.
    pub(crate) fn top(identity: Identity) -> Arc<Self> {
        Arc::new(Directory { parent: None, name: Box::default(), identity, depth: 0 })
    }

    /// The directory `name` inside `self`.
    pub(crate) fn child(self: &Arc<Self>, name: &[u8], identity: Identity) -> Arc<Self> {
        Arc::new(Directory { parent: Some(Arc::clone(self)), name: name.into(), identity, depth: self.depth + 1 })
    }

    /// Its name in its parent; empty for the top.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// The number of directories above it.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The path below the top; empty for the top itself.
    pub(crate) fn path(&self) -> Vec<u8> {
        let mut names = Vec::new();
        let mut directory = self;
        while let Some(parent) = &directory.parent {
            names.push(&*directory.name);
            directory = parent;
        }
        names.reverse();
        names.join(&b'/')
    }
}

/// Drops the parents in a loop. The derived drop would recurse, and overflow the stack thousands of levels down.
impl Drop for Directory {
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some(mut directory) = parent.and_then(Arc::into_inner) {
            parent = directory.parent.take();
        }
    }
}

/// The directory handles of one thread: the top of the tree, and the lowest directories on the way to the current one.
///
/// Entries come in tree order, so the next directory is usually open already, or one `openat` away.
#[derive(Debug)]
pub(crate) struct DirHandleCache<'a> {
    top: OwnedFd,
    chain: VecDeque<(Arc<Directory>, OwnedFd)>,
    /// Handles in the chain, at most. Fewer take more calls in a deep tree.
    capacity: usize,
    cancel: &'a CancelToken,
}

/// Handles in one thread's chain: enough for the depth of almost every real tree.
const CAPACITY: usize = 24;

/// The handles of one thread beside its chain: the top, the directory above the chain while it moves, and a file.
const BESIDE: usize = 3;

/// The files that a process has open beside those of the threads that read: its standard streams, the output, a program's pipes.
const OTHERS: usize = 32;

/// The capacity of each chain if so many threads share the files that the process may open.
pub(crate) fn chain_capacity(threads: usize) -> usize {
    let limit = open_files_limit().map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    // The walk, and the walk that finds the total, have handles of their own.
    (limit.saturating_sub(OTHERS) / (threads + 2)).saturating_sub(BESIDE).clamp(1, CAPACITY)
}

/// The most threads that can read a tree with the files that the process may open, each with the least that it needs.
pub(crate) fn max_threads() -> usize {
    let limit = open_files_limit().map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    (limit.saturating_sub(OTHERS) / (BESIDE + 1)).saturating_sub(2).max(1)
}

/// How many files this process may open; `None` if any number. The call for it is refused in some sandboxes, where rustix panics, so
/// the kernel's file comes first.
fn open_files_limit() -> Option<u64> {
    match std::fs::read_to_string("/proc/self/limits") {
        Ok(limits) => {
            let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
            limit.split_whitespace().next()?.parse().ok()
        }
        Err(_) => rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
    }
}

impl<'a> DirHandleCache<'a> {
    /// A cache for one thread. The top directory is reopened, because a shared descriptor would share its read position.
    pub(crate) fn new(top: impl AsFd, capacity: usize, cancel: &'a CancelToken) -> Result<Self> {
        let top = rustix::fs::openat(top, c".", OPEN_FLAGS | OFlags::DIRECTORY, Mode::empty())
            .map_err(|error| Error::io("open the top directory of", ".", error))?;
        Ok(DirHandleCache { top, chain: VecDeque::with_capacity(capacity + 1), capacity, cancel })
    }

    /// The handle of `directory`. Every access to an entry begins here, so here a cancelled pack ends.
    pub(crate) fn enter(&mut self, directory: &Arc<Directory>) -> Result<BorrowedFd<'_>> {
        self.cancel.check()?;
        if !self.chain.back().is_some_and(|(last, _)| Arc::ptr_eq(last, directory)) {
            self.approach(directory)?;
        }
        Ok(self.current())
    }

    /// Opens `name` in `directory`. The caller compares the file with the listed one.
    pub(crate) fn open(&mut self, directory: &Arc<Directory>, name: &[u8], flags: OFlags) -> Result<OwnedFd> {
        let handle = self.enter(directory)?;
        retry_on_intr(|| rustix::fs::openat(handle, name, flags, Mode::empty()))
            .map_err(|error| entry_error("open", &child_path(&directory.path(), name), error))
    }

    /// Looks at `name` in `directory`, without opening it or following a symlink.
    pub(crate) fn stat(&mut self, directory: &Arc<Directory>, name: &[u8]) -> Result<Stat> {
        Stat::look(self.enter(directory)?, name)
            .map_err(|error| entry_error("stat", &child_path(&directory.path(), name), error))
    }

    /// Looks at `name` in `directory` once more, or at a path below it. A network filesystem asks its server.
    pub(crate) fn stat_again(&mut self, directory: &Arc<Directory>, name: &[u8]) -> Result<Stat> {
        Stat::look_again(self.enter(directory)?, name)
            .map_err(|error| entry_error("stat", &child_path(&directory.path(), name), error))
    }

    /// What is known of the filesystem that `name` in `directory` lies on.
    pub(crate) fn filesystem(&mut self, directory: &Arc<Directory>, name: &[u8]) -> Result<Filesystem> {
        self.open(directory, name, HOLD_FLAGS).map(Filesystem::of)
    }

    /// Whether `name` in `directory` and the file at `other`, a path below the top, are one file with several names. The kernel
    /// remembers both names meanwhile, so a filesystem that counts only such names counts two.
    pub(crate) fn are_one_file(&mut self, directory: &Arc<Directory>, name: &[u8], other: &[u8]) -> Result<bool> {
        // The second look at its directory finds out why the other name cannot be opened.
        let Ok(other) = self.hold(other) else { return Ok(false) };
        let one = self.open(directory, name, HOLD_FLAGS)?;
        let look = |handle: &OwnedFd| {
            let path = || child_path(&directory.path(), name);
            Stat::look_again(handle, b"").map_err(|error| entry_error("stat", &path(), error))
        };
        let (one, other) = (look(&one)?, look(&other)?);
        let number = |stat: &Stat| (stat.identity.device, stat.identity.inode);
        Ok(number(&one) == number(&other) && one.links > 1 && other.links > 1)
    }

    /// Opens the file at `path`, below the top, by one component after the other.
    fn hold(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        let mut names = path.split(|byte| *byte == b'/');
        let open =
            |directory: BorrowedFd<'_>, name: &[u8]| rustix::fs::openat(directory, name, HOLD_FLAGS, Mode::empty());
        let first = open(self.top.as_fd(), names.next().unwrap_or_default())?;
        names.try_fold(first, |directory, name| open(directory.as_fd(), name))
    }

    /// The target of the symlink `name` in `directory`.
    pub(crate) fn read_link(&mut self, directory: &Arc<Directory>, name: &[u8]) -> Result<Box<[u8]>> {
        match rustix::fs::readlinkat(self.enter(directory)?, name, Vec::new()) {
            Ok(target) => Ok(target.into_bytes().into()),
            Err(error) => {
                let path = child_path(&directory.path(), name);
                // EINVAL: it is no symlink any more.
                Err(if error == Errno::INVAL {
                    Error::changed(&path, REPLACED)
                } else {
                    entry_error("read link", &path, error)
                })
            }
        }
    }

    /// The extended attributes of `name` in `directory` that `reader` keeps, or of the directory itself if the name is empty.
    pub(crate) fn xattrs(
        &mut self,
        directory: &Arc<Directory>,
        name: &[u8],
        reader: &mut XattrReader<'_>,
    ) -> Result<Xattrs> {
        let path = || child_path(&directory.path(), name);
        reader.read(self.enter(directory)?, name).map_err(|cause| match cause {
            XattrError::Io(error) => entry_error("read the extended attributes of", &path(), error),
            XattrError::TooLong => Error::unfit(
                OsStr::from_bytes(&path()),
                "has more names of extended attributes than the 64 KiB that Linux can list",
            ),
            XattrError::UnmappedCapability => Error::unfit(
                OsStr::from_bytes(&path()),
                format!("has a file capability of {}", Subject::User.unmapped()),
            ),
        })
    }

    /// Asks the kernel whether it maps both ids of `name` in `directory`, or of the directory itself if the name is empty.
    pub(crate) fn maps_owner(&mut self, directory: &Arc<Directory>, name: &[u8]) -> Result<bool> {
        Ok(user_namespace::maps_owner_of(&proc_path(self.enter(directory)?, name)))
    }

    fn current(&self) -> BorrowedFd<'_> {
        self.chain.back().map_or(self.top.as_fd(), |(_, handle)| handle.as_fd())
    }

    /// Opens the directories that lead from the nearest one in the chain down to `directory`.
    fn approach(&mut self, directory: &Arc<Directory>) -> Result<()> {
        let mut ahead = Vec::new();
        let mut nearest = directory;
        while let Some(parent) = &nearest.parent {
            if self.contains(nearest) {
                break;
            }
            ahead.push(nearest);
            nearest = parent;
        }
        while self.chain.back().is_some_and(|(last, _)| !Arc::ptr_eq(last, nearest)) {
            self.chain.pop_back();
        }
        for directory in ahead.into_iter().rev() {
            let flags = OPEN_FLAGS | OFlags::DIRECTORY;
            let handle = retry_on_intr(|| rustix::fs::openat(self.current(), &*directory.name, flags, Mode::empty()))
                .map_err(|error| entry_error("open directory", &directory.path(), error))?;
            let found = fstat(handle.as_fd()).map_err(|error| entry_error("stat", &directory.path(), error))?;
            if !directory.identity.is_same(&found.identity) {
                return Err(Error::changed(&directory.path(), DirectoryChange::Replaced.what()));
            }
            self.chain.push_back((Arc::clone(directory), handle));
            if self.chain.len() > self.capacity {
                self.chain.pop_front();
            }
        }
        Ok(())
    }

    fn contains(&self, directory: &Arc<Directory>) -> bool {
        let first = self.chain.front().map_or(usize::MAX, |(first, _)| first.depth);
        let position = directory.depth.wrapping_sub(first);
        self.chain.get(position).is_some_and(|(held, _)| Arc::ptr_eq(held, directory))
    }
}

/// Looks at the file behind an open handle.
pub(crate) fn fstat(handle: impl AsFd) -> io::Result<Stat> {
    Stat::look(handle, b"")
}

/// The path of `name` in the directory at `directory`, both below the top.
pub(crate) fn child_path(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() || name.is_empty() {
        return [directory, name].concat();
    }
    [directory, b"/", name].concat()
}

/// The error of a system call about a listed entry.
fn entry_error(operation: &'static str, path: &[u8], error: impl Into<io::Error>) -> Error {
    let error = error.into();
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => Error::changed(path, VANISHED),
        // A symlink, a file in a directory's place, or a socket, none of which was listed.
        Some(Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => Error::changed(path, REPLACED),
        _ => Error::io(operation, OsStr::from_bytes(path), error),
    }
}
