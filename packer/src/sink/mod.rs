//! Stage 6: encoded pieces become the bytes of an image, in order, hashed and on their way to a destination.

pub(crate) mod context;
pub(crate) mod destination;
pub(crate) mod output;
pub(crate) mod program;
pub(crate) mod scratch_tar;
pub(crate) mod size_limit;
pub(crate) mod tar_digest;
pub(crate) mod writer;

use crate::codec::{Compression, Container, EncodedPiece};
use crate::error::Result;
use crate::fingerprint::Hasher;
use crate::sink::context::SinkContext;
use crate::sink::destination::Upload;
use crate::sink::output::{Output, Written};
use crate::sink::program::compressor::Compressor;
use crate::sink::program::squashfs::SquashfsWriter;
use crate::sink::size_limit::SizeLimit;

/// What becomes of the pieces of one archive.
#[derive(Clone, Debug)]
pub(crate) struct SinkOptions {
    pub(crate) compression: Compression,
    /// The hash that the archive's continues from, if it is not the archive's alone.
    pub(crate) hasher: Option<Hasher>,
    pub(crate) size_limit: Option<SizeLimit>,
}

/// Takes the encoded pieces in order.
#[derive(Debug)]
pub(crate) enum Sink<'scope, 'to> {
    /// The pieces are the image's bytes, with the container's around them.
    File { container: Container, output: Output<'scope, 'to> },
    /// The pieces are a program's input, and its output is the image.
    Program { compressor: Compressor<'scope, 'to> },
    /// The pieces are the input of a program that writes the image itself.
    Filesystem { writer: SquashfsWriter<'scope, 'to> },
}

impl<'scope, 'to: 'scope> Sink<'scope, 'to> {
    pub(crate) fn open(
        context: SinkContext<'scope, '_>,
        upload: Box<dyn Upload + 'to>,
        options: &SinkOptions,
    ) -> Result<Self> {
        let (hasher, size_limit) = (options.hasher.clone().unwrap_or_default(), options.size_limit);
        if options.compression.is_filesystem() {
            let writer = SquashfsWriter::start(context, upload, hasher, size_limit)?;
            return Ok(Sink::Filesystem { writer });
        }
        let mut output = Output::start(context, upload, hasher, size_limit)?;
        if let Compression::External(program, level) = options.compression {
            let compressor = Compressor::start(context, program, level, output)?;
            return Ok(Sink::Program { compressor });
        }
        let container = Container::new(options.compression);
        write(&mut output, container.opening())?;
        Ok(Sink::File { container, output })
    }

    #[cfg_attr(not(fault_injection), expect(unused_mut, reason = "only a fault changes a piece"))]
    pub(crate) fn append(&mut self, mut piece: EncodedPiece) -> Result<()> {
        #[cfg(fault_injection)]
        crate::fault::spoil(piece.bytes.bytes_mut());
        match self {
            Sink::File { container, output } => {
                container.append(&piece);
                output.write(piece.bytes)
            }
            Sink::Program { compressor } => compressor.feed(&piece.bytes),
            Sink::Filesystem { writer } => writer.feed(&piece.bytes),
        }
    }

    pub(crate) fn finish(self) -> Result<Written<'to>> {
        match self {
            Sink::File { container, mut output } => {
                write(&mut output, &container.closing())?;
                output.finish()
            }
            Sink::Program { compressor } => compressor.finish(),
            Sink::Filesystem { writer } => writer.finish(),
        }
    }
}

fn write<'scope, 'to: 'scope>(output: &mut Output<'scope, 'to>, bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut buffer = output.buffer();
    buffer.append(bytes);
    output.write(buffer)
}
