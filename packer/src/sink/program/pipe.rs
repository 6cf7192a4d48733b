//! A program's pipes: waiting for them in turns, and the beginning of what it says.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::ChildStdin;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// How much of a program's standard error is kept for the message, in bytes.
const MESSAGE_LIMIT: usize = 4 << 10;

/// Waits for a pipe, for one turn at most. False if it is still not ready.
pub(crate) fn ready(pipe: impl AsFd, what: PollFlags, turn: Duration) -> bool {
    any_ready(&mut [PollFd::new(&pipe, what)], turn)
}

/// Waits for any of some pipes, for one turn at most. False if none is ready.
pub(crate) fn any_ready(pipes: &mut [PollFd<'_>], turn: Duration) -> bool {
    let turn = Timespec { tv_sec: turn.as_secs().cast_signed(), tv_nsec: turn.subsec_nanos().into() };
    // An error of a pipe shows when it is used.
    !matches!(poll(pipes, Some(&turn)), Ok(0) | Err(Errno::INTR))
}

/// Reads all that a program says, so that it never blocks, and keeps the beginning. Ends with the pipe, or after as many silent turns
/// in a row as `patience` says.
pub(crate) fn listen(mut from: impl Read + AsFd, turn: Duration, patience: impl Fn() -> u32) -> Vec<u8> {
    let (mut message, mut buffer, mut waited) = (Vec::new(), vec![0; MESSAGE_LIMIT], 0);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return message,
            Ok(count) => {
                append_message(&mut message, &buffer[..count]);
                waited = 0;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Asked before the wait: what was said before is all there by then.
                let patience = patience();
                waited = if ready(&from, PollFlags::IN, turn) { 0 } else { waited + 1 };
                if waited >= patience {
                    return message;
                }
            }
            Err(_) => return message,
        }
    }
}

/// Keeps the beginning of what a program says.
pub(crate) fn append_message(message: &mut Vec<u8>, said: &[u8]) {
    message.extend_from_slice(&said[..said.len().min(MESSAGE_LIMIT - message.len())]);
}

/// What went wrong, followed by the program's own message if there is one.
pub(crate) fn with_message(what: &str, message: &[u8]) -> String {
    match String::from_utf8_lossy(message).trim() {
        "" => what.to_owned(),
        message => format!("{what}: {}", message.escape_debug()),
    }
}

/// The reading end of a program's input, which shows whether the program left bytes in the pipe.
pub(crate) struct PipeRemainder(OwnedFd);

impl PipeRemainder {
    /// Closes the writing end, which is the end of the program's input.
    pub(crate) fn close(input: ChildStdin) -> Option<Self> {
        let by_handle = format!("/proc/self/fd/{}", input.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(by_handle, flags, Mode::empty()).ok().map(PipeRemainder)
    }

    /// Whether bytes are left that the program has not read.
    pub(crate) fn has_bytes(&self) -> bool {
        rustix::io::ioctl_fionread(&self.0).is_ok_and(|count| count > 0)
    }
}
