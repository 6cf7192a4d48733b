//! Limits and settings of signals that this process inherits, and that would harm it.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::SIGCHLD;
use signal_hook::flag;

use crate::signals::is_ignored;

/// Raises the limit of open files, and makes the ends of programs known again. What cannot be changed stays.
pub(crate) fn amend() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Every thread of a pack holds directories open. The usual limit is low for the sake of programs that use `select`.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    // Where the signal is ignored, the system forgets how a program ended before anybody asks.
    if is_ignored(SIGCHLD) {
        let _ = flag::register(SIGCHLD, Arc::default());
    }
}
