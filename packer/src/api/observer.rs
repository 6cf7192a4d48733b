//! Whoever watches a pack: it lends the clock, is told how far things are, and may end it.
//!
//! The library neither reads a clock nor prints. Without an observer (`&()`) all times in the result are zero.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};

/// Watches a pack. All methods may be called from several threads.
pub trait Observer: Sync {
    /// Time since some fixed point, never going backwards. Default: always zero, which switches timing off.
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether [`progress`](Self::progress) is wanted. Default: no. If so the tree is walked a second time, beside the
    /// packing, to know the total early.
    fn wants_progress(&self) -> bool {
        false
    }

    /// How far the pack is; called at most ten times a second, and once at the end of each pass.
    fn progress(&self, progress: &Progress) {
        let _ = progress;
    }

    /// Whether the pack is to end now. Default: no. Asked for every entry, for every piece that is encoded, and while
    /// something is waited for; from the first yes on, the pack ends within 200 ms, unless the system does not return
    /// from a call. It leaves nothing behind and its error [is told apart](crate::Error::is_cancelled). An image that
    /// already has its name stays.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Nobody watches.
impl Observer for () {}

/// Leave to go on, to be asked for again and again.
#[derive(Clone, Copy)]
pub(crate) struct Permit<'a>(&'a dyn Observer);

impl std::fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

impl<'a> Permit<'a> {
    /// For work that nobody ends.
    #[cfg(any(test, feature = "stages"))]
    pub(crate) const ALWAYS: Permit<'static> = Permit(&());

    pub(crate) fn of(observer: &'a dyn Observer) -> Self {
        Permit(observer)
    }

    /// An error once the pack is to end.
    pub(crate) fn check(self) -> Result<()> {
        if self.0.cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

/// A pass over the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Single-stream: the only one.
    Stream,
    /// Two-pass, the first: the temporary tar is written.
    Tar,
    /// Two-pass, the second: it is read back and compressed.
    Compress,
}

/// How far a pass is. Sizes are bytes of the uncompressed tar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which pass.
    pub pass: Pass,
    /// What has been framed, encoded, hashed and handed to the writer.
    pub done: u64,
    /// What there is in all, once that is known; never less than `done`.
    pub total: Option<u64>,
    /// Bytes per second since the pass began; 0 before the clock has moved.
    pub speed: u64,
}

/// A step that threads spend time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Walk,
    Frame,
    Encode,
    Hash,
    Write,
}

/// What a pack counts while it runs.
pub(crate) struct Meter<'a> {
    observer: &'a dyn Observer,
    busy: [AtomicU64; 5],
    read: AtomicU64,
}

impl std::fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("busy", &self.busy).field("read", &self.read).finish_non_exhaustive()
    }
}

impl<'a> Meter<'a> {
    pub(crate) fn new(observer: &'a dyn Observer) -> Self {
        Meter { observer, busy: Default::default(), read: AtomicU64::new(0) }
    }

    pub(crate) fn observer(&self) -> &'a dyn Observer {
        self.observer
    }

    pub(crate) fn permit(&self) -> Permit<'a> {
        Permit::of(self.observer)
    }

    pub(crate) fn now(&self) -> Duration {
        self.observer.now()
    }

    /// Runs `work` and adds the time it takes to `step`.
    pub(crate) fn time<Value>(&self, step: Step, work: impl FnOnce() -> Value) -> Value {
        let start = self.now();
        let value = work();
        self.busy[step as usize].fetch_add(nanoseconds(self.now().saturating_sub(start)), Ordering::Relaxed);
        value
    }

    /// The time that all threads together spent on `step`, waiting for the disk or a processor included.
    pub(crate) fn busy(&self, step: Step) -> Duration {
        Duration::from_nanos(self.busy[step as usize].load(Ordering::Relaxed))
    }

    pub(crate) fn count_read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

/// Tells an observer of one pass, but not too often.
pub(crate) struct Reporter<'a> {
    observer: &'a dyn Observer,
    pass: Pass,
    total: &'a AtomicU64,
    started: Duration,
    next: Duration,
    done: u64,
}

/// The least time between two reports.
const PAUSE: Duration = Duration::from_millis(100);

impl<'a> Reporter<'a> {
    /// `total` holds 0 until it is known.
    pub(crate) fn new(observer: &'a dyn Observer, pass: Pass, total: &'a AtomicU64) -> Self {
        let started = observer.now();
        Reporter { observer, pass, total, started, next: started + PAUSE, done: 0 }
    }

    pub(crate) fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        if self.observer.wants_progress() && self.observer.now() >= self.next {
            self.report();
        }
    }

    /// The last report of the pass, for which the total is known.
    pub(crate) fn finish(mut self) {
        if self.observer.wants_progress() {
            self.total.store(self.done, Ordering::Relaxed);
            self.report();
        }
    }

    fn report(&mut self) {
        let now = self.observer.now();
        self.next = now + PAUSE;
        let total = self.total.load(Ordering::Relaxed);
        let elapsed = now.saturating_sub(self.started).as_nanos();
        self.observer.progress(&Progress {
            pass: self.pass,
            done: self.done,
            total: (total > 0).then_some(total.max(self.done)),
            speed: (u128::from(self.done) * 1_000_000_000).checked_div(elapsed).unwrap_or(0) as u64,
        });
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
