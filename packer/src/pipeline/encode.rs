//! What a worker does: a batch of pieces of the archive in, their encoded bytes out.
//!
//! A piece that is not framed yet is a value: a [`Segment`] of the tree, or a range of the temporary tar. So an encoder can look at a
//! piece before it is framed, and at the framed bytes before they are compressed.

use std::ops::Range;

use crate::buffer::{Buffer, Buffers};
use crate::cancel::CancelToken;
use crate::codec::{EncodedPiece, Encoder};
use crate::error::Result;
use crate::frame::Framer;
use crate::metrics::{Metrics, Step};
use crate::pipeline::context::{ArchivePlan, Context};
use crate::segment::Segment;
use crate::sink::scratch_tar::ScratchTar;
use crate::tree::Tree;

/// The pieces of an archive in their order.
pub(crate) trait PieceSource<Piece>: Iterator<Item = Result<Piece>> {
    /// Checks what the pieces came from, once the last one has been read, and before the end of the archive is written.
    fn finish(&mut self) -> Result<()>;
}

/// One worker: makes encoded pieces of pieces that are not framed.
pub(crate) trait PieceEncoder<Piece> {
    /// Frames and compresses the pieces. Each result depends on its own framed bytes alone.
    fn encode(&mut self, batch: Vec<Piece>) -> Result<Vec<EncodedPiece>>;
}

/// One worker's source of framed bytes.
pub(crate) trait FrameSource<Piece> {
    /// Appends the framed bytes of the piece to an empty buffer.
    fn frame(&mut self, piece: &Piece, framed: &mut Buffer) -> Result<()>;
}

/// Frames segments of the tree: reads their files and writes their headers.
#[derive(Debug)]
pub(crate) struct SegmentFramer<'a> {
    framer: Framer<'a>,
    tree: &'a Tree<'a>,
    metrics: &'a Metrics,
}

impl<'a> SegmentFramer<'a> {
    pub(crate) fn new(context: &Context<'a>) -> Result<Self> {
        let Context { tree, changes, metrics, .. } = *context;
        let handles = tree.handles().map_err(|error| error.below(tree.path()))?;
        Ok(SegmentFramer { framer: Framer::new(handles, changes), tree, metrics })
    }
}

impl FrameSource<Segment> for SegmentFramer<'_> {
    fn frame(&mut self, segment: &Segment, framed: &mut Buffer) -> Result<()> {
        let read = self.metrics.time(Step::Frame, || self.framer.frame(segment, framed));
        self.metrics.count_read(read.map_err(|error| error.below(self.tree.path()))?);
        Ok(())
    }
}

/// The pieces of the temporary tar, which nobody else changes.
#[derive(Debug)]
pub(crate) struct ScratchPieces<Ranges>(pub(crate) Ranges);

impl<Ranges: Iterator<Item = Range<u64>>> Iterator for ScratchPieces<Ranges> {
    type Item = Result<Range<u64>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Ok)
    }
}

impl<Ranges: Iterator<Item = Range<u64>>> PieceSource<Range<u64>> for ScratchPieces<Ranges> {
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Reads pieces back from the temporary tar.
#[derive(Debug)]
pub(crate) struct ScratchReader<'a> {
    tar: &'a ScratchTar,
    metrics: &'a Metrics,
}

impl<'a> ScratchReader<'a> {
    pub(crate) fn new(tar: &'a ScratchTar, metrics: &'a Metrics) -> Self {
        ScratchReader { tar, metrics }
    }
}

impl FrameSource<Range<u64>> for ScratchReader<'_> {
    fn frame(&mut self, piece: &Range<u64>, framed: &mut Buffer) -> Result<()> {
        self.metrics.time(Step::Frame, || self.tar.read(piece, framed))?;
        self.metrics.count_read(piece.end - piece.start);
        Ok(())
    }
}

/// Compresses framed bytes.
#[derive(Debug)]
pub(crate) struct PieceCompressor<'a> {
    encoder: Encoder,
    /// Whether framed bytes are handed on, to be hashed.
    keep_framed: bool,
    buffers: &'a Buffers,
    metrics: &'a Metrics,
    cancel: &'a CancelToken,
}

impl<'a> PieceCompressor<'a> {
    pub(crate) fn new(context: &Context<'a>, archive: &ArchivePlan<'_>) -> Result<Self> {
        let Context { buffers, metrics, cancel, .. } = *context;
        let encoder = Encoder::new(archive.sink.compression)?;
        Ok(PieceCompressor { encoder, keep_framed: archive.diff_id, buffers: &buffers.encoded, metrics, cancel })
    }

    pub(crate) fn compress(&mut self, framed: Vec<Buffer>) -> Result<Vec<EncodedPiece>> {
        let mut pieces = self.metrics.time(Step::Encode, || self.encoder.encode(framed, self.buffers, self.cancel))?;
        if !self.keep_framed {
            pieces.iter_mut().for_each(|piece| piece.framed = None);
        }
        Ok(pieces)
    }
}

/// Takes framed bytes from a source and compresses them.
#[derive(Debug)]
pub(crate) struct FrameAndCompress<'a, Source> {
    source: Source,
    compressor: PieceCompressor<'a>,
    buffers: &'a Buffers,
}

impl<'a, Source> FrameAndCompress<'a, Source> {
    pub(crate) fn new(context: &Context<'a>, archive: &ArchivePlan<'_>, source: Source) -> Result<Self> {
        let compressor = PieceCompressor::new(context, archive)?;
        Ok(FrameAndCompress { source, compressor, buffers: &context.buffers.framed })
    }
}

impl<Piece, Source: FrameSource<Piece>> PieceEncoder<Piece> for FrameAndCompress<'_, Source> {
    fn encode(&mut self, batch: Vec<Piece>) -> Result<Vec<EncodedPiece>> {
        let framed = batch.into_iter().map(|piece| {
            let mut framed = self.buffers.take();
            self.source.frame(&piece, &mut framed).map(|()| framed)
        });
        let framed = framed.collect::<Result<Vec<Buffer>>>()?;
        self.compressor.compress(framed)
    }
}
