//! The progress of a long task on standard error: a bar on a terminal, a line every ten runs elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use harness::progress::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use super::output::warn;

/// The progress line.
pub(crate) struct ProgressLine {
    bar: Option<ProgressBar>,
    /// The number of runs in the last line that was printed.
    printed: Option<usize>,
}

impl ProgressLine {
    pub(crate) fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} runs, {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0).with_style(style));
        ProgressLine { bar, printed: None }
    }
}

impl Progress for ProgressLine {
    fn update(&mut self, done: usize, all: usize, name: &str, left: Option<Duration>) {
        let left = left.map_or_else(String::new, |left| format!("about {} s left: ", left.as_secs() + 1));
        if let Some(bar) = &self.bar {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            bar.set_message(format!("{left}{name}"));
        } else if self.printed.is_none_or(|printed| done >= printed + 10) || done == 0 {
            warn(format!("{done}/{all} runs, {left}{name}"));
            self.printed = Some(done);
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
