//! Progress of a long job.

use std::time::Duration;

/// A sink of progress.
pub trait Progress {
    /// `done` of `all` runs are over; `name` is next, and about `left` remains.
    fn update(&mut self, done: usize, all: usize, name: &str, left: Option<Duration>);
}
