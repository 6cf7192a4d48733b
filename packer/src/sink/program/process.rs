//! A running program that is fed on its standard input. Its output belongs to the caller.
//!
//! When the program fails, its own message is the cause, not the broken pipe that we see. All waiting is in short turns, in which a
//! cancellation and a program that does nothing are noticed. Nothing waits for processes that the program may have started itself.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use rustix::event::PollFlags;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::sink::context::SinkContext;
use crate::sink::program::child_guard::ChildGuard;
use crate::sink::program::command::not_started;
use crate::sink::program::pipe::{PipeRemainder, listen, ready, with_message};
use crate::sink::program::timings::ProgramTimings;
use crate::threads;

/// The message about a program that stops reading before its input ends.
pub(crate) const STOPPED: &str = "ended before it had read all of its input";

/// A running program that is fed.
#[derive(Debug)]
pub(crate) struct Process<'scope> {
    name: &'static str,
    child: ChildGuard,
    input: Option<ChildStdin>,
    /// Reads its standard error.
    listener: Option<ScopedJoinHandle<'scope, Vec<u8>>>,
    cancel: &'scope CancelToken,
    timings: &'scope ProgramTimings,
}

impl<'scope> Process<'scope> {
    /// Starts the program with its standard output at `output`. Returns the reading end if that is a pipe; it does not block.
    pub(crate) fn start(
        context: SinkContext<'scope, '_>,
        name: &'static str,
        mut command: Command,
        output: Stdio,
    ) -> Result<(Self, Option<ChildStdout>)> {
        let SinkContext { scope, cancel, timings, .. } = context;
        let child = command.stdin(Stdio::piped()).stdout(output).stderr(Stdio::piped()).spawn();
        let mut child = ChildGuard::new(child.map_err(|error| not_started(name, &error))?);
        // It holds the handle that it gave to the program.
        drop(command);
        let (input, from, errors) = (child.child.stdin.take(), child.child.stdout.take(), child.child.stderr.take());
        let piped = || Error::compressor(name, "has no pipes");
        let (input, errors) = (input.ok_or_else(piped)?, errors.ok_or_else(piped)?);
        let pipes = [Some(input.as_fd()), from.as_ref().map(AsFd::as_fd), Some(errors.as_fd())];
        for pipe in pipes.into_iter().flatten() {
            rustix::io::ioctl_fionbio(pipe, true)
                .map_err(|error| Error::compressor(name, format!("has pipes that block: {error}")))?;
        }
        let ended = Arc::clone(&child.ended);
        let patience = move || if ended.load(Ordering::SeqCst) { 1 } else { u32::MAX };
        let listener = Some(threads::start(scope, move || listen(errors, timings.turn, patience))?);
        Ok((Process { name, child, input: Some(input), listener, cancel, timings }, from))
    }

    /// Set once the program has ended.
    pub(crate) fn ended_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.child.ended)
    }

    /// Feeds the next bytes. False if the program takes no more.
    ///
    /// A program that takes nothing for a turn may be doing something else: `is_idle` tells.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut is_idle: impl FnMut() -> Result<bool>) -> Result<bool> {
        let (mut rest, mut waited) = (bytes, 0);
        while !rest.is_empty() {
            let Some(input) = &mut self.input else { return Ok(false) };
            match input.write(rest) {
                Ok(count) => (rest, waited) = (&rest[count..], 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.cancel.check()?;
                    let idle = !ready(&*input, PollFlags::OUT, self.timings.turn) && is_idle()?;
                    waited = if idle { waited + 1 } else { 0 };
                    if waited >= self.timings.patience {
                        return Err(self.given_up());
                    }
                }
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Ends the input.
    pub(crate) fn close(&mut self) -> Option<PipeRemainder> {
        self.input.take().and_then(PipeRemainder::close)
    }

    /// How the program ended, if it has.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.child.child.try_wait().ok().flatten()
    }

    /// Waits for the program to end, for `time` at most. `None` if it has not ended.
    pub(crate) fn wait_for(&mut self, time: Duration) -> Result<Option<ExitStatus>> {
        let cancel = self.cancel;
        let status = self.child.wait_for(time, || cancel.check())?;
        status.map_err(|error| self.failed(&format!("cannot be waited for: {error}")))
    }

    /// The failure of a program that takes no more input: `Ok` with its status if that is a failure.
    pub(crate) fn stopped(&mut self) -> Result<ExitStatus> {
        drop(self.input.take());
        let status = self.wait_for(self.timings.stopping);
        self.child.end();
        match status? {
            Some(status) if !status.success() => Ok(status),
            _ => Err(self.failed(STOPPED)),
        }
    }

    /// The failure of a program that did nothing for too long.
    pub(crate) fn given_up(&mut self) -> Error {
        let seconds = self.timings.longest_silence().as_secs();
        self.failed(&format!("has neither read nor written anything for {seconds} s"))
    }

    /// The failure of a program that ended with this status.
    pub(crate) fn ended_badly(&mut self, status: ExitStatus) -> Error {
        self.failed(&format!("failed ({status})"))
    }

    /// Ends the program if it has not ended. Returns the failure with the program's own message.
    pub(crate) fn failed(&mut self, what: &str) -> Error {
        self.child.end();
        let message = self.listener.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Error::compressor(self.name, with_message(what, &message))
    }
}
