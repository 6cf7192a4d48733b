//! The in-order end of the pipeline: encoded segments become the bytes of an image.

pub(crate) mod direct_io;
pub(crate) mod output;
pub(crate) mod program;
pub(crate) mod scratch_tar;

use crate::codec::{Compression, Container, Encoded};
use crate::error::Result;
use crate::fingerprint::{Fingerprint, Hasher};
use crate::metrics::{Metrics, Step};
use crate::pipeline::context::Job;
use crate::sink::output::{Output, Workshop, Written};
use crate::sink::program::compressor::Compressor;
use crate::sink::program::squashfs::Builder;

/// Takes the encoded segments in order.
#[derive(Debug)]
pub(crate) enum Sink<'scope> {
    /// They are the image's bytes, with the container's around them.
    File { container: Container, output: Output<'scope> },
    /// They are a program's input, and its output is the image.
    Program { compressor: Compressor<'scope> },
    /// They are the input of a program that writes the image itself.
    Filesystem { builder: Builder<'scope> },
}

impl<'scope> Sink<'scope> {
    pub(crate) fn open<'a: 'scope>(job: &Job<'a>, shop: Workshop<'scope, '_>) -> Result<Self> {
        let hasher = job.hasher.cloned().unwrap_or_default();
        if job.compression.is_filesystem() {
            let builder = Builder::start(shop, job.destination.shelf()?.stage()?, hasher, job.max_size)?;
            return Ok(Sink::Filesystem { builder });
        }
        let mut output = Output::start(shop, job.destination, hasher, job.max_size)?;
        if let Compression::External(program, level) = job.compression {
            let compressor = Compressor::start(shop, program, level, output)?;
            return Ok(Sink::Program { compressor });
        }
        let container = Container::new(job.compression);
        write(&mut output, container.opening())?;
        Ok(Sink::File { container, output })
    }

    pub(crate) fn append(&mut self, segment: Encoded) -> Result<()> {
        #[cfg(feature = "planted")]
        let segment = crate::pipeline::fault_injection::spoiled(segment);
        match self {
            Sink::File { container, output } => {
                container.append(&segment);
                output.write(segment.bytes)
            }
            Sink::Program { compressor } => compressor.feed(&segment.bytes),
            Sink::Filesystem { builder } => builder.feed(&segment.bytes),
        }
    }

    pub(crate) fn finish(self) -> Result<Written> {
        match self {
            Sink::File { container, mut output } => {
                write(&mut output, &container.closing())?;
                output.finish()
            }
            Sink::Program { compressor } => compressor.finish(),
            Sink::Filesystem { builder } => builder.finish(),
        }
    }
}

fn write(output: &mut Output<'_>, bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut buffer = output.buffer();
    buffer.append(bytes);
    output.write(buffer)
}

/// The sha256 of the uncompressed tar, where it is asked for or is the fingerprint itself.
pub(crate) enum TarDigest<'a> {
    /// Nobody asked.
    Unwanted,
    /// The image is the tar.
    Fingerprint,
    Hashing {
        hasher: Hasher,
        metrics: &'a Metrics,
    },
}

impl<'a> TarDigest<'a> {
    pub(crate) fn new(job: &Job<'a>) -> Self {
        match (job.compression, job.hasher, job.diff_id) {
            (Compression::None, None, _) => TarDigest::Fingerprint,
            (_, _, false) => TarDigest::Unwanted,
            (_, _, true) => TarDigest::Hashing { hasher: Hasher::default(), metrics: job.metrics },
        }
    }

    pub(crate) fn update(&mut self, segment: &Encoded) {
        if let TarDigest::Hashing { hasher, metrics } = self {
            metrics.time(Step::Hash, || hasher.update(segment.framed.as_ref().unwrap_or(&segment.bytes)));
        }
    }

    pub(crate) fn finish(self, image: &Written) -> Option<Fingerprint> {
        match self {
            TarDigest::Unwanted => None,
            TarDigest::Fingerprint => Some(image.fingerprint()),
            TarDigest::Hashing { hasher, .. } => Some(hasher.finish()),
        }
    }
}
