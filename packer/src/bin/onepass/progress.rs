//! Shows progress on standard error: a bar, or one JSON object a line. What does not fit there is dropped: nobody may read it, and the
//! pack goes on.

use std::io::{IsTerminal, Write, stderr};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use packer::{Pass, Progress};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

/// How progress is shown, on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Show {
    /// A bar if standard error is a terminal, else nothing
    Auto,
    /// A bar
    Bar,
    /// One JSON object a line, with LXD's keys: stage, percent, processed (bytes) and speed (bytes per second)
    Json,
    /// Nothing
    None,
}

/// Shows the progress of one pack.
#[derive(Debug)]
pub(crate) enum ProgressDisplay {
    Bar(ProgressBar),
    Json,
}

impl ProgressDisplay {
    /// The display that was asked for; `None` shows nothing.
    pub(crate) fn new(show: Show) -> Option<Self> {
        match show {
            Show::Auto if stderr().is_terminal() => Some(ProgressDisplay::Bar(bar())),
            Show::Auto | Show::None => None,
            Show::Bar => Some(ProgressDisplay::Bar(bar())),
            Show::Json => Some(ProgressDisplay::Json),
        }
    }

    pub(crate) fn show(&self, progress: &Progress) {
        if !has_room() {
            return;
        }
        match self {
            ProgressDisplay::Bar(bar) => {
                bar.set_message(match progress.pass {
                    Pass::Tar => "Writing the tar",
                    Pass::Compress => "Compressing",
                    _ => "Packing",
                });
                if let Some(total) = progress.total {
                    bar.set_length(total);
                }
                bar.set_position(progress.done);
            }
            ProgressDisplay::Json => {
                // A reader that is gone does not end the pack.
                let line = serde_json::to_string(&Line::of(progress)).unwrap_or_default() + "\n";
                let _ = stderr().write_all(line.as_bytes());
            }
        }
    }

    /// Takes the bar off the terminal.
    pub(crate) fn clear(&self) {
        if let ProgressDisplay::Bar(bar) = self {
            if !has_room() {
                bar.set_draw_target(ProgressDrawTarget::hidden());
            }
            bar.finish_and_clear();
        }
    }
}

/// Whether standard error takes a line at once. A pipe that polls as writable has room for 4,096 bytes (`PIPE_BUF`), and a terminal
/// that was stopped does not poll so.
fn has_room() -> bool {
    let err = stderr();
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(&err, PollFlags::OUT)], Some(&now)).is_ok_and(|ready| ready > 0)
}

fn bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg}: {bar:30} {percent}% {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Progress with the keys that LXD uses in the metadata of an operation.
#[derive(Debug, Serialize)]
struct Line {
    stage: &'static str,
    /// The share of the tar that is done. Absent until the size of the tar is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u64>,
    /// Bytes of the tar.
    processed: u64,
    /// Bytes per second.
    speed: u64,
}

impl Line {
    fn of(progress: &Progress) -> Self {
        let Progress { pass, done, total, speed, .. } = *progress;
        let stage = match pass {
            Pass::Compress => "create_image_from_instance_compress",
            _ => "create_image_from_instance_pack",
        };
        let percent = total.map(|total| (u128::from(done) * 100).checked_div(total.into()).unwrap_or(0) as u64);
        Line { stage, percent, processed: done, speed }
    }
}
