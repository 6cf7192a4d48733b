//! Signals that end a pack early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use packer::CancelToken;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

/// The signal that arrived, or 0.
#[derive(Clone, Debug)]
pub(crate) struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// Handles INT, TERM and HUP. A signal that was ignored when the process started (`nohup`) stays ignored. The second signal
    /// ends the process at once.
    pub(crate) fn handle() -> Result<Self> {
        let caught = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal)) {
            let again = Arc::new(AtomicBool::new(false));
            flag::register_conditional_default(signal, Arc::clone(&again))
                .and_then(|_| flag::register(signal, again))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&caught), signal as usize))
                .context("cannot handle signals")?;
        }
        // The write that exceeds the limit of the file size returns an error, too; by default, the signal ends the process.
        flag::register(SIGXFSZ, Arc::default()).context("cannot handle signals")?;
        Ok(Signals(caught))
    }

    /// A token that is cancelled once a signal arrived.
    pub(crate) fn token(&self) -> CancelToken {
        let signals = self.clone();
        CancelToken::when(move || signals.caught().is_some())
    }

    /// The signal that arrived.
    pub(crate) fn caught(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Relaxed)).filter(|signal| *signal != 0).map(|signal| signal as u8)
    }
}

/// Whether this process ignores a signal. False if `/proc` cannot be read.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal N is bit N - 1.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0) >> (signal - 1) & 1 == 1
}
