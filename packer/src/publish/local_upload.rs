//! One part of an image, written to a local file; and the list of parts that are sealed.

use std::sync::{Arc, Mutex, PoisonError};

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::publish::direct_io::BlockWriter;
use crate::publish::output_dir::OutputDir;
use crate::publish::pending_file::PendingFile;
use crate::sink::destination::{LocalFile, PieceWriter, Role, Upload};

/// The sealed parts of one image: on the disk, and without names.
#[derive(Debug, Default)]
pub(crate) struct SealedParts(Mutex<Vec<(Role, SealedPart)>>);

/// A part on the disk that has no name yet.
#[derive(Debug)]
pub(crate) struct SealedPart {
    pub(crate) file: PendingFile,
    pub(crate) digest: Fingerprint,
    pub(crate) size: u64,
}

impl SealedParts {
    /// Begins a part that is added here once it is sealed.
    pub(crate) fn begin<'a>(&'a self, directory: &Arc<OutputDir>, role: Role) -> Result<Box<dyn Upload + 'a>> {
        Ok(Box::new(LocalUpload { file: PendingFile::create(directory)?, writer: None, role, sealed: self }))
    }

    /// Takes a part to give it its name.
    pub(crate) fn take(&self, role: Role) -> Result<SealedPart> {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = parts.iter().position(|(sealed, _)| *sealed == role);
        let found = found.ok_or_else(|| Error::unfit("an image", "has a part that was not sealed"))?;
        Ok(parts.swap_remove(found).1)
    }

    fn add(&self, role: Role, part: SealedPart) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((role, part));
    }
}

/// A part that is being written, past the page cache.
#[derive(Debug)]
struct LocalUpload<'a> {
    file: PendingFile,
    /// `None` before the first piece and behind the last.
    writer: Option<BlockWriter>,
    role: Role,
    sealed: &'a SealedParts,
}

impl LocalUpload<'_> {
    fn failed(&self, error: std::io::Error) -> Error {
        Error::io("write a file in", self.file.directory(), error)
    }
}

impl PieceWriter for LocalUpload<'_> {
    fn write(&mut self, piece: Buffer) -> Result<()> {
        let disk = self.file.file();
        let written = self.writer.get_or_insert_with(|| BlockWriter::new(disk)).write(disk, &piece);
        written.map_err(|error| self.failed(error))
    }

    fn flush(&mut self) -> Result<()> {
        let flushed = self.writer.take().map_or(Ok(()), |writer| writer.finish(self.file.file()));
        flushed.map_err(|error| self.failed(error))
    }
}

impl Upload for LocalUpload<'_> {
    fn local_file(&self) -> Result<LocalFile<'_>> {
        Ok(LocalFile { file: self.file.file(), directory: self.file.directory() })
    }

    fn seal(self: Box<Self>, digest: &Fingerprint, size: u64) -> Result<()> {
        self.file.seal()?;
        self.sealed.add(self.role, SealedPart { file: self.file, digest: *digest, size });
        Ok(())
    }
}
