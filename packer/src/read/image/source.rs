//! The public handle of an image that is to be read, and how it is opened.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::format::Tag;
use crate::progress::{OnProgress, Progress};
use crate::read::context::ReadContext;
use crate::read::image::file::{ImageFile, open_error, open_in};
use crate::read::image::oci::{LayoutDir, Selection};

/// An image to read: a file, two files, or a directory.
///
/// ```no_run
/// use packer::Source;
///
/// let image = Source::new("/srv/images/layout").tag("latest".parse()?).verify()?;
/// println!("{}: {} entries", image.fingerprint, image.entries);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    rootfs: Option<PathBuf>,
    selection: Selection,
    cancel: CancelToken,
    on_progress: OnProgress,
}

impl Source {
    /// The image at `path`: an archive, the directory of a split image, or an OCI image layout. Its content decides which.
    ///
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Source {
            path: path.into(),
            rootfs: None,
            selection: Selection::All,
            cancel: CancelToken::NEVER,
            on_progress: OnProgress::default(),
        }
    }

    /// The file with the tree, if the image is split into two files and `path` is the one with the metadata. Default: none.
    #[must_use]
    pub fn rootfs(self, rootfs: impl Into<PathBuf>) -> Self {
        Source { rootfs: Some(rootfs.into()), ..self }
    }

    /// Selects the image of an OCI layout with this tag (`org.opencontainers.image.ref.name`). Default: all images.
    ///
    /// Replaces a [`digest`](Self::digest). Reading anything but a layout then fails.
    #[must_use]
    pub fn tag(self, tag: Tag) -> Self {
        Source { selection: Selection::Tag(tag), ..self }
    }

    /// Selects the image of an OCI layout whose manifest has this digest. Default: all images.
    ///
    /// Replaces a [`tag`](Self::tag). Reading anything but a layout then fails.
    #[must_use]
    pub fn digest(self, digest: Fingerprint) -> Self {
        Source { selection: Selection::Digest(digest), ..self }
    }

    /// Ends any reading of the image early once `token` is cancelled. Default: nothing does.
    ///
    /// The error is then [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled). No program that helped to read is left running. What
    /// the reading held in memory, at most some gigabytes, is freed before it returns.
    #[must_use]
    pub fn cancel_token(self, token: CancelToken) -> Self {
        Source { cancel: token, ..self }
    }

    /// Reports progress to `callback`: at the first bytes, then at most ten times a second, and at the end. It is called from the
    /// thread that reads, which waits for it. Default: no reports.
    ///
    /// The pass is [`Pass::Read`](crate::Pass::Read). The total is twice the size of the archives, of which each is hashed and
    /// decoded. A read that fails has no last report.
    #[must_use]
    pub fn on_progress(self, callback: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Source { on_progress: OnProgress::call(callback), ..self }
    }

    /// The path of the image.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn selection(&self) -> &Selection {
        &self.selection
    }

    pub(crate) fn token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Runs `work` with the context of this image; `cancel` is what ends it.
    pub(crate) fn read<Value>(
        &self,
        cancel: &CancelToken,
        work: impl FnOnce(&ReadContext<'_>) -> Result<Value>,
    ) -> Result<Value> {
        ReadContext::run(cancel, &self.on_progress, work)
    }

    pub(crate) fn open(&self) -> Result<OpenImage> {
        let handle = open(&self.path)?;
        let stat = rustix::fs::fstat(&handle).map_err(|error| Error::io("stat", &self.path, error))?;
        let is_directory = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
        let opened = match (&self.rootfs, is_directory) {
            (Some(_), true) => {
                return Err(Error::invalid_input(&self.path, "is a directory, and its other file was named"));
            }
            (Some(rootfs), false) => {
                let rootfs_handle = open(rootfs)?;
                OpenImage::Split {
                    metadata: ImageFile::new(&self.path, handle)?,
                    rootfs: ImageFile::new(rootfs, rootfs_handle)?,
                }
            }
            (None, false) => OpenImage::Archive(ImageFile::new(&self.path, handle)?),
            (None, true) => self.open_directory(handle)?,
        };
        if self.selection != Selection::All && !matches!(opened, OpenImage::Layout(_)) {
            return Err(Error::invalid_input(&self.path, "is no OCI image layout, and only there images have tags"));
        }
        Ok(opened)
    }

    fn open_directory(&self, handle: OwnedFd) -> Result<OpenImage> {
        if let Some(layout) = LayoutDir::open(&self.path, &handle)? {
            return Ok(OpenImage::Layout(layout));
        }
        let names = first_names(&handle).map_err(|error| Error::io("read directory", &self.path, error))?;
        let find = |start: &str| names.iter().find(|name| name.starts_with(start));
        let (Some(metadata), Some(rootfs)) = (find("metadata.tar"), find("rootfs.")) else {
            return Err(Error::invalid_input(&self.path, "is neither an OCI image layout nor a split image"));
        };
        if names.len() > SPLIT_FILES {
            return Err(Error::image(&self.path, "there is more in it than a metadata.tar and a rootfs"));
        }
        let file = |name: &str| {
            let path = self.path.join(name);
            let handle = open_in(&handle, name, OFlags::empty()).map_err(|error| open_error(&path, error))?;
            ImageFile::in_image(&path, handle)
        };
        Ok(OpenImage::Split { metadata: file(metadata)?, rootfs: file(rootfs)? })
    }
}

/// An opened image.
#[derive(Debug)]
pub(crate) enum OpenImage {
    Archive(ImageFile),
    Split { metadata: ImageFile, rootfs: ImageFile },
    Layout(LayoutDir),
}

/// Opens a path of the caller's, without waiting for the other end of a fifo or a terminal.
fn open(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|error| Error::io("open", path, error))
}

/// The files of a split image.
const SPLIT_FILES: usize = 2;

/// The names in a directory; of more than a split image has, one more.
fn first_names(directory: &OwnedFd) -> std::result::Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
        if names.len() > SPLIT_FILES {
            break;
        }
    }
    Ok(names)
}
