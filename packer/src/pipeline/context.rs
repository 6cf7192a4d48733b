//! What one pack works with, and the stages that both strategies are put together from.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};

use crate::buffer::{Buffer, Buffers};
use crate::cancel::CancelToken;
use crate::codec::{Compression, Encoded, Encoder};
use crate::error::{Error, Result};
use crate::fingerprint::Hasher;
use crate::frame::Framer;
use crate::metrics::{Metrics, Step};
use crate::pool::Width;
use crate::progress::{OnProgress, Pass, ProgressReporter};
use crate::segment::cutter::Segments;
use crate::segment::{ExtraMembers, Segment};
use crate::sink::output::{Destination, Workshop};
use crate::tree::Tree;
use crate::tree::changes::Changes;
use crate::tree::walk::{LeftOut, Walk};

/// What to pack, and with what.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) tree: &'a Tree<'a>,
    /// What stands around the tree.
    pub(crate) extras: &'a ExtraMembers,
    pub(crate) changes: &'a Changes,
    pub(crate) destination: &'a Destination<'a>,
    /// The hash that the image's goes on from, if it is not the image's alone.
    pub(crate) hasher: Option<&'a Hasher>,
    pub(crate) compression: Compression,
    pub(crate) threads: usize,
    /// Whether the tar is hashed, too.
    pub(crate) diff_id: bool,
    pub(crate) metrics: &'a Metrics,
    pub(crate) cancel: &'a CancelToken,
    pub(crate) progress: &'a OnProgress,
    /// For framed bytes.
    pub(crate) framed: &'a Buffers,
    /// For encoded bytes.
    pub(crate) encoded: &'a Buffers,
    /// The most bytes that the image may have.
    pub(crate) max_size: Option<u64>,
    /// The size of the tar; 0 until it is known.
    pub(crate) total: &'a AtomicU64,
}

impl<'a> Job<'a> {
    pub(crate) fn workshop<'scope, 'env>(&self, scope: &'scope Scope<'scope, 'env>) -> Workshop<'scope, 'env>
    where
        'a: 'scope,
    {
        Workshop {
            scope,
            metrics: self.metrics,
            cancel: self.cancel,
            buffers: self.encoded,
            waiting: self.compression.ahead() - 1,
        }
    }

    /// The tree, cut into segments.
    pub(crate) fn segments(&self) -> Result<Counted<'a>> {
        let segments = Segments::new(
            self.tree.walk(self.changes).map_err(|error| error.below(self.tree.path()))?,
            self.compression.segment_sizes(),
        )
        .with_extra_members(self.extras.clone());
        Ok(Counted { segments, tree: self.tree, metrics: self.metrics, compression: self.compression, entries: 0 })
    }

    /// One worker's way from a segment to its framed bytes.
    pub(crate) fn framing(&self) -> Result<impl FnMut(Segment, &mut Buffer) -> Result<()> + use<'a>> {
        let Job { tree, changes, metrics, .. } = *self;
        let located = |error: Error| error.below(tree.path());
        let mut framer = Framer::new(tree.handles().map_err(located)?, changes);
        Ok(move |segment: Segment, framed: &mut Buffer| {
            let read = metrics.time(Step::Frame, || framer.frame(&segment, framed)).map_err(located)?;
            metrics.count_read(read);
            Ok(())
        })
    }

    /// Encodes framed bytes; they are handed on as well if the tar is to be hashed.
    pub(crate) fn encode(&self, encoder: &mut Encoder, framed: Buffer) -> Result<Encoded> {
        self.metrics.time(Step::Encode, || encoder.encode(framed, self.encoded, self.diff_id, self.cancel))
    }

    pub(crate) fn width(&self) -> Width {
        Width { threads: self.threads, window: self.compression.ahead() * self.threads }
    }

    pub(crate) fn begin(&self, pass: Pass) -> Passing<'a> {
        let started = Instant::now();
        let reporter = ProgressReporter::start(self.progress, pass, self.total, started);
        Passing { reporter, started, length: 0 }
    }
}

/// A pass under way.
pub(crate) struct Passing<'a> {
    reporter: ProgressReporter<'a>,
    started: Instant,
    length: u64,
}

impl Passing<'_> {
    pub(crate) fn advance(&mut self, bytes: u64) {
        self.length += bytes;
        self.reporter.advance(bytes, Instant::now);
    }

    /// The size of the tar that has passed, and how long that took.
    pub(crate) fn finish(self) -> (u64, Duration) {
        self.reporter.finish(Instant::now());
        (self.length, self.started.elapsed())
    }
}

/// The segments of the tree, with the time of the walk and the entries counted.
#[derive(Debug)]
pub(crate) struct Counted<'a> {
    segments: Segments<Walk<'a>>,
    tree: &'a Tree<'a>,
    metrics: &'a Metrics,
    compression: Compression,
    entries: u64,
}

impl Counted<'_> {
    /// Members handed out so far.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// What was left out so far; of the mounts, their whole paths.
    pub(crate) fn left_out(&self) -> LeftOut {
        let LeftOut { sockets, mounts } = self.segments.entries().left_out();
        LeftOut { sockets: *sockets, mounts: mounts.iter().map(|path| self.tree.path().join(path)).collect() }
    }
}

impl Iterator for Counted<'_> {
    type Item = Result<Segment>;

    fn next(&mut self) -> Option<Self::Item> {
        let segment = self.metrics.time(Step::Walk, || self.segments.next())?;
        let segment = segment.and_then(|segment| {
            crate::sink::program::check_representable(self.compression, &segment).map(|()| segment)
        });
        let segment = segment.map_err(|error| error.below(self.tree.path()));
        if let Ok(segment) = &segment {
            self.entries += segment.members();
        }
        Some(segment)
    }
}

/// The exact size of a tree's tar, if `go_on` lets the walk reach its end.
fn measure(job: &Job<'_>, go_on: impl Fn() -> bool) -> Result<Option<u64>> {
    let mut length = job.extras.length() + crate::tar::END_OF_ARCHIVE_SIZE as u64;
    // A second walk beside the first would list some changes twice, and others that do not matter.
    for entry in job.tree.walk(&job.changes.anew())? {
        length += crate::tar::framed_length(&entry?.member)?;
        if !go_on() {
            return Ok(None);
        }
    }
    Ok(Some(length))
}

/// Stores the size of the tree's tar where progress looks for it. What goes wrong here goes wrong in the pack, too.
pub(crate) fn announce(job: &Job<'_>, go_on: impl Fn() -> bool) {
    if let Ok(Some(length)) = measure(job, go_on) {
        job.total.store(length, Ordering::Relaxed);
    }
}
