//! Progress: how far a pass is, reported at most ten times a second.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A pass over the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pass {
    /// Single-stream: the only pass.
    Stream,
    /// Two-pass, the first: writes the temporary tar.
    Tar,
    /// Two-pass, the second: reads the temporary tar back and compresses it.
    Compress,
    /// Reading: an image that is verified, inspected or compared, or the tree that it is compared with.
    Read,
}

impl Pass {
    /// The name in records: `stream`, `tar`, `compress` or `read`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Pass::Stream => "stream",
            Pass::Tar => "tar",
            Pass::Compress => "compress",
            Pass::Read => "read",
        }
    }
}

/// How far a pass is.
///
/// Sizes are bytes of the uncompressed tar. In [`Pass::Read`] they are bytes of the files of the image, of which each is read twice, to
/// hash it and to decode it; or bytes of content of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The pass.
    pub pass: Pass,
    /// Bytes so far: of a pack, those that were framed, encoded, hashed and handed to the writer.
    pub done: u64,
    /// Bytes in all, once they are known; never less than `done`.
    pub total: Option<u64>,
    /// Bytes per second since the pass began; 0 in its first nanosecond.
    pub speed: u64,
}

/// A caller's progress callback, if there is one.
#[derive(Clone, Default)]
pub(crate) struct OnProgress(Option<Arc<Callback>>);

type Callback = dyn Fn(&Progress) + Send + Sync;

impl OnProgress {
    pub(crate) fn call(callback: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        OnProgress(Some(Arc::new(callback)))
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }
}

impl fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_wanted() { "OnProgress(callback)" } else { "OnProgress(none)" })
    }
}

/// Reports one pass: at its first bytes, then at most once in [`PAUSE`], and at its end.
pub(crate) struct ProgressReporter<'a> {
    callback: &'a OnProgress,
    pass: Pass,
    total: &'a AtomicU64,
    started: Instant,
    next: Instant,
    done: u64,
}

/// The least time between two reports.
const PAUSE: Duration = Duration::from_millis(100);

impl<'a> ProgressReporter<'a> {
    /// `total` holds 0 until it is known.
    pub(crate) fn start(callback: &'a OnProgress, pass: Pass, total: &'a AtomicU64, now: Instant) -> Self {
        ProgressReporter { callback, pass, total, started: now, next: now, done: 0 }
    }

    /// Counts bytes that have passed.
    pub(crate) fn advance(&mut self, bytes: u64, now: impl FnOnce() -> Instant) {
        self.done += bytes;
        if let Some(callback) = &self.callback.0 {
            let now = now();
            if now >= self.next {
                self.next = now + PAUSE;
                callback(&self.progress(now));
            }
        }
    }

    /// Makes the last report, for which the total is known.
    pub(crate) fn finish(self, now: Instant) {
        if let Some(callback) = &self.callback.0 {
            self.total.store(self.done, Ordering::Relaxed);
            callback(&self.progress(now));
        }
    }

    fn progress(&self, now: Instant) -> Progress {
        let total = self.total.load(Ordering::Relaxed);
        let elapsed = now.saturating_duration_since(self.started).as_nanos();
        Progress {
            pass: self.pass,
            done: self.done,
            total: (total > 0).then_some(total.max(self.done)),
            speed: (u128::from(self.done) * 1_000_000_000).checked_div(elapsed).unwrap_or(0) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reports_are_a_tenth_of_a_second_apart_and_the_last_is_exact(
            steps in proptest::collection::vec((0..80_u64, 0..1_000_u64), 1..80), known in any::<bool>(),
        ) {
            let reports = Arc::new(Mutex::new(Vec::new()));
            let sink = Arc::clone(&reports);
            let callback = OnProgress::call(move |progress| sink.lock().unwrap().push(*progress));
            let (start, sum) = (Instant::now(), steps.iter().map(|(_, bytes)| bytes).sum::<u64>());
            let total = AtomicU64::new(if known { sum } else { 0 });
            let mut reporter = ProgressReporter::start(&callback, Pass::Stream, &total, start);
            let (mut elapsed, mut at) = (Duration::ZERO, Vec::new());
            for (pause, bytes) in &steps {
                elapsed += Duration::from_millis(*pause);
                let before = reports.lock().unwrap().len();
                reporter.advance(*bytes, || start + elapsed);
                if reports.lock().unwrap().len() > before { at.push(elapsed) }
            }
            reporter.finish(start + elapsed);
            prop_assert!(!at.is_empty() && at.windows(2).all(|pair| pair[1] - pair[0] >= PAUSE), "{at:?}");
            // None is late by more than the step in which it came due.
            prop_assert!(at.windows(2).all(|pair| pair[1] - pair[0] < PAUSE + Duration::from_millis(80)), "{at:?}");
            let reports = reports.lock().unwrap();
            prop_assert!(reports.windows(2).all(|pair| pair[0].done <= pair[1].done));
            prop_assert!(reports.iter().all(|report| report.total.is_none_or(|total| total == sum)));
            let last = reports.last().unwrap();
            prop_assert_eq!((last.done, last.total), (sum, (sum > 0).then_some(sum)));
        }
    }
}
