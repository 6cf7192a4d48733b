//! Writes an image to standard output.
//!
//! If the reader of a pipe does not read, a blocking write would never return, and no signal would end the pack. So the pipe is
//! written without blocking, and polled in short turns between which a signal ends the pack.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};

use crate::closed_streams;
use crate::signals::Signals;
use crate::wrong_use::WrongUse;

/// The name of standard output as a file; of standard input, too.
pub(crate) const STANDARD_STREAM: &str = "-";

/// The timeout of one poll.
const TURN: Duration = Duration::from_millis(50);

/// What a pipe that polls as writable takes without blocking, in bytes (`PIPE_BUF`).
const ATOMIC_WRITE: usize = 4096;

/// Standard output, as the destination of an image.
pub(crate) struct StandardOutput {
    /// The pipe, opened anew, so that `O_NONBLOCK` holds for this handle alone.
    pipe: Option<File>,
    /// The largest single write, in bytes.
    max_write: usize,
    signals: Signals,
}

impl StandardOutput {
    pub(crate) fn open(signals: &Signals) -> Result<Self> {
        let out = io::stdout();
        if out.is_terminal() {
            let message = "standard output is a terminal: send the image to a file or to another program";
            return Err(WrongUse::conflict(message));
        }
        closed_streams::check_stdout().context("cannot write the image to standard output")?;
        let kind = rustix::fs::fstat(&out).map(|found| FileType::from_raw_mode(found.st_mode));
        let blocks = matches!(kind, Ok(FileType::Fifo | FileType::Socket));
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let pipe = rustix::fs::open("/proc/self/fd/1", flags, Mode::empty()).ok().filter(|_| blocks).map(File::from);
        let max_write = if blocks && pipe.is_none() { ATOMIC_WRITE } else { usize::MAX };
        Ok(StandardOutput { pipe, max_write, signals: signals.clone() })
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let out = io::stdout();
        let out: BorrowedFd<'_> = self.pipe.as_ref().map_or(out.as_fd(), File::as_fd);
        loop {
            if self.signals.caught().is_some() {
                return Err(io::Error::other("ended by a signal"));
            }
            let turn = Timespec { tv_sec: 0, tv_nsec: i64::from(TURN.subsec_nanos()) };
            if poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&turn))? == 0 {
                continue;
            }
            match rustix::io::write(out, &bytes[..bytes.len().min(self.max_write)]) {
                Err(rustix::io::Errno::AGAIN) => {}
                written => return Ok(written?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
