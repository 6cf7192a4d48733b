//! Where an image is, and opening it whatever its format is.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::publish::directory::hash;
use crate::read::archive::error::Flaw;
use crate::read::image::decode::decoded;
use crate::read::image::encoding::Encoding;
use crate::read::image::oci::Layout;

/// An image that is to be read: a file, two files, or a directory.
///
/// ```no_run
/// use packer::Source;
///
/// for image in Source::new("/srv/images/layout").tag("latest").verify()? {
///     println!("{}: {} entries", image.fingerprint, image.entries);
/// }
/// # Ok::<(), packer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    rootfs: Option<PathBuf>,
    tag: Option<String>,
}

impl Source {
    /// The image at `path`: an archive, the directory of a split image, or an OCI image layout. Which one is told by what it
    /// holds.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Source { path: path.into(), rootfs: None, tag: None }
    }

    /// The file with the tree, if the image is split in two files and `path` is the one that describes it.
    #[must_use]
    pub fn rootfs(self, rootfs: impl Into<PathBuf>) -> Self {
        Source { rootfs: Some(rootfs.into()), ..self }
    }

    /// Which image of an OCI layout is meant: one with this name (`org.opencontainers.image.ref.name`), or with this digest, as
    /// `sha256:…`. Default: all of them.
    #[must_use]
    pub fn tag(self, tag: impl Into<String>) -> Self {
        Source { tag: Some(tag.into()), ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn open(&self) -> Result<Opened> {
        // Whatever waits for somebody at its other end is not waited for.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let handle =
            rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|error| Error::io("open", &self.path, error))?;
        let kind = rustix::fs::fstat(&handle).map_err(|error| Error::io("stat", &self.path, error))?;
        let is_directory = rustix::fs::FileType::from_raw_mode(kind.st_mode).is_dir();
        let opened = match (&self.rootfs, is_directory) {
            (Some(_), true) => {
                return Err(Error::invalid_input(&self.path, "is a directory, and its other file was named"));
            }
            (Some(rootfs), false) => {
                let rootfs_handle =
                    rustix::fs::open(rootfs, flags, Mode::empty()).map_err(|error| Error::io("open", rootfs, error))?;
                let [metadata, rootfs] = [Part::of(&self.path, handle)?, Part::of(rootfs, rootfs_handle)?];
                Opened::Pair { metadata, rootfs }
            }
            (None, false) => Opened::File(Part::of(&self.path, handle)?),
            (None, true) => self.directory(handle)?,
        };
        if self.tag.is_some() && !matches!(opened, Opened::Layout(..)) {
            return Err(Error::invalid_input(&self.path, "is no OCI image layout, and only there images have tags"));
        }
        Ok(opened)
    }

    fn directory(&self, handle: OwnedFd) -> Result<Opened> {
        if let Some(layout) = Layout::open(&self.path, &handle)? {
            return Ok(Opened::Layout(layout, self.tag.clone()));
        }
        let names = few_names(&handle).map_err(|error| Error::io("read directory", &self.path, error))?;
        let begins = |start: &str| names.iter().find(|name| name.starts_with(start));
        let (Some(metadata), Some(rootfs)) = (begins("metadata.tar"), begins("rootfs.")) else {
            return Err(Error::invalid_input(&self.path, "is neither an OCI image layout nor a split image"));
        };
        if names.len() > 2 {
            return Err(Error::image(&self.path, "there is more in it than a metadata.tar and a rootfs"));
        }
        let part = |name: &str| {
            let path = self.path.join(name);
            let handle = within(&handle, name, OFlags::empty()).map_err(|error| not_opened(&path, error))?;
            Part::inside(&path, handle)
        };
        Ok(Opened::Pair { metadata: part(metadata)?, rootfs: part(rootfs)? })
    }
}

const NOT_REGULAR: &str = "is not a regular file";

/// Opens a name in a directory: never through a symlink, and without waiting.
pub(crate) fn within(directory: impl AsFd, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let usual = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, usual | flags, Mode::empty())
}

/// Why a part of an image cannot be opened.
pub(crate) fn not_opened(path: &Path, error: Errno) -> Error {
    match error {
        Errno::LOOP => Error::image(path, "it is a symbolic link"),
        Errno::NOTDIR => Error::image(path, "it is not a directory"),
        // A socket.
        Errno::NXIO => Error::image(path, format!("it {NOT_REGULAR}")),
        error => Error::io("open", path, error),
    }
}

/// The names in a directory, or three of them if there are more.
fn few_names(directory: &OwnedFd) -> std::result::Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
        if names.len() > 2 {
            break;
        }
    }
    Ok(names)
}

/// An image, opened.
#[derive(Debug)]
pub(crate) enum Opened {
    /// An archive.
    File(Part),
    /// A split image.
    Pair { metadata: Part, rootfs: Part },
    /// An OCI image layout, and which of its images is meant.
    Layout(Layout, Option<String>),
}

/// A file that is an image, or a part of one.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    file: File,
    pub(crate) size: u64,
    pub(crate) encoding: Encoding,
}

impl Part {
    pub(crate) fn of(path: &Path, handle: OwnedFd) -> Result<Self> {
        let file = File::from(handle);
        let found = file.metadata().map_err(|error| Error::io("stat", path, error))?;
        if !found.is_file() {
            return Err(Error::invalid_input(path, NOT_REGULAR));
        }
        let mut beginning = [0; Encoding::MAGIC];
        let count = file.read_at(&mut beginning, 0).map_err(|error| Error::io("read", path, error))?;
        let encoding = Encoding::of(&beginning[..count]);
        Ok(Part { path: path.to_owned(), file, size: found.len(), encoding })
    }

    /// The same of a file in an image that is a directory: there it is the image's fault if it is no file.
    pub(crate) fn inside(path: &Path, handle: OwnedFd) -> Result<Self> {
        Part::of(path, handle).map_err(|error| {
            if error.io_error().is_some() { error } else { Error::image(path, format!("it {NOT_REGULAR}")) }
        })
    }

    /// The fingerprint that its name begins with.
    pub(crate) fn named(&self) -> Option<Fingerprint> {
        fingerprint_in(&self.path)
    }

    /// The file as it is, from its beginning.
    pub(crate) fn raw(&self) -> Result<impl Read> {
        let mut file = &self.file;
        file.rewind().map_err(|error| Error::io("read", &self.path, error))?;
        Ok(file)
    }

    /// Its sha256.
    pub(crate) fn hash(&self) -> Result<Fingerprint> {
        let (fingerprint, length) = hash(self.raw()?).map_err(|error| Error::io("read", &self.path, error))?;
        if length == self.size {
            Ok(fingerprint)
        } else {
            Err(Error::changed_while_read(&self.path, "changed while it was read"))
        }
    }

    /// What its compression hides, from the beginning.
    pub(crate) fn decoded(&self) -> Result<Box<dyn Read>> {
        drop(self.raw()?);
        let file = self.file.try_clone().map_err(|error| Error::io("open", &self.path, error))?;
        decoded(file, self.encoding).map_err(|error| Flaw::Io(error).of(&self.path))
    }
}

/// The fingerprint that an image's name begins with; `meta-` before it is what `lxc image export` writes.
pub(crate) fn fingerprint_in(path: &Path) -> Option<Fingerprint> {
    let name = path.file_name()?.to_str()?.split('.').next()?;
    name.strip_prefix("meta-").unwrap_or(name).parse().ok()
}
