//! One file of an image: opened without following links or waiting, hashed, decoded.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Hasher};
use crate::read::archive::error::ReadError;
use crate::read::context::ReadContext;
use crate::read::image::decode::decoder;
use crate::read::image::encoding::Encoding;

const NOT_REGULAR: &str = "is not a regular file";

/// Opens a name in a directory, never through a symlink and without waiting.
pub(crate) fn open_in(directory: impl AsFd, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let always = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, always | flags, Mode::empty())
}

/// The error of [`open_in`] for a file that an image should have.
pub(crate) fn open_error(path: &Path, error: Errno) -> Error {
    match error {
        Errno::LOOP => Error::image(path, "it is a symbolic link"),
        Errno::NOTDIR => Error::image(path, "it is not a directory"),
        // A socket.
        Errno::NXIO => Error::image(path, format!("it {NOT_REGULAR}")),
        error => Error::io("open", path, error),
    }
}

/// A regular file that is an image or a part of one.
#[derive(Debug)]
pub(crate) struct ImageFile {
    pub(crate) path: PathBuf,
    file: File,
    pub(crate) size: u64,
    pub(crate) encoding: Encoding,
}

impl ImageFile {
    pub(crate) fn new(path: &Path, handle: OwnedFd) -> Result<Self> {
        let file = File::from(handle);
        let found = file.metadata().map_err(|error| Error::io("stat", path, error))?;
        if !found.is_file() {
            return Err(Error::invalid_input(path, NOT_REGULAR));
        }
        let mut beginning = [0; Encoding::MAGIC_LENGTH];
        let count = file.read_at(&mut beginning, 0).map_err(|error| Error::io("read", path, error))?;
        let encoding = Encoding::detect(&beginning[..count]);
        Ok(ImageFile { path: path.to_owned(), file, size: found.len(), encoding })
    }

    /// The same for a file in the directory of an image, which is unsound if the file is not a regular one.
    pub(crate) fn in_image(path: &Path, handle: OwnedFd) -> Result<Self> {
        ImageFile::new(path, handle).map_err(|error| {
            if error.io_error().is_some() { error } else { Error::image(path, format!("it {NOT_REGULAR}")) }
        })
    }

    /// The fingerprint at the beginning of its name.
    pub(crate) fn fingerprint_in_name(&self) -> Option<Fingerprint> {
        fingerprint_in_name(&self.path)
    }

    /// Its bytes from the beginning.
    pub(crate) fn bytes(&self) -> Result<impl Read> {
        let mut file = &self.file;
        file.rewind().map_err(|error| self.unreadable(error))?;
        Ok(file)
    }

    /// Its sha256.
    pub(crate) fn hash(&self, context: &ReadContext<'_>) -> Result<Fingerprint> {
        let mut hasher = Hasher::default();
        self.hash_into(&mut hasher, context)?;
        Ok(hasher.finish())
    }

    /// Appends its bytes to a hash. Fails if the file has changed its length.
    fn hash_into(&self, hasher: &mut Hasher, context: &ReadContext<'_>) -> Result<()> {
        let length = hasher.update_from(context.watch(self.bytes()?)).map_err(|error| self.unreadable(error))?;
        if length == self.size {
            Ok(())
        } else {
            Err(Error::changed_while_read(&self.path, "changed while it was read"))
        }
    }

    /// The decompressed bytes from the beginning.
    pub(crate) fn decoded<'a>(&self, context: &'a ReadContext<'a>) -> Result<Box<dyn Read + 'a>> {
        drop(self.bytes()?);
        let file = self.file.try_clone().map_err(|error| Error::io("open", &self.path, error))?;
        decoder(file, self.encoding, context).map_err(|error| ReadError::from(error).at(&self.path))
    }

    fn unreadable(&self, error: std::io::Error) -> Error {
        ReadError::from(error).at(&self.path)
    }
}

/// The fingerprint of a split image: the sha256 of both files, one behind the other.
pub(crate) fn fingerprint_of_both(
    metadata: &ImageFile,
    rootfs: &ImageFile,
    context: &ReadContext<'_>,
) -> Result<Fingerprint> {
    let mut hasher = Hasher::default();
    metadata.hash_into(&mut hasher, context)?;
    rootfs.hash_into(&mut hasher, context)?;
    Ok(hasher.finish())
}

/// The fingerprint at the beginning of an image's name. `lxc image export` writes `meta-` before it.
pub(crate) fn fingerprint_in_name(path: &Path) -> Option<Fingerprint> {
    let name = path.file_name()?.to_str()?.split('.').next()?;
    name.strip_prefix("meta-").unwrap_or(name).parse().ok()
}
