//! Where an image goes: begin, ordered bytes, seal, commit – or abandon.
//!
//! The law of a destination: nobody can get the image by its name before it is [committed](Destination::commit). A destination that
//! is dropped before then abandons the image: the name still means what it meant, and nothing is left behind.

use std::fmt::Debug;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::buffer::Buffer;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;

/// The destination of one image.
pub(crate) trait Destination: Sync {
    /// Begins a part of the image. Each part is begun once; parts may be under way at the same time.
    fn begin(&self, role: Role) -> Result<Box<dyn Upload + '_>>;

    /// Uploads a part whose bytes are all there, and seals it.
    fn upload(&self, role: Role, bytes: Buffer, digest: &Fingerprint) -> Result<()> {
        let (mut upload, size) = (self.begin(role)?, bytes.len() as u64);
        upload.write(bytes)?;
        upload.flush()?;
        upload.seal(digest, size)
    }

    /// A local file for bytes that are read back, such as the temporary tar of two passes. It never gets a name.
    ///
    /// A destination without a disk has none, and says so.
    fn scratch_file(&self) -> Result<ScratchFile> {
        Err(no_file())
    }

    /// Gives the image its name, once all its parts are sealed. A whole image that has the name already stays, and a broken one is
    /// replaced, so an image can be committed again.
    fn commit(&self, fingerprint: &Fingerprint, cancel: &CancelToken) -> Result<Committed>;
}

/// What a part is to its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The whole image, of the formats that are one file.
    Image,
    /// The metadata of a split image.
    Metadata,
    /// The rootfs of a split image.
    Rootfs,
    /// The layer of an OCI image.
    Layer,
    /// The config of an OCI image.
    Config,
    /// The manifest of an OCI image.
    Manifest,
}

/// A part of an image under way.
///
/// Dropping it before it is sealed abandons the part. To whatever receives the bytes that must be an error, never the end of the part.
pub(crate) trait Upload: PieceWriter + Debug {
    /// The local file that the part is written to, for a program that writes it instead of [`write`](PieceWriter::write).
    ///
    /// A destination without a disk has none, and says so.
    fn local_file(&self) -> Result<LocalFile<'_>> {
        Err(no_file())
    }

    /// Ends the part once all its bytes are flushed, and makes it durable; it has no name yet.
    ///
    /// `digest` is the sha256 of its bytes – of the rootfs of a split image, that of metadata and rootfs one behind the other, which is
    /// what such an image is known by.
    fn seal(self: Box<Self>, digest: &Fingerprint, size: u64) -> Result<()>;
}

/// Takes pieces in order, in a thread of its own.
pub(crate) trait PieceWriter: Send {
    /// Takes the next bytes. It may block, which is the back-pressure.
    fn write(&mut self, piece: Buffer) -> Result<()>;

    /// Writes whatever is held back, once there are no more pieces.
    fn flush(&mut self) -> Result<()>;
}

impl<Writer: PieceWriter + ?Sized> PieceWriter for Box<Writer> {
    fn write(&mut self, piece: Buffer) -> Result<()> {
        (**self).write(piece)
    }

    fn flush(&mut self) -> Result<()> {
        (**self).flush()
    }
}

/// An image that has its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) outcome: Outcome,
    /// Where it is, if that is a place on this machine.
    pub(crate) path: Option<PathBuf>,
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

/// A file without a name, which goes away with this value.
#[derive(Debug)]
pub(crate) struct ScratchFile {
    pub(crate) file: File,
    /// The directory whose filesystem it is on; for messages.
    pub(crate) directory: PathBuf,
}

/// A file that a program can write and seek in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalFile<'a> {
    pub(crate) file: &'a File,
    /// The directory that it is in; for messages.
    pub(crate) directory: &'a Path,
}

fn no_file() -> Error {
    Error::unfit("a stream", "is no place for a file")
}
