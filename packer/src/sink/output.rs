//! An image under way: bytes are hashed in the calling thread and written by a thread behind it.
//!
//! Hashing and writing each take about as long as the other, so neither waits.

use crate::buffer::{Buffer, Buffers};
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::fingerprint::{Fingerprint, Hasher};
use crate::metrics::{Metrics, Step};
use crate::sink::context::SinkContext;
use crate::sink::destination::Upload;
use crate::sink::size_limit::SizeLimit;
use crate::sink::writer::Writer;

/// A part of an image that is being hashed and written.
#[derive(Debug)]
pub(crate) struct Output<'scope, 'to> {
    writer: Writer<'scope, Box<dyn Upload + 'to>>,
    hasher: Hasher,
    size_limit: Option<SizeLimit>,
    metrics: &'scope Metrics,
    cancel: &'scope CancelToken,
    buffers: &'scope Buffers,
}

impl<'scope, 'to: 'scope> Output<'scope, 'to> {
    /// Fails beyond `size_limit`. The hash continues from `hasher`.
    pub(crate) fn start(
        context: SinkContext<'scope, '_>,
        upload: Box<dyn Upload + 'to>,
        hasher: Hasher,
        size_limit: Option<SizeLimit>,
    ) -> Result<Self> {
        let SinkContext { metrics, cancel, buffers, .. } = context;
        Ok(Output { writer: Writer::start(context, upload)?, hasher, size_limit, metrics, cancel, buffers })
    }

    /// An empty buffer to fill and hand to [`write`](Self::write).
    pub(crate) fn buffer(&self) -> Buffer {
        self.buffers.take()
    }

    pub(crate) fn write(&mut self, bytes: Buffer) -> Result<()> {
        self.cancel.check()?;
        if let Some(limit) = self.size_limit {
            limit.check(self.writer.length() + bytes.len() as u64)?;
        }
        self.metrics.time(Step::Hash, || self.hasher.update(&bytes));
        self.writer.write(bytes)
    }

    pub(crate) fn finish(self) -> Result<Written<'to>> {
        let (upload, length) = self.writer.finish()?;
        Ok(Written { upload, hasher: self.hasher, length })
    }
}

/// A part that has all its bytes, and is neither sealed nor named.
#[derive(Debug)]
pub(crate) struct Written<'to> {
    pub(crate) upload: Box<dyn Upload + 'to>,
    /// The hash to its end, which may have begun before it.
    pub(crate) hasher: Hasher,
    /// Its size in bytes.
    pub(crate) length: u64,
}

impl Written<'_> {
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.hasher.clone().finish()
    }

    /// Makes it last.
    pub(crate) fn seal(self) -> Result<()> {
        let digest = self.fingerprint();
        self.upload.seal(&digest, self.length)
    }
}
