//! The progress of one pass: how far it is, and how long it took.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use crate::progress::{OnProgress, Pass, ProgressReporter};

/// A pass under way.
pub(crate) struct PassProgress<'a> {
    reporter: ProgressReporter<'a>,
    started: Instant,
    length: u64,
}

impl<'a> PassProgress<'a> {
    pub(crate) fn begin(on_progress: &'a OnProgress, pass: Pass, total: &'a AtomicU64, now: Instant) -> Self {
        PassProgress { reporter: ProgressReporter::start(on_progress, pass, total, now), started: now, length: 0 }
    }

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
