//! Writes an image to standard output.
//!
//! If the reader of a pipe does not read, a blocking write would never return, and no signal would end the pack. So the pipe is
//! written without blocking, and polled in short turns between which a signal ends the pack.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, major, minor};

use crate::signals::Signals;
use crate::wrong_use::WrongUse;

/// The name of standard output as a file; of standard input, too.
pub(crate) const STANDARD_STREAM: &str = "-";

/// The timeout of one poll.
const TURN: Duration = Duration::from_millis(50);

/// What a pipe that polls as writable takes without blocking, in bytes (`PIPE_BUF`).
const ATOMIC_WRITE: usize = 4096;

/// The numbers of `/dev/null`.
const NULL_DEVICE: (u32, u32) = (1, 3);

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
        if is_closed(out.as_fd()) {
            bail!("standard output is closed, or is /dev/null opened for reading and writing");
        }
        let kind = rustix::fs::fstat(&out).map(|found| FileType::from_raw_mode(found.st_mode));
        let blocks = matches!(kind, Ok(FileType::Fifo | FileType::Socket));
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let pipe = rustix::fs::open("/proc/self/fd/1", flags, Mode::empty()).ok().filter(|_| blocks).map(File::from);
        let max_write = if blocks && pipe.is_none() { ATOMIC_WRITE } else { usize::MAX };
        Ok(StandardOutput { pipe, max_write, signals: signals.clone() })
    }
}

/// Whether standard output was closed when the process began.
///
/// The standard library's start-up, which comes before all safe code, opens `/dev/null` for reading and writing in the place of a closed
/// stream. A shell's `> /dev/null` opens it for writing. A caller that passes it opened for both, as Python's `DEVNULL`, looks like
/// one that closed it; so this is asked only where the image itself would be lost.
fn is_closed(out: BorrowedFd<'_>) -> bool {
    let is_null = rustix::fs::fstat(out).is_ok_and(|found| {
        FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
            && (major(found.st_rdev), minor(found.st_rdev)) == NULL_DEVICE
    });
    is_null && rustix::fs::fcntl_getfl(out).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR)
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
