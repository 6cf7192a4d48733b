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
use crate::codec::{Compression, Encoded, Encoder};
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::pipeline::context::Job;
use crate::pool;
use crate::progress::Pass;
use crate::segment::Segment;
use crate::sink::output::{Workshop, Writer, Written};
use crate::sink::scratch_tar::{Filling, TemporaryTar};
use crate::sink::{Sink, TarDigest};
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

/// A complete archive without a name.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) written: Written,
    pub(crate) facts: Facts,
}

/// What was counted while an archive was packed.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) diff_id: Option<Fingerprint>,
    pub(crate) tar_size: u64,
    pub(crate) entries: u64,
    pub(crate) left_out: LeftOut,
    /// Bytes of the temporary tar; 0 if there was none.
    pub(crate) temporary: u64,
    /// The passes in order, with the time each took.
    pub(crate) passes: Vec<(Pass, Duration)>,
}

impl Strategy {
    pub(crate) fn run(self, job: &Job<'_>) -> Result<Packed> {
        // With `none`, compressing is the identity, and the two passes are the same one.
        match (self, job.compression) {
            (Strategy::SingleStream, _) | (Strategy::TwoPass, Compression::None) => single_stream(job),
            (Strategy::TwoPass, _) => two_pass(job),
        }
    }
}

fn single_stream(job: &Job<'_>) -> Result<Packed> {
    std::thread::scope(|scope| {
        let shop = job.workshop(scope);
        let mut segments = job.segments()?;
        #[cfg(not(feature = "planted"))]
        let image = encode(job, shop, Pass::Stream, &mut segments, || job.framing())?;
        #[cfg(feature = "planted")]
        let image = encode(job, shop, Pass::Stream, &mut segments, || crate::pipeline::fault_injection::framing(job))?;
        #[cfg(feature = "planted")]
        crate::pipeline::fault_injection::linger(image.took);
        let (entries, left_out) = (segments.entries(), segments.left_out());
        let Image { written, diff_id, tar_size, took } = image;
        let passes = vec![(Pass::Stream, took)];
        Ok(Packed { written, facts: Facts { diff_id, tar_size, entries, left_out, temporary: 0, passes } })
    })
}

fn two_pass(job: &Job<'_>) -> Result<Packed> {
    std::thread::scope(|scope| {
        let shop = job.workshop(scope);
        let mut segments = job.segments()?;
        let (temporary, first) = write_tar(job, shop, &mut segments)?;
        let image =
            encode(job, shop, Pass::Compress, temporary.pieces().map(Ok), || Ok(temporary.reading(job.metrics)))?;
        let (entries, left_out) = (segments.entries(), segments.left_out());
        let Image { written, diff_id, tar_size, took } = image;
        let passes = vec![(Pass::Tar, first), (Pass::Compress, took)];
        let temporary = temporary.length();
        Ok(Packed { written, facts: Facts { diff_id, tar_size, entries, left_out, temporary, passes } })
    })
}

/// What [`encode`] makes.
struct Image {
    written: Written,
    diff_id: Option<Fingerprint>,
    tar_size: u64,
    took: Duration,
}

/// Turns pieces of the tar into an image. `source` gives each worker its way from a piece to its framed bytes.
fn encode<'a: 'scope, 'scope, Piece: Send, Frame: FnMut(Piece, &mut Buffer) -> Result<()>>(
    job: &Job<'a>,
    shop: Workshop<'scope, '_>,
    pass: Pass,
    pieces: impl Iterator<Item = Result<Piece>> + Send,
    source: impl Fn() -> Result<Frame> + Sync,
) -> Result<Image> {
    let mut passing = job.begin(pass);
    let mut digest = TarDigest::new(job);
    let mut sink = Sink::open(job, shop)?;
    let worker = || {
        let (mut frame, mut encoder) = (source()?, Encoder::new(job.compression)?);
        Ok(move |piece| {
            let mut framed = job.framed.take();
            frame(piece, &mut framed)?;
            job.encode(&mut encoder, framed)
        })
    };
    pool::in_order(job.width(), pieces, worker, |encoded: Encoded| {
        let length = encoded.length;
        digest.update(&encoded);
        sink.append(encoded)?;
        passing.advance(length);
        Ok(())
    })?;
    let written = sink.finish()?;
    let (tar_size, took) = passing.finish();
    let diff_id = digest.finish(&written);
    Ok(Image { written, diff_id, tar_size, took })
}

/// The first of two passes: the whole tar goes to a temporary file, in the pieces that the second one encodes.
fn write_tar(
    job: &Job<'_>,
    shop: Workshop<'_, '_>,
    segments: impl Iterator<Item = Result<Segment>> + Send,
) -> Result<(TemporaryTar, Duration)> {
    let mut passing = job.begin(Pass::Tar);
    let mut filling = Filling::new(Writer::scratch(shop, job.destination.shelf()?.scratch()?));
    let worker = || {
        let mut frame = job.framing()?;
        Ok(move |segment| {
            let mut framed = job.framed.take();
            frame(segment, &mut framed).map(|()| framed)
        })
    };
    pool::in_order(job.width(), segments, worker, |framed: Buffer| {
        let length = framed.len() as u64;
        filling.append(framed)?;
        passing.advance(length);
        Ok(())
    })?;
    let temporary = filling.finish()?;
    Ok((temporary, passing.finish().1))
}
