//! A program at work: what it is fed, how it ends, what it says. Whoever starts one looks after its output.
//!
//! It inherits nothing but its three standard handles. When it fails, its own words are the cause, not the broken pipe that we see.
//! Nothing waits for it without end: it is waited for in short turns, in which somebody may end the pack, and in which a program
//! that does nothing at all is noticed. Nor does anything wait for what it may have started itself.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::sink::output::Workshop;
use crate::sink::program::close_fds;

/// Where programs are looked for. The caller's `PATH` is not used: an image must not depend on it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How much of a program's standard error is kept for the message, in bytes.
const WORDS: usize = 4 << 10;

/// How long a pipe is waited for at once.
pub(crate) const TURN: Duration = Duration::from_millis(50);

/// How long is waited between two looks at a program that is about to end.
pub(crate) const GLANCE: Duration = Duration::from_millis(2);

/// After so many turns in which a program did nothing, it is given up: half a minute. Turns are counted, not time, so that a
/// machine that was asleep meanwhile makes no difference.
pub(crate) const PATIENCE: u32 = 600;

/// How long a program may take to end once it takes no more input: longer only if it goes on without it.
const STOPPING: Duration = Duration::from_secs(1);

/// How long it may take once it has closed its output: it has nothing more to do but to give its memory back.
pub(crate) const LEAVING: Duration = Duration::from_secs(5);

/// What is said of a program that no longer reads although there is more.
pub(crate) const STOPPED: &str = "ended before it had read all of its input";

/// A program's command without arguments, in a clean environment, with no handles but those that it will be given.
pub(crate) fn command(name: &'static str) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C").current_dir("/");
    close_fds::nothing_else(&mut command);
    command
}

/// Why a program is not running.
pub(crate) fn not_started(name: &'static str, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::compressor(name, format!("is not installed (looked in {PATH})")),
        _ => Error::compressor(name, format!("cannot be started: {error}")),
    }
}

/// Ends the child when it goes out of scope, however that comes about.
#[derive(Debug)]
pub(crate) struct Reaped {
    pub(crate) child: Child,
    /// It has ended or was ended: whoever still has its pipes is somebody else.
    pub(crate) over: Arc<AtomicBool>,
}

impl Reaped {
    pub(crate) fn new(child: Child) -> Self {
        Reaped { child, over: Arc::default() }
    }

    pub(crate) fn end(&mut self) {
        // Only of interest after a failure that is reported already; both calls do nothing if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.over.store(true, Ordering::SeqCst);
    }

    /// How the program ended, if it does so in time; asked meanwhile is whether to go on.
    pub(crate) fn leaves(
        &mut self,
        time: Duration,
        go_on: impl Fn() -> Result<()>,
    ) -> Result<io::Result<Option<ExitStatus>>> {
        for _ in 0..time.as_millis() / GLANCE.as_millis() {
            go_on()?;
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(GLANCE),
                Ok(Some(status)) => {
                    self.over.store(true, Ordering::SeqCst);
                    return Ok(Ok(Some(status)));
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(None))
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        self.end();
    }
}

/// A running program that is fed.
#[derive(Debug)]
pub(crate) struct Process<'scope> {
    name: &'static str,
    child: Reaped,
    input: Option<ChildStdin>,
    words: Option<ScopedJoinHandle<'scope, Vec<u8>>>,
    cancel: &'scope CancelToken,
}

impl<'scope> Process<'scope> {
    /// Starts the program; its standard output goes to `output`, and comes back if that is a pipe, which does not block.
    pub(crate) fn start(
        shop: Workshop<'scope, '_>,
        name: &'static str,
        mut command: Command,
        output: Stdio,
    ) -> Result<(Self, Option<ChildStdout>)> {
        let child = command.stdin(Stdio::piped()).stdout(output).stderr(Stdio::piped()).spawn();
        let mut child = Reaped::new(child.map_err(|error| not_started(name, &error))?);
        // It holds the handle that it gave to the program.
        drop(command);
        let (input, from, words) = (child.child.stdin.take(), child.child.stdout.take(), child.child.stderr.take());
        let piped = || Error::compressor(name, "has no pipes");
        let (input, words) = (input.ok_or_else(piped)?, words.ok_or_else(piped)?);
        let pipes = [Some(input.as_fd()), from.as_ref().map(AsFd::as_fd), Some(words.as_fd())];
        for pipe in pipes.into_iter().flatten() {
            rustix::io::ioctl_fionbio(pipe, true)
                .map_err(|error| Error::compressor(name, format!("has pipes that block: {error}")))?;
        }
        let over = Arc::clone(&child.over);
        let patience = move || if over.load(Ordering::SeqCst) { 1 } else { u32::MAX };
        let words = Some(shop.scope.spawn(move || listen(words, patience)));
        Ok((Process { name, child, input: Some(input), words, cancel: shop.cancel }, from))
    }

    pub(crate) fn over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.child.over)
    }

    /// Feeds the next bytes; false if the program takes no more. `is_idle` is asked when it has taken none for a turn: whether it
    /// did not do anything else, either.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut is_idle: impl FnMut() -> Result<bool>) -> Result<bool> {
        let (mut rest, mut waited) = (bytes, 0);
        while !rest.is_empty() {
            let Some(input) = &mut self.input else { return Ok(false) };
            match input.write(rest) {
                Ok(count) => (rest, waited) = (&rest[count..], 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.cancel.check()?;
                    let idle = !ready(&*input, PollFlags::OUT) && is_idle()?;
                    waited = if idle { waited + 1 } else { 0 };
                    if waited >= PATIENCE {
                        return Err(self.given_up());
                    }
                }
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Ends the input; gives what sees whether all of it was read.
    pub(crate) fn close(&mut self) -> Option<Unread> {
        self.input.take().and_then(Unread::behind)
    }

    /// How the program ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.child.try_wait().ok().flatten()
    }

    /// How the program ends, if it does so in time.
    pub(crate) fn leaves(&mut self, time: Duration) -> Result<Option<ExitStatus>> {
        let cancel = self.cancel;
        let left = self.child.leaves(time, || cancel.check())?;
        left.map_err(|error| self.failed(&format!("cannot be waited for: {error}")))
    }

    /// Why a program takes no more input, by how it ends.
    pub(crate) fn stopped(&mut self) -> Result<ExitStatus> {
        drop(self.input.take());
        let left = self.leaves(STOPPING);
        self.child.end();
        match left? {
            Some(status) if !status.success() => Ok(status),
            _ => Err(self.failed(STOPPED)),
        }
    }

    pub(crate) fn given_up(&mut self) -> Error {
        self.failed(&format!("has neither read nor written anything for {} s", (TURN * PATIENCE).as_secs()))
    }

    pub(crate) fn ended_badly(&mut self, status: ExitStatus) -> Error {
        self.failed(&format!("failed ({status})"))
    }

    /// Ends the program if it has not ended; gives the failure with what it said.
    pub(crate) fn failed(&mut self, what: &str) -> Error {
        self.child.end();
        let words = self.words.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Error::compressor(self.name, told(what, &words))
    }
}

/// What went wrong, with the program's own words if it said any.
pub(crate) fn told(what: &str, words: &[u8]) -> String {
    match String::from_utf8_lossy(words).trim() {
        "" => what.to_owned(),
        words => format!("{what}: {}", words.escape_debug()),
    }
}

/// The first line of what a program says of its version.
pub(crate) fn version(name: &'static str, cancel: &CancelToken) -> Result<String> {
    let failed = |error: io::Error| Error::compressor(name, format!("cannot be asked for its version: {error}"));
    let (from, to) = io::pipe().map_err(failed)?;
    let mut command = command(name);
    // pigz before 2.7 and bzip2 print their version on standard error.
    command.arg("--version").stdin(Stdio::null()).stdout(to.try_clone().map_err(failed)?).stderr(to);
    let _child = Reaped::new(command.spawn().map_err(|error| not_started(name, &error))?);
    // It holds the writing ends.
    drop(command);
    rustix::io::ioctl_fionbio(&from, true).map_err(|error| failed(error.into()))?;
    let text = listen(from, || if cancel.check().is_ok() { PATIENCE } else { 0 });
    cancel.check()?;
    Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned())
}

/// The reading end of a program's input, to see whether anything is left in the pipe once the program has ended.
pub(crate) struct Unread(OwnedFd);

impl Unread {
    /// Closes the writing end, so that the program sees the end of its input.
    fn behind(input: ChildStdin) -> Option<Self> {
        let by_handle = format!("/proc/self/fd/{}", input.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(by_handle, flags, Mode::empty()).ok().map(Unread)
    }

    pub(crate) fn is_there(&self) -> bool {
        rustix::io::ioctl_fionread(&self.0).is_ok_and(|count| count > 0)
    }
}

/// Waits for a pipe, for one turn at most; false if it was in vain.
pub(crate) fn ready(pipe: impl AsFd, what: PollFlags) -> bool {
    any_ready(&mut [PollFd::new(&pipe, what)])
}

/// Waits for any of some pipes, for one turn at most; false if it was in vain.
pub(crate) fn any_ready(pipes: &mut [PollFd<'_>]) -> bool {
    let turn = Timespec { tv_sec: 0, tv_nsec: TURN.subsec_nanos().into() };
    // Whatever goes wrong with a pipe shows when it is used.
    !matches!(poll(pipes, Some(&turn)), Ok(0) | Err(Errno::INTR))
}

/// Keeps the beginning of what a program says.
pub(crate) fn keep(words: &mut Vec<u8>, said: &[u8]) {
    words.extend_from_slice(&said[..said.len().min(WORDS - words.len())]);
}

/// Reads all that a program says, so that it never blocks, and keeps the beginning. Ends with the pipe, or once nothing has
/// come for as many turns in a row as `patience` says.
fn listen(mut from: impl Read + AsFd, patience: impl Fn() -> u32) -> Vec<u8> {
    let (mut words, mut buffer, mut waited) = (Vec::new(), vec![0; WORDS], 0);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return words,
            Ok(count) => {
                keep(&mut words, &buffer[..count]);
                waited = 0;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Asked before waiting: what was said before is all there by then.
                let patience = patience();
                waited = if ready(&from, PollFlags::IN) { 0 } else { waited + 1 };
                if waited >= patience {
                    return words;
                }
            }
            Err(_) => return words,
        }
    }
}
