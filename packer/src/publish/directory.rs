//! Publishing: an image gets its name only once it is complete and on the disk.
//!
//! The file has no name while it is written (`O_TMPFILE`; where the filesystem cannot do that, a [temporary](crate::publish::temp_name)
//! one), so a pack that ends early, however that comes about, leaves nothing behind. Then: fsync, link under the
//! fingerprint without replacing anything, fsync of the directory.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Hasher};
use crate::publish::temp_name::{self, Temporary};

/// A directory that images are published in.
#[derive(Debug)]
pub(crate) struct Shelf {
    handle: Arc<OwnedFd>,
    path: PathBuf,
}

impl Shelf {
    /// Opens the directory, and removes what dead processes left there.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| Error::io("open the output directory", path, error))?;
        temp_name::sweep(&handle);
        Ok(Arc::new(Shelf { handle: Arc::new(handle), path: path.to_owned() }))
    }

    /// A directory that is open already.
    pub(crate) fn of(handle: Arc<OwnedFd>, path: PathBuf) -> Self {
        Shelf { handle, path }
    }

    pub(crate) fn handle(&self) -> &Arc<OwnedFd> {
        &self.handle
    }

    /// Where it is; for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A new file without a name, mode 0600.
    pub(crate) fn stage(self: &Arc<Self>) -> Result<Staged> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let (file, name) = match rustix::fs::openat(&self.handle, c".", flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok((file.into(), None)),
            // What filesystems say that cannot (NFS, FAT, old overlays), and kernels that do not know the flag.
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::ISDIR | Errno::NOSYS) => {
                temp_name::create(&self.handle).map(|(file, name)| (file, Some(name)))
            }
            Err(error) => Err(error),
        }
        .map_err(|error| Error::io("create a file in", &self.path, error))?;
        Ok(Staged { shelf: Arc::clone(self), file, name })
    }

    /// A new file that will never have a name; where the filesystem cannot do that, it loses the one it has at once.
    pub(crate) fn scratch(self: &Arc<Self>) -> Result<Staged> {
        self.stage().map(|staged| Staged { name: None, ..staged })
    }

    /// Brings the names in it to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        retry_on_intr(|| rustix::fs::fsync(&self.handle))
            .map_err(|error| Error::io("sync the directory", &self.path, error))
    }

    /// Whether the file called `name` hashes to `fingerprint`. Anything but a regular file is an error.
    fn holds(&self, name: &str, fingerprint: &Fingerprint, cancel: &CancelToken) -> Result<bool> {
        Ok(self.hashed(name, Hasher::default(), cancel)?.finish() == *fingerprint)
    }

    /// Goes on hashing with the file called `name`. Anything but a regular file is an error.
    pub(crate) fn hashed(&self, name: &str, mut hasher: Hasher, cancel: &CancelToken) -> Result<Hasher> {
        let path = self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::LOOP) => {
                return Err(Error::output_exists(path, "stands where the image should, and is a symbolic link"));
            }
            Err(error) => return Err(Error::io("open", path, error)),
        };
        let found = file.metadata().map_err(|error| Error::io("stat", &path, error))?;
        if !found.is_file() {
            return Err(Error::output_exists(path, "stands where the image should, and is not a regular file"));
        }
        let read = hasher.update_from(Permitted { file, cancel });
        cancel.check()?;
        read.map_err(|error| Error::io("read", &path, error))?;
        Ok(hasher)
    }
}

/// An image that is being written and has no final name yet. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Staged {
    shelf: Arc<Shelf>,
    file: File,
    name: Option<Temporary>,
}

impl Staged {
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Where it will stand; for messages.
    pub(crate) fn place(&self) -> &Path {
        &self.shelf.path
    }

    /// Brings everything to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        retry_on_intr(|| rustix::fs::fsync(&self.file))
            .map_err(|error| Error::io("sync the image in", &self.shelf.path, error))
    }

    /// Gives the synced file its name in `to`, a directory of the same filesystem. A file of that name that is already there
    /// stays if it is whole, and is replaced if it is not (the remains of a crash); anything else of that name is an error.
    /// The name is not on the disk before the directory is [synced](Shelf::sync).
    pub(crate) fn publish(
        self,
        to: &Shelf,
        fingerprint: &Fingerprint,
        name: &str,
        cancel: &CancelToken,
    ) -> Result<Named> {
        let failed = |error: Errno| Error::io("publish", to.path.join(name), error);
        match self.name_it(to, name) {
            Ok(()) => Ok(Named::New),
            Err(Errno::EXIST) if to.holds(name, fingerprint, cancel)? => Ok(Named::Found),
            Err(Errno::EXIST) => self.replace(to, name).map(|()| Named::Replaced),
            Err(error) => Err(failed(error)),
        }
    }

    /// Gives the file a name in `to` that nothing has.
    fn name_it(&self, to: &Shelf, name: &str) -> rustix::io::Result<()> {
        let (from, to) = (&self.shelf.handle, &to.handle);
        let Some(temporary) = &self.name else { return self.link(to, name) };
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(from, &temporary.name, to, name, flags) {
            // A filesystem that does not know the flag (NFS) knows links, and one without links (FAT) knows the flag.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                rustix::fs::linkat(from, &temporary.name, to, name, AtFlags::empty())
            }
            result => result,
        }
    }

    /// Gives a file without a name one in `directory` that nothing has.
    fn link(&self, directory: &OwnedFd, name: &str) -> rustix::io::Result<()> {
        // By way of its handle. `AT_EMPTY_PATH` says so directly but wants a capability.
        let by_handle = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        match rustix::fs::linkat(rustix::fs::CWD, by_handle, directory, name, AtFlags::SYMLINK_FOLLOW) {
            Err(Errno::NOENT) => rustix::fs::linkat(&self.file, c"", directory, name, AtFlags::EMPTY_PATH),
            result => result,
        }
    }

    /// Gives the synced file its name in `to` at one moment, whatever file has it.
    pub(crate) fn replace(&self, to: &Shelf, name: &str) -> Result<()> {
        self.exchange(to, name).map_err(|error| Error::io("publish", to.path.join(name), error))
    }

    fn exchange(&self, to: &Shelf, name: &str) -> rustix::io::Result<()> {
        let from = &self.shelf.handle;
        let linked;
        let temporary = match &self.name {
            Some(temporary) => temporary,
            None => {
                // Locked before it has a name, so that nobody takes it for a leftover.
                temp_name::lock(&self.file);
                linked = Temporary::new(from);
                self.link(from, &linked.name)?;
                &linked
            }
        };
        rustix::fs::renameat_with(from, &temporary.name, &to.handle, name, RenameFlags::empty())
    }
}

/// How a file came by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Nothing had it.
    New,
    /// The same file has it already, and stays.
    Found,
    /// The remains of a crash had it.
    Replaced,
}

impl From<Named> for Outcome {
    fn from(named: Named) -> Self {
        match named {
            Named::New | Named::Replaced => Outcome::Published,
            Named::Found => Outcome::AlreadyThere,
        }
    }
}

/// What became of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It has its name now.
    Published,
    /// The same image had been there before, and was verified.
    AlreadyThere,
    /// It has the fingerprint that was given to [`skip_if_fingerprint`](crate::Pack::skip_if_fingerprint), and was not kept.
    Unchanged,
    /// It was written elsewhere, and was not kept here.
    Streamed,
}

impl Outcome {
    /// The name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Published => "published",
            Outcome::AlreadyThere => "already-there",
            Outcome::Unchanged => "unchanged",
            Outcome::Streamed => "streamed",
        }
    }
}

/// A file that is read as long as that is wanted.
struct Permitted<'a> {
    file: File,
    cancel: &'a CancelToken,
}

impl io::Read for Permitted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        self.file.read(buffer)
    }
}
