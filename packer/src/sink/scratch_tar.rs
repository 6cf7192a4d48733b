//! The temporary tar of the two-pass strategy: written whole, then read back in the pieces it was written in.

use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::metrics::{Metrics, Step};
use crate::publish::directory::Staged;
use crate::sink::output::Writer;

/// A temporary tar that is being written.
#[derive(Debug)]
pub(crate) struct Filling<'scope> {
    writer: Writer<'scope, Staged>,
    /// Where each piece ends.
    ends: Vec<u64>,
}

/// A complete temporary tar. It has no name and goes away with this value.
#[derive(Debug)]
pub(crate) struct TemporaryTar {
    staged: Staged,
    ends: Vec<u64>,
}

impl<'scope> Filling<'scope> {
    pub(crate) fn new(writer: Writer<'scope, Staged>) -> Self {
        Filling { writer, ends: Vec::new() }
    }

    pub(crate) fn append(&mut self, piece: Buffer) -> Result<()> {
        self.ends.push(self.ends.last().unwrap_or(&0) + piece.len() as u64);
        self.writer.write(piece)
    }

    pub(crate) fn finish(self) -> Result<TemporaryTar> {
        Ok(TemporaryTar { staged: self.writer.finish()?.0, ends: self.ends })
    }
}

impl TemporaryTar {
    /// Its size in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Where the pieces are that it was written in.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Range<u64>> + Send {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends.iter().copied()).map(|(start, end)| start..end)
    }

    /// One worker's way from a piece's place to its bytes.
    pub(crate) fn reading<'a>(
        &'a self,
        metrics: &'a Metrics,
    ) -> impl FnMut(Range<u64>, &mut Buffer) -> Result<()> + 'a {
        move |piece, framed| {
            let length = (piece.end - piece.start) as usize;
            metrics
                .time(Step::Frame, || self.staged.file().read_exact_at(framed.spare_mut(length), piece.start))
                .map_err(|error| Error::io("read back the temporary tar in", self.staged.place(), error))?;
            framed.advance(length);
            metrics.count_read(length as u64);
            Ok(())
        }
    }
}
