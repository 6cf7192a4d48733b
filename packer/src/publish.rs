//! Publishing: an image gets its name only once it is complete and on the disk.
//!
//! The file has no name while it is written (`O_TMPFILE`; where the filesystem cannot do that, an exclusive temporary one),
//! so a pack that ends early, however that comes about, leaves nothing behind. Then: fsync, link under the fingerprint
//! without replacing anything, fsync of the directory.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Hasher};

/// A directory that images are published in.
#[derive(Debug)]
pub(crate) struct Shelf {
    handle: OwnedFd,
    path: PathBuf,
}

impl Shelf {
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| Error::io("open the output directory", path, error))?;
        Ok(Arc::new(Shelf { handle, path: path.to_owned() }))
    }

    /// A new file without a name, mode 0600.
    pub(crate) fn stage(self: &Arc<Self>) -> Result<Staged> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.handle, c".", flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok(Staged { shelf: Arc::clone(self), file: file.into(), name: None }),
            // What filesystems say that cannot (NFS, FAT, old overlays), and kernels that do not know the flag.
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::ISDIR | Errno::NOSYS) => self.stage_named(),
            Err(error) => Err(Error::io("create a file in", &self.path, error)),
        }
    }

    fn stage_named(self: &Arc<Self>) -> Result<Staged> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        loop {
            let name = temporary_name();
            match rustix::fs::openat(&self.handle, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => {
                    let name = Some(Temporary { shelf: Arc::clone(self), name });
                    return Ok(Staged { shelf: Arc::clone(self), file: file.into(), name });
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(Error::io("create a file in", &self.path, error)),
            }
        }
    }

    fn link(&self, file: &File, name: &str) -> rustix::io::Result<()> {
        // An unnamed file is linked by its handle. `AT_EMPTY_PATH` says so directly but wants a capability.
        let by_handle = format!("/proc/self/fd/{}", file.as_raw_fd());
        match rustix::fs::linkat(rustix::fs::CWD, by_handle, &self.handle, name, AtFlags::SYMLINK_FOLLOW) {
            Err(Errno::NOENT) => rustix::fs::linkat(file, c"", &self.handle, name, AtFlags::EMPTY_PATH),
            result => result,
        }
    }

    fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.handle).map_err(|error| Error::io("sync the directory", &self.path, error))
    }

    /// Whether the file called `name` hashes to `fingerprint`. Anything but a regular file is an error.
    fn holds(&self, name: &str, fingerprint: &Fingerprint) -> Result<bool> {
        let path = self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::LOOP) => {
                return Err(Error::unfit(path, "stands where the image should, and is a symbolic link"));
            }
            Err(error) => return Err(Error::io("open", path, error)),
        };
        let found = file.metadata().map_err(|error| Error::io("stat", &path, error))?;
        if !found.is_file() {
            return Err(Error::unfit(path, "stands where the image should, and is not a regular file"));
        }
        Ok(hash(file).map_err(|error| Error::io("read", &path, error))?.0 == *fingerprint)
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
        self.file.sync_all().map_err(|error| Error::io("sync the image in", &self.shelf.path, error))
    }

    /// Gives the synced file its name. An image of that name that is already there stays if it is whole, and is replaced
    /// if it is not (the remains of a crash); anything else of that name is an error.
    pub(crate) fn publish(self, fingerprint: &Fingerprint, extension: &str) -> Result<PathBuf> {
        let shelf = Arc::clone(&self.shelf);
        let name = format!("{fingerprint}{extension}");
        let path = shelf.path.join(&name);
        let failed = |error: Errno| Error::io("publish", &path, error);
        match self.link(&name) {
            Ok(()) => {}
            Err(Errno::EXIST) if shelf.holds(&name, fingerprint)? => {}
            Err(Errno::EXIST) => self.replace(&name).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        }
        shelf.sync()?;
        Ok(path)
    }

    fn link(&self, name: &str) -> rustix::io::Result<()> {
        match &self.name {
            None => self.shelf.link(&self.file, name),
            Some(temporary) => {
                let handle = &self.shelf.handle;
                rustix::fs::linkat(handle, &temporary.name, handle, name, AtFlags::empty())
            }
        }
    }

    fn replace(&self, name: &str) -> rustix::io::Result<()> {
        let handle = &self.shelf.handle;
        let temporary = Temporary { shelf: Arc::clone(&self.shelf), name: temporary_name() };
        self.link(&temporary.name)?;
        rustix::fs::renameat_with(handle, &temporary.name, handle, name, RenameFlags::empty())
    }
}

/// A temporary name, which goes away with its value.
#[derive(Debug)]
struct Temporary {
    shelf: Arc<Shelf>,
    name: String,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It may have been renamed to its final name; then there is nothing to remove.
        let _ = rustix::fs::unlinkat(&self.shelf.handle, &self.name, AtFlags::empty());
    }
}

/// A name that no other process uses at the same time; collisions with the dead are noticed by `O_EXCL`.
fn temporary_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!(".onepass-{process}-{number}.tmp")
}

/// The sha256 and the length of what is left to read.
pub(crate) fn hash(mut from: impl io::Read) -> io::Result<(Fingerprint, u64)> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 << 10];
    let mut length = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), length)),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
