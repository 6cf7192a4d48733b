//! What watches a pack for the command: it lends the clock, shows progress, and passes signals on.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use packer::{Observer, Pass, Progress};
use serde::Serialize;

use crate::signals::Signals;

/// How progress is shown, on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Show {
    /// A bar if standard error is a terminal, else nothing.
    Auto,
    Bar,
    /// One object a line, with LXD's keys.
    Json,
    None,
}

/// Watches one pack.
#[derive(Debug)]
pub(crate) struct Watcher {
    started: Instant,
    signals: Signals,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Nothing,
    Bar(ProgressBar),
    Json,
}

impl Watcher {
    pub(crate) fn start(show: Show, signals: &Signals) -> Self {
        let shown = match show {
            Show::Auto if stderr().is_terminal() => Shown::Bar(bar()),
            Show::Auto | Show::None => Shown::Nothing,
            Show::Bar => Shown::Bar(bar()),
            Show::Json => Shown::Json,
        };
        Watcher { started: Instant::now(), signals: signals.clone(), shown }
    }
}

fn bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg}: {bar:30} {percent}% {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Observer for Watcher {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn wants_progress(&self) -> bool {
        !matches!(self.shown, Shown::Nothing)
    }

    fn progress(&self, progress: &Progress) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_message(match progress.pass {
                    Pass::Stream => "Packing",
                    Pass::Tar => "Writing the tar",
                    Pass::Compress => "Compressing",
                });
                if let Some(total) = progress.total {
                    bar.set_length(total);
                }
                bar.set_position(progress.done);
            }
            Shown::Json => {
                // Nobody to tell it to is no reason to end a pack.
                let _ = serde_json::to_string(&Line::of(progress)).map(|line| writeln!(stderr(), "{line}"));
            }
        }
    }

    fn cancelled(&self) -> bool {
        self.signals.caught().is_some()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// Progress under the names that LXD has for it in the metadata of an operation.
#[derive(Debug, Serialize)]
struct Line {
    stage: &'static str,
    /// Of the tar; not there before its size is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u64>,
    /// Bytes of the tar.
    processed: u64,
    /// Bytes per second.
    speed: u64,
}

impl Line {
    fn of(progress: &Progress) -> Self {
        let Progress { pass, done, total, speed } = *progress;
        let stage = match pass {
            Pass::Stream | Pass::Tar => "create_image_from_instance_pack",
            Pass::Compress => "create_image_from_instance_compress",
        };
        let percent = total.map(|total| (u128::from(done) * 100).checked_div(total.into()).unwrap_or(0) as u64);
        Line { stage, percent, processed: done, speed }
    }
}
