//! The two strategies. Nothing else in this crate knows that there are two.
//!
//! ```text
//! single-stream:  segments ─▶ frame + encode ─▶ hash, write
//! two-pass:       segments ─▶ frame ─▶ temporary tar;   its pieces ─▶ encode ─▶ hash, write
//! ```
//!
//! Both give the same bytes because both encode the same pieces, and an encoded piece depends on its own bytes alone.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::buffer::Buffer;
use crate::codec::{Compression, EncodedPiece};
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::pipeline::context::{ArchivePlan, Context};
use crate::pipeline::counted::CountedSegments;
use crate::pipeline::encode::{
    FrameAndCompress, FrameSource, PieceEncoder, PieceSource, ScratchPieces, ScratchReader, SegmentFramer,
};
use crate::pipeline::tuning;
use crate::pool;
use crate::progress::Pass;
use crate::segment::Segment;
use crate::segment::batches::Batches;
use crate::sink::Sink;
use crate::sink::context::SinkContext;
use crate::sink::output::Written;
use crate::sink::scratch_tar::{ScratchTar, ScratchTarWriter};
use crate::sink::tar_digest::TarDigest;
use crate::tree::walk::LeftOut;

/// How an image is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Frame, compress, hash and write in one stream; no intermediate file.
    #[default]
    SingleStream,
    /// Write the whole tar to a temporary file, then read it back and compress it.
    TwoPass,
}

impl Strategy {
    /// Both.
    pub const ALL: [Strategy; 2] = [Strategy::SingleStream, Strategy::TwoPass];

    /// The name on the command line and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Strategy::SingleStream => "single-stream",
            Strategy::TwoPass => "two-pass",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Strategy {
    type Err = InvalidStrategy;

    fn from_str(name: &str) -> std::result::Result<Self, InvalidStrategy> {
        let found = Strategy::ALL.into_iter().find(|strategy| strategy.name() == name);
        found.ok_or_else(|| InvalidStrategy(name.escape_debug().to_string()))
    }
}

/// A text that names no [`Strategy`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a strategy: it is single-stream or two-pass")]
pub struct InvalidStrategy(String);

/// A complete archive without a name, and what was counted.
#[derive(Debug)]
pub(crate) struct PackedArchive<'to> {
    pub(crate) written: Written<'to>,
    pub(crate) counts: ArchiveCounts,
}

/// What was counted while an archive was packed.
#[derive(Debug)]
pub(crate) struct ArchiveCounts {
    pub(crate) diff_id: Option<Fingerprint>,
    pub(crate) tar_size: u64,
    pub(crate) entries: u64,
    pub(crate) left_out: LeftOut,
    /// Bytes of the temporary tar; 0 if there was none.
    pub(crate) scratch_size: u64,
    /// The passes in order, with the time each took.
    pub(crate) passes: Vec<(Pass, Duration)>,
}

impl Strategy {
    pub(crate) fn run<'a>(self, context: &Context<'a>, archive: &ArchivePlan<'_>) -> Result<PackedArchive<'a>> {
        // With `none`, compressing is the identity, and the two passes are the same one.
        match (self, archive.sink.compression) {
            (Strategy::SingleStream, _) | (Strategy::TwoPass, Compression::None) => single_stream(context, archive),
            (Strategy::TwoPass, _) => two_pass(context, archive),
        }
    }
}

fn single_stream<'a>(context: &Context<'a>, archive: &ArchivePlan<'_>) -> Result<PackedArchive<'a>> {
    std::thread::scope(|scope| {
        let sink = context.sink_context(scope, archive.sink.compression);
        let mut segments = CountedSegments::new(context, archive)?;
        let source = || SegmentFramer::new(context);
        #[cfg(fault_injection)]
        let source = || crate::pipeline::faulty_framer::FaultyFramer::new(context, source()?);
        let worker = || FrameAndCompress::new(context, archive, source()?);
        let encoded = encode(context, archive, sink, Pass::Stream, &mut segments, worker)?;
        let passes = vec![(Pass::Stream, encoded.took)];
        Ok(encoded.into_archive(&segments, 0, passes))
    })
}

fn two_pass<'a>(context: &Context<'a>, archive: &ArchivePlan<'_>) -> Result<PackedArchive<'a>> {
    std::thread::scope(|scope| {
        let sink = context.sink_context(scope, archive.sink.compression);
        let mut segments = CountedSegments::new(context, archive)?;
        let (tar, first) = write_tar(context, archive, sink, &mut segments)?;
        segments.finish()?;
        let worker = || FrameAndCompress::new(context, archive, ScratchReader::new(&tar, context.metrics));
        let encoded = encode(context, archive, sink, Pass::Compress, &mut ScratchPieces(tar.pieces()), worker)?;
        let passes = vec![(Pass::Tar, first), (Pass::Compress, encoded.took)];
        Ok(encoded.into_archive(&segments, tar.length(), passes))
    })
}

/// What [`encode`] makes.
struct EncodedArchive<'to> {
    written: Written<'to>,
    diff_id: Option<Fingerprint>,
    tar_size: u64,
    took: Duration,
}

impl<'to> EncodedArchive<'to> {
    fn into_archive(
        self,
        segments: &CountedSegments<'_>,
        scratch_size: u64,
        passes: Vec<(Pass, Duration)>,
    ) -> PackedArchive<'to> {
        let EncodedArchive { written, diff_id, tar_size, .. } = self;
        let (entries, left_out) = (segments.entries(), segments.left_out());
        PackedArchive { written, counts: ArchiveCounts { diff_id, tar_size, entries, left_out, scratch_size, passes } }
    }
}

/// Encodes the pieces of an archive, each worker with an encoder of its own, and writes them in order.
fn encode<'a: 'scope, 'scope, Piece: Send, Worker: PieceEncoder<Piece>>(
    context: &Context<'a>,
    archive: &ArchivePlan<'_>,
    sink_context: SinkContext<'scope, '_>,
    pass: Pass,
    pieces: &mut (impl PieceSource<Piece> + Send),
    worker: impl Fn() -> Result<Worker> + Sync,
) -> Result<EncodedArchive<'a>> {
    let mut progress = context.begin_pass(pass);
    let mut digest = TarDigest::new(&archive.sink, archive.diff_id, context.metrics);
    let mut sink = Sink::open(sink_context, context.destination.begin(archive.role)?, &archive.sink)?;
    let worker = || {
        let mut encoder = worker()?;
        Ok(move |batch| encoder.encode(batch))
    };
    let append = |batch: Vec<EncodedPiece>| {
        batch.into_iter().try_for_each(|piece| {
            let length = piece.framed_length;
            digest.update(&piece);
            sink.append(piece)?;
            progress.advance(length);
            Ok(())
        })
    };
    let compression = archive.sink.compression;
    let batches = Batches::new(&mut *pieces, tuning::batch_size(compression));
    pool::in_order(context.pool_size(compression), batches, worker, append, context.cancel)?;
    pieces.finish().inspect_err(|_| context.cancel.cancel())?;
    let written = sink.finish()?;
    let (tar_size, took) = progress.finish();
    let diff_id = digest.finish(&written);
    Ok(EncodedArchive { written, diff_id, tar_size, took })
}

/// The first of two passes: the whole tar goes to a temporary file, in the pieces that the second one encodes.
fn write_tar(
    context: &Context<'_>,
    archive: &ArchivePlan<'_>,
    sink_context: SinkContext<'_, '_>,
    segments: impl Iterator<Item = Result<Segment>> + Send,
) -> Result<(ScratchTar, Duration)> {
    let mut progress = context.begin_pass(Pass::Tar);
    let mut tar = ScratchTarWriter::start(sink_context, context.destination.scratch_file()?)?;
    let worker = || {
        let mut source = SegmentFramer::new(context)?;
        Ok(move |segment| {
            let mut framed = context.buffers.framed.take();
            source.frame(&segment, &mut framed).map(|()| framed)
        })
    };
    let append = |framed: Buffer| {
        let length = framed.len() as u64;
        tar.append(framed)?;
        progress.advance(length);
        Ok(())
    };
    pool::in_order(context.pool_size(archive.sink.compression), segments, worker, append, context.cancel)?;
    let tar = tar.finish()?;
    Ok((tar, progress.finish().1))
}
