//! The directory that images are published in.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::Hasher;
use crate::publish::permissions::Permissions;
use crate::publish::temp_name;

/// An open directory that images are published in.
#[derive(Debug)]
pub(crate) struct OutputDir {
    handle: Arc<OwnedFd>,
    path: PathBuf,
    permissions: Permissions,
}

impl OutputDir {
    /// Opens the directory, and removes the temporary files of dead processes from it. What is published in it gets these permissions.
    pub(crate) fn open(path: &Path, permissions: Permissions) -> Result<Arc<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| Error::io("open the output directory", path, error))?;
        temp_name::sweep(&handle);
        Ok(Arc::new(OutputDir { handle: Arc::new(handle), path: path.to_owned(), permissions }))
    }

    /// A directory below this one, with the same permissions for what is published in it.
    pub(crate) fn subdirectory(&self, handle: Arc<OwnedFd>, name: &str) -> Self {
        OutputDir { handle, path: self.path.join(name), permissions: self.permissions }
    }

    pub(crate) fn handle(&self) -> &Arc<OwnedFd> {
        &self.handle
    }

    /// Where it is; for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The permissions of what is published in it.
    pub(crate) fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// Gives the directory itself the permissions of directories.
    pub(crate) fn set_own_permissions(&self) -> Result<()> {
        self.permissions
            .set_on_directory(&self.handle)
            .map_err(|error| Error::io("set the permissions of", &self.path, error))
    }

    /// Brings the names in it to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        retry_on_intr(|| rustix::fs::fsync(&self.handle))
            .map_err(|error| Error::io("sync the directory", &self.path, error))
    }

    /// Brings the name of the published `image` to the disk. The error says that the image stays.
    pub(crate) fn sync_published(&self, image: &Path) -> Result<()> {
        retry_on_intr(|| rustix::fs::fsync(&self.handle)).map_err(|error| Error::unsynced(image, &self.path, error))
    }

    /// Continues a hash with the file called `name`; returns the hash and the file. Anything but a regular file is an error.
    pub(crate) fn hash_file(
        &self,
        name: &str,
        mut hasher: Hasher,
        cancel: &CancelToken,
    ) -> Result<(Hasher, ExistingFile)> {
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
        let read = hasher.update_from(CancellableFile { file: &file, cancel });
        cancel.check()?;
        read.map_err(|error| Error::io("read", &path, error))?;
        Ok((hasher, ExistingFile { file, path }))
    }

    /// Brings the file called `name`, which this process did not write, to the disk.
    pub(crate) fn sync_file(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.handle, name, flags, Mode::empty())
            .map_err(|error| Error::io("open", &path, error))?;
        ExistingFile { file: file.into(), path }.sync()
    }
}

/// A file that stood in the directory before the image was published. It may be in memory only: whoever copied it need not have
/// synced it.
#[derive(Debug)]
pub(crate) struct ExistingFile {
    file: File,
    path: PathBuf,
}

impl ExistingFile {
    /// Brings its content to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        retry_on_intr(|| rustix::fs::fsync(&self.file)).map_err(|error| Error::io("sync", &self.path, error))
    }
}

/// A file whose reading fails once it is cancelled.
struct CancellableFile<'a> {
    file: &'a File,
    cancel: &'a CancelToken,
}

impl io::Read for CancellableFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        self.file.read(buffer)
    }
}
