//! Standard output as the place that an image goes to.
//!
//! A pipe whose reader does nothing would keep a write, and with it the process, for ever. So pipes are written without
//! waiting, and waited for in short turns in which a signal ends the pack.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};

use crate::signals::Signals;

/// How long is waited at once.
const TURN: Duration = Duration::from_millis(50);

/// What a pipe or a socket that has room takes without waiting, in bytes (`PIPE_BUF`).
const ROOM: usize = 4096;

/// Standard output, for an image.
pub(crate) struct StandardOutput {
    /// The same pipe, opened once more: what is set for this handle is not set for anybody else's.
    pipe: Option<File>,
    /// The most that is written at once.
    most: usize,
    signals: Signals,
}

impl StandardOutput {
    pub(crate) fn open(signals: &Signals) -> Result<Self> {
        let out = io::stdout();
        if out.is_terminal() {
            bail!("standard output is a terminal, and an image is no text: send it to a file or another program");
        }
        let kind = rustix::fs::fstat(&out).map(|found| FileType::from_raw_mode(found.st_mode));
        let waits = matches!(kind, Ok(FileType::Fifo | FileType::Socket));
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let pipe = rustix::fs::open("/proc/self/fd/1", flags, Mode::empty()).ok().filter(|_| waits).map(File::from);
        let most = if waits && pipe.is_none() { ROOM } else { usize::MAX };
        Ok(StandardOutput { pipe, most, signals: signals.clone() })
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
            match rustix::io::write(out, &bytes[..bytes.len().min(self.most)]) {
                Err(rustix::io::Errno::AGAIN) => {}
                written => return Ok(written?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
