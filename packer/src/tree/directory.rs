//! Directories by handle: the only way from a name to a file.
//!
//! A path is never joined and opened. A directory is opened by its own name in its parent's handle, without following a
//! symlink, and the handle must turn out to be the directory that was listed. Whatever a hostile tree renames during the
//! walk, no handle ever leads outside.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::tree::entry::{Identity, REPLACED, Stat, VANISHED};
use crate::tree::xattr::{AttributeReader, Attributes, Unreadable};

/// How every file and directory of the tree is opened: never through a symlink, never waiting, never a terminal of ours.
pub(crate) const OPEN: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// A directory of the tree: its name in its parent, and which inode it was when it was listed.
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

    /// Its path below the top; empty for the top itself.
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

/// Without this, the last reference to a directory thousands of levels down would be dropped recursively.
impl Drop for Directory {
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some(mut directory) = parent.and_then(Arc::into_inner) {
            parent = directory.parent.take();
        }
    }
}

/// The open handles of one thread: the top of the tree and the lowest directories on the way to the current one.
///
/// Entries come in tree order, so the next directory is nearly always at hand or one `openat` away.
#[derive(Debug)]
pub(crate) struct Handles<'a> {
    top: OwnedFd,
    chain: VecDeque<(Arc<Directory>, OwnedFd)>,
    cancel: &'a CancelToken,
}

/// Handles that one thread keeps: deeper than almost every real tree, and with 8 threads still below the usual 1,024.
const KEPT: usize = 24;

impl<'a> Handles<'a> {
    /// Handles of their own, position of reading included, for one more thread.
    pub(crate) fn new(top: impl AsFd, cancel: &'a CancelToken) -> Result<Self> {
        let top = rustix::fs::openat(top, c".", OPEN | OFlags::DIRECTORY, Mode::empty())
            .map_err(|error| Error::io("open the top directory of", ".", error))?;
        Ok(Handles { top, chain: VecDeque::with_capacity(KEPT + 1), cancel })
    }

    /// The handle of `directory`. Every way to an entry begins here, so this is where a pack that was cancelled ends.
    pub(crate) fn enter(&mut self, directory: &Arc<Directory>) -> Result<BorrowedFd<'_>> {
        self.cancel.check()?;
        if !self.chain.back().is_some_and(|(last, _)| Arc::ptr_eq(last, directory)) {
            self.approach(directory)?;
        }
        Ok(self.current())
    }

    /// Opens `name` in `directory`; the caller compares what it got with what it expects.
    pub(crate) fn open(&mut self, directory: &Arc<Directory>, name: &[u8], flags: OFlags) -> Result<OwnedFd> {
        let handle = self.enter(directory)?;
        retry_on_intr(|| rustix::fs::openat(handle, name, flags, Mode::empty()))
            .map_err(|error| failed("open", &path_of(&directory.path(), name), error))
    }

    /// What `name` in `directory` is, without following or opening it.
    pub(crate) fn stat(&mut self, directory: &Arc<Directory>, name: &[u8]) -> Result<Stat> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        rustix::fs::statx(self.enter(directory)?, name, flags, Stat::WANTED)
            .map(Stat::from)
            .map_err(|error| failed("stat", &path_of(&directory.path(), name), error))
    }

    /// The target of the symlink `name` in `directory`.
    pub(crate) fn target(&mut self, directory: &Arc<Directory>, name: &[u8]) -> Result<Box<[u8]>> {
        match rustix::fs::readlinkat(self.enter(directory)?, name, Vec::new()) {
            Ok(target) => Ok(target.into_bytes().into()),
            Err(error) => {
                let path = path_of(&directory.path(), name);
                // It was a symlink when it was listed.
                Err(if error == Errno::INVAL {
                    Error::changed(&path, REPLACED)
                } else {
                    failed("read link", &path, error)
                })
            }
        }
    }

    /// The extended attributes of `name` in `directory`; of the directory itself if the name is empty.
    pub(crate) fn attributes(
        &mut self,
        directory: &Arc<Directory>,
        name: &[u8],
        reader: &mut AttributeReader,
    ) -> Result<Attributes> {
        let path = || path_of(&directory.path(), name);
        reader.read(self.enter(directory)?, name).map_err(|cause| match cause {
            Unreadable::Io(error) => failed("read the extended attributes of", &path(), error),
            Unreadable::TooLong => Error::unfit(
                OsStr::from_bytes(&path()),
                "has more names of extended attributes than the 64 KiB that Linux can list",
            ),
        })
    }

    fn current(&self) -> BorrowedFd<'_> {
        self.chain.back().map_or(self.top.as_fd(), |(_, handle)| handle.as_fd())
    }

    fn approach(&mut self, directory: &Arc<Directory>) -> Result<()> {
        let mut ahead = Vec::new();
        let mut nearest = directory;
        while let Some(parent) = &nearest.parent {
            if self.held(nearest) {
                break;
            }
            ahead.push(nearest);
            nearest = parent;
        }
        while self.chain.back().is_some_and(|(last, _)| !Arc::ptr_eq(last, nearest)) {
            self.chain.pop_back();
        }
        for directory in ahead.into_iter().rev() {
            let flags = OPEN | OFlags::DIRECTORY;
            let handle = retry_on_intr(|| rustix::fs::openat(self.current(), &*directory.name, flags, Mode::empty()))
                .map_err(|error| failed("open directory", &directory.path(), error))?;
            let found = stat(handle.as_fd()).map_err(|error| failed("stat", &directory.path(), error))?;
            if found.identity != directory.identity {
                return Err(Error::changed(&directory.path(), "another directory took its place"));
            }
            self.chain.push_back((Arc::clone(directory), handle));
            if self.chain.len() > KEPT {
                self.chain.pop_front();
            }
        }
        Ok(())
    }

    fn held(&self, directory: &Arc<Directory>) -> bool {
        let first = self.chain.front().map_or(usize::MAX, |(first, _)| first.depth);
        let position = directory.depth.wrapping_sub(first);
        self.chain.get(position).is_some_and(|(held, _)| Arc::ptr_eq(held, directory))
    }
}

/// What an open handle turned out to be.
pub(crate) fn stat(handle: impl AsFd) -> rustix::io::Result<Stat> {
    rustix::fs::statx(handle, c"", AtFlags::EMPTY_PATH, Stat::WANTED).map(Stat::from)
}

/// The path below the top of `name` in a directory.
pub(crate) fn path_of(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() || name.is_empty() {
        return [directory, name].concat();
    }
    [directory, b"/", name].concat()
}

/// The failure of a call about an entry that was there when it was listed.
fn failed(operation: &'static str, path: &[u8], error: Errno) -> Error {
    match error {
        Errno::NOENT => Error::changed(path, VANISHED),
        // A symlink where none was; something else where a directory was; a socket, which cannot be opened.
        Errno::LOOP | Errno::NOTDIR | Errno::NXIO => Error::changed(path, REPLACED),
        error => Error::io(operation, OsStr::from_bytes(path), error),
    }
}
