//! A caller-supplied stream, which gets the image as it comes.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use crate::buffer::Buffer;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::sink::destination::{Committed, Destination, Outcome, PieceWriter, Role, Upload};

/// A stream that takes one image, which must be one file. What it got of an abandoned image, it keeps: the caller is told by the error.
pub(crate) struct CallerStream<'a>(Mutex<&'a mut (dyn Write + Send + 'a)>);

impl<'a> CallerStream<'a> {
    pub(crate) fn new(stream: &'a mut (dyn Write + Send + 'a)) -> Self {
        CallerStream(Mutex::new(stream))
    }
}

impl Destination for CallerStream<'_> {
    fn begin(&self, _: Role) -> Result<Box<dyn Upload + '_>> {
        Ok(Box::new(StreamUpload(self)))
    }

    fn commit(&self, _: &Fingerprint, _: &CancelToken) -> Result<Committed> {
        Ok(Committed { outcome: Outcome::Streamed, path: None })
    }
}

struct StreamUpload<'stream, 'to>(&'stream CallerStream<'to>);

impl<'to> StreamUpload<'_, 'to> {
    fn with(&self, work: impl FnOnce(&mut (dyn Write + Send + 'to)) -> std::io::Result<()>) -> Result<()> {
        work(&mut **self.0.0.lock().unwrap_or_else(PoisonError::into_inner)).map_err(Error::stream)
    }
}

impl PieceWriter for StreamUpload<'_, '_> {
    fn write(&mut self, piece: Buffer) -> Result<()> {
        self.with(|stream| stream.write_all(&piece))
    }

    fn flush(&mut self) -> Result<()> {
        self.with(|stream| stream.flush())
    }
}

impl Upload for StreamUpload<'_, '_> {
    fn seal(self: Box<Self>, _: &Fingerprint, _: u64) -> Result<()> {
        Ok(())
    }
}

impl fmt::Debug for StreamUpload<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamUpload")
    }
}
