//! Limits and settings of signals that this process inherits, and that would harm it.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, setrlimit};
use signal_hook::consts::SIGCHLD;
use signal_hook::flag;

use crate::signals::is_ignored;

/// Raises the limit of open files, and makes the ends of programs known again. What cannot be changed stays.
pub(crate) fn amend() {
    // Every thread of a pack holds directories open. The usual limit is low for the sake of programs that use `select`.
    if let Some(most) = most_open_files() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: Some(most) });
    }
    // Where the signal is ignored, the system forgets how a program ended before anybody asks.
    if is_ignored(SIGCHLD) {
        let _ = flag::register(SIGCHLD, Arc::default());
    }
}

/// What the limit of open files can be raised to; `None` if that is unknown or unlimited. The call for it is refused in some
/// sandboxes, where rustix panics.
fn most_open_files() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    limit.split_whitespace().nth(1)?.parse().ok()
}
