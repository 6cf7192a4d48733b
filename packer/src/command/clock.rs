//! What watches a pack for the command: the clock that the library is lent, the progress bar, and signals.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use packer::{Observer, Pass, Progress};

use crate::signals::Signals;

/// Monotonic time since the command started, until a signal comes.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    signals: Signals,
}

impl Clock {
    pub(crate) fn start(signals: Signals) -> Self {
        Clock { started: Instant::now(), signals }
    }
}

impl Observer for Clock {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn cancelled(&self) -> bool {
        self.signals.caught().is_some()
    }
}

/// A clock that also draws a bar on standard error.
#[derive(Debug)]
pub(crate) struct Bar {
    clock: Clock,
    bar: ProgressBar,
}

/// A bar, if standard error is a terminal.
pub(crate) fn bar(signals: &Signals) -> Option<Bar> {
    if !stderr().is_terminal() {
        return None;
    }
    let style =
        ProgressStyle::with_template("{msg}: {bar:30} {percent}% {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    Some(Bar { clock: Clock::start(signals.clone()), bar })
}

impl Observer for Bar {
    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn wants_progress(&self) -> bool {
        true
    }

    fn cancelled(&self) -> bool {
        self.clock.cancelled()
    }

    fn progress(&self, progress: &Progress) {
        self.bar.set_message(match progress.pass {
            Pass::Stream => "Packing",
            Pass::Tar => "Writing the tar",
            Pass::Compress => "Compressing",
        });
        if let Some(total) = progress.total {
            self.bar.set_length(total);
        }
        self.bar.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
