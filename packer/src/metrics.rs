//! What a pack counts while it runs: the time of each step, and the bytes that it reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[cfg(fault_injection)]
use crate::fault::Fault;

/// A step that threads spend time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Walk,
    Frame,
    Encode,
    Hash,
    Write,
}

#[cfg(fault_injection)]
impl Step {
    /// Wastes time after the step, where that fault is injected.
    fn slow_down(self) {
        let fault = match self {
            Step::Walk => Fault::SlowWalk,
            Step::Frame => Fault::SlowFrame,
            Step::Encode => Fault::SlowEncode,
            Step::Hash => Fault::SlowHash,
            Step::Write => Fault::SlowWrite,
        };
        if fault.is_injected() {
            crate::fault::waste_time();
        }
    }
}

/// Counters that all threads of a pack share.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Nanoseconds, by [`Step`].
    times: [AtomicU64; 5],
    bytes_read: AtomicU64,
}

impl Metrics {
    /// Runs `work` and adds the time it takes to `step`.
    pub(crate) fn time<Value>(&self, step: Step, work: impl FnOnce() -> Value) -> Value {
        let start = Instant::now();
        let value = work();
        #[cfg(fault_injection)]
        step.slow_down();
        self.times[step as usize].fetch_add(nanoseconds(start.elapsed()), Ordering::Relaxed);
        value
    }

    /// The time that all threads together spent on `step`, including waits for the disk or a processor.
    pub(crate) fn spent_on(&self, step: Step) -> Duration {
        Duration::from_nanos(self.times[step as usize].load(Ordering::Relaxed))
    }

    pub(crate) fn count_read(&self, bytes: u64) {
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
