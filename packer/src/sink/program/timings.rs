//! How long programs are waited for.

use std::time::Duration;

/// How long programs are waited for. Nothing waits for one without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramTimings {
    /// How long a pipe is waited for at once; cancellation is noticed in between.
    pub turn: Duration,
    /// A program is given up after this many turns in which it did nothing. Turns are counted, not time, because the machine may be
    /// suspended meanwhile.
    pub patience: u32,
    /// How long a program may take to end once it takes no more input. Longer only if it continues without.
    pub stopping: Duration,
    /// How long it may take once it has closed its output: all it still has to do is release its memory.
    pub leaving: Duration,
}

impl ProgramTimings {
    /// Turns of 50 ms, 600 of them; one second to stop and five to leave.
    pub const DEFAULT: ProgramTimings = ProgramTimings {
        turn: Duration::from_millis(50),
        patience: 600,
        stopping: Duration::from_secs(1),
        leaving: Duration::from_secs(5),
    };

    /// How long a program may do nothing.
    pub(crate) fn longest_silence(&self) -> Duration {
        self.turn * self.patience
    }
}

impl Default for ProgramTimings {
    fn default() -> Self {
        ProgramTimings::DEFAULT
    }
}
