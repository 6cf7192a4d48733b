//! The temporary tar of the two-pass strategy: written whole, then read back in the pieces it was written in.

use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::sink::context::SinkContext;
use crate::sink::destination::ScratchFile;
use crate::sink::writer::Writer;

/// A temporary tar that is being written.
#[derive(Debug)]
pub(crate) struct ScratchTarWriter<'scope> {
    writer: Writer<'scope, ScratchFile>,
    /// Where each piece ends.
    ends: Vec<u64>,
}

/// A complete temporary tar. It has no name and goes away with this value.
#[derive(Debug)]
pub(crate) struct ScratchTar {
    scratch: ScratchFile,
    ends: Vec<u64>,
}

impl<'scope> ScratchTarWriter<'scope> {
    pub(crate) fn start(context: SinkContext<'scope, '_>, scratch: ScratchFile) -> Result<Self> {
        Ok(ScratchTarWriter { writer: Writer::start(context, scratch)?, ends: Vec::new() })
    }

    pub(crate) fn append(&mut self, piece: Buffer) -> Result<()> {
        self.ends.push(self.ends.last().unwrap_or(&0) + piece.len() as u64);
        self.writer.write(piece)
    }

    pub(crate) fn finish(self) -> Result<ScratchTar> {
        Ok(ScratchTar { scratch: self.writer.finish()?.0, ends: self.ends })
    }
}

impl ScratchTar {
    /// Its size in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The pieces that it was written in.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Range<u64>> + Send {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends.iter().copied()).map(|(start, end)| start..end)
    }

    /// Appends a piece's bytes to `framed`.
    pub(crate) fn read(&self, piece: &Range<u64>, framed: &mut Buffer) -> Result<()> {
        let length = (piece.end - piece.start) as usize;
        let ScratchFile { file, directory } = &self.scratch;
        file.read_exact_at(framed.spare_mut(length), piece.start)
            .map_err(|error| Error::io("read back the temporary tar in", directory, error))?;
        framed.advance(length);
        Ok(())
    }
}
