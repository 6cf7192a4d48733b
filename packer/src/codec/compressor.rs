//! A compressor at work: the one place where the packer starts a process.
//!
//! It inherits nothing but its three pipes. When it fails, its own words are the cause, not the broken pipe that we see.
//! Nothing waits for it without end: all pipes are waited for in short turns, in which somebody may end the pack, and in
//! which a program that does nothing at all is noticed. Nor does anything wait for what it may have started itself.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::Level;
use super::external::Program;
use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::observer::Permit;
use crate::output::{Output, Workshop, Written};
use crate::pool::Panicked;

/// What a pipe holds by default on Linux, in bytes.
const PIPE: usize = 64 << 10;

/// How much of a program's standard error is kept for the message, in bytes.
const WORDS: usize = 4 << 10;

/// How long a pipe is waited for at once.
const TURN: Duration = Duration::from_millis(50);

/// How long is waited between two looks at a program that is about to end.
const GLANCE: Duration = Duration::from_millis(2);

/// After so many turns in which a program neither read nor wrote, it is given up: half a minute. Turns are counted, not
/// time, so that a machine that was asleep meanwhile makes no difference.
const PATIENCE: u32 = 600;

/// How long a program may take to end once it takes no more input: longer only if it goes on without it.
const STOPPING: Duration = Duration::from_secs(1);

/// How long it may take once it has closed its output: it has nothing more to do but to give its memory back.
const LEAVING: Duration = Duration::from_secs(5);

/// What is said of a program that no longer reads although there is more.
const STOPPED: &str = "ended before it had read all of its input";

/// A running compressor: bytes are fed in, and what it writes is drained by a thread.
#[derive(Debug)]
pub(crate) struct Compressor<'scope> {
    program: Program,
    child: Reaped,
    input: Option<ChildStdin>,
    output: Option<ScopedJoinHandle<'scope, Result<Drained<'scope>>>>,
    words: Option<ScopedJoinHandle<'scope, Vec<u8>>>,
    state: Arc<State>,
    permit: Permit<'scope>,
}

/// What its threads know of each other.
#[derive(Debug, Default)]
struct State {
    /// It gets no more input.
    fed: AtomicBool,
    /// It has ended or was ended: whoever still has its pipes is somebody else.
    over: AtomicBool,
    /// We wait for its output, and nothing has come for a turn.
    silent: AtomicBool,
}

/// Where the output stands when the program has no more.
#[derive(Debug)]
struct Drained<'scope> {
    output: Output<'scope>,
    /// Nothing had come for [`PATIENCE`] turns.
    stalled: bool,
}

/// Ends the child when it goes out of scope, however that comes about.
#[derive(Debug)]
struct Reaped {
    child: Child,
    state: Arc<State>,
}

impl Reaped {
    fn end(&mut self) {
        // Only of interest after a failure that is reported already; both calls do nothing if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.state.over.store(true, Ordering::SeqCst);
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        self.end();
    }
}

impl<'scope> Compressor<'scope> {
    /// Starts the program with its output going to `output`.
    pub(crate) fn start(
        shop: Workshop<'scope, '_>,
        program: Program,
        level: Option<Level<1, 9>>,
        output: Output<'scope>,
    ) -> Result<Self> {
        let mut command = program.command();
        command.args(program.arguments(level)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| program.not_started(&error))?;
        let state = Arc::new(State::default());
        let mut child = Reaped { child, state: Arc::clone(&state) };
        let (input, from, words) = (child.child.stdin.take(), child.child.stdout.take(), child.child.stderr.take());
        let piped = || Error::compressor(program.name(), "has no pipes");
        let (input, from, words) = (input.ok_or_else(piped)?, from.ok_or_else(piped)?, words.ok_or_else(piped)?);
        let unblocked = |error: Errno| Error::compressor(program.name(), format!("has pipes that block: {error}"));
        for pipe in [input.as_fd(), from.as_fd(), words.as_fd()] {
            rustix::io::ioctl_fionbio(pipe, true).map_err(unblocked)?;
        }
        let permit = shop.meter.permit();
        let (draining, listening) = (Arc::clone(&state), Arc::clone(&state));
        Ok(Compressor {
            program,
            child,
            input: Some(input),
            output: Some(shop.scope.spawn(move || {
                let drained = drain(program, from, output, &draining, permit);
                // Nobody reads any more, so whoever feeds need not wait for the program to be read from.
                draining.silent.store(true, Ordering::SeqCst);
                drained
            })),
            words: Some(
                shop.scope
                    .spawn(move || listen(words, || if listening.over.load(Ordering::SeqCst) { 1 } else { u32::MAX })),
            ),
            state,
            permit,
        })
    }

    /// Feeds the next bytes of the tar.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        let (mut rest, mut waited) = (bytes, 0);
        while !rest.is_empty() {
            let Some(input) = &mut self.input else { return Err(self.failed(STOPPED)) };
            match input.write(rest) {
                Ok(count) => (rest, waited) = (&rest[count..], 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.permit.check()?;
                    let idle = !ready(&*input, PollFlags::OUT) && self.state.silent.load(Ordering::SeqCst);
                    waited = if idle { waited + 1 } else { 0 };
                    if waited >= PATIENCE {
                        return Err(self.given_up());
                    }
                }
                Err(_) => return Err(self.cause()),
            }
        }
        Ok(())
    }

    /// Ends the input and waits for everything; gives the output back.
    pub(crate) fn finish(mut self) -> Result<Written> {
        let unread = self.input.take().and_then(Unread::behind);
        self.state.fed.store(true, Ordering::SeqCst);
        let Some(output) = self.output.take() else { return Err(self.failed("has no output")) };
        while !output.is_finished() {
            // One that failed has no more to say, even if something that it started still has its output.
            if let Ok(Some(status)) = self.child.child.try_wait()
                && !status.success()
            {
                self.state.over.store(true, Ordering::SeqCst);
            }
            std::thread::sleep(GLANCE);
        }
        let drained = join(output)?;
        if drained.stalled {
            return Err(self.given_up());
        }
        match self.leaves(LEAVING)? {
            None => Err(self.failed("closed its output and did not end")),
            Some(status) if !status.success() => Err(self.ended_badly(status)),
            Some(_) if unread.is_some_and(|unread| unread.is_there()) => Err(self.failed(STOPPED)),
            Some(_) => match drained.output.finish()? {
                Written { length: 0, .. } => Err(self.failed("wrote nothing")),
                written => Ok(written),
            },
        }
    }

    /// Why the program no longer takes input: our output's error if there is one, or how it ended.
    fn cause(&mut self) -> Error {
        drop(self.input.take());
        let left = self.leaves(STOPPING);
        self.child.end();
        if let Some(Err(error)) = self.output.take().map(join) {
            return error;
        }
        match left {
            Ok(Some(status)) if !status.success() => self.ended_badly(status),
            Ok(_) => self.failed(STOPPED),
            Err(error) => error,
        }
    }

    /// How the program ended, if it does so in time.
    fn leaves(&mut self, time: Duration) -> Result<Option<ExitStatus>> {
        for _ in 0..time.as_millis() / GLANCE.as_millis() {
            self.permit.check()?;
            match self.child.child.try_wait() {
                Ok(None) => std::thread::sleep(GLANCE),
                Ok(Some(status)) => {
                    self.state.over.store(true, Ordering::SeqCst);
                    return Ok(Some(status));
                }
                Err(error) => return Err(self.failed(&format!("cannot be waited for: {error}"))),
            }
        }
        Ok(None)
    }

    fn given_up(&mut self) -> Error {
        self.failed(&format!("has neither read nor written anything for {} s", (TURN * PATIENCE).as_secs()))
    }

    fn ended_badly(&mut self, status: ExitStatus) -> Error {
        self.failed(&format!("failed ({status})"))
    }

    /// Ends the program if it has not ended; gives the failure with what it said.
    fn failed(&mut self, what: &str) -> Error {
        self.child.end();
        let words = self.words.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        match words.trim() {
            "" => Error::compressor(self.program.name(), what),
            words => Error::compressor(self.program.name(), format!("{what}: {}", words.escape_debug())),
        }
    }
}

/// The first line of what a program says of its version.
pub(super) fn version(program: Program) -> Result<String> {
    let failed =
        |error: io::Error| Error::compressor(program.name(), format!("cannot be asked for its version: {error}"));
    let (from, to) = io::pipe().map_err(failed)?;
    let mut command = program.command();
    // pigz before 2.7 prints its version on standard error.
    command.arg("--version").stdin(Stdio::null()).stdout(to.try_clone().map_err(failed)?).stderr(to);
    let child = command.spawn().map_err(|error| program.not_started(&error))?;
    let _child = Reaped { child, state: Arc::default() };
    // It holds the writing ends.
    drop(command);
    rustix::io::ioctl_fionbio(&from, true).map_err(|error| failed(error.into()))?;
    let text = listen(from, || PATIENCE);
    Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned())
}

/// The reading end of a program's input, to see whether anything is left in the pipe once the program has ended.
struct Unread(OwnedFd);

impl Unread {
    /// Closes the writing end, so that the program sees the end of its input.
    fn behind(input: ChildStdin) -> Option<Self> {
        let by_handle = format!("/proc/self/fd/{}", input.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(by_handle, flags, Mode::empty()).ok().map(Unread)
    }

    fn is_there(&self) -> bool {
        rustix::io::ioctl_fionread(&self.0).is_ok_and(|count| count > 0)
    }
}

fn join<'scope>(thread: ScopedJoinHandle<'scope, Result<Drained<'scope>>>) -> Result<Drained<'scope>> {
    thread.join().unwrap_or_else(|_| Err(Panicked("the thread that reads a compressor panicked".into()).into()))
}

/// Waits for a pipe, for one turn at most; false if it was in vain.
fn ready(pipe: impl AsFd, what: PollFlags) -> bool {
    let turn = Timespec { tv_sec: 0, tv_nsec: TURN.subsec_nanos().into() };
    // Whatever goes wrong with the pipe shows when it is used.
    !matches!(poll(&mut [PollFd::new(&pipe, what)], Some(&turn)), Ok(0) | Err(Errno::INTR))
}

/// Moves the program's output on. Stopping early closes the pipe, which ends the program.
fn drain<'scope>(
    program: Program,
    mut from: impl Read + AsFd,
    mut output: Output<'scope>,
    state: &State,
    permit: Permit<'_>,
) -> Result<Drained<'scope>> {
    let mut buffer = output.buffer();
    let mut waited = 0;
    loop {
        match from.read(buffer.room(PIPE)) {
            Ok(0) => return Ok(Drained { output, stalled: false }),
            Ok(count) => {
                state.silent.store(false, Ordering::SeqCst);
                waited = 0;
                buffer.keep(count);
                let full: Buffer = std::mem::replace(&mut buffer, output.buffer());
                output.write(full)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                permit.check()?;
                // Asked before waiting: what the program wrote before its end is all there by then.
                let (over, fed) = (state.over.load(Ordering::SeqCst), state.fed.load(Ordering::SeqCst));
                let idle = !ready(&from, PollFlags::IN);
                state.silent.store(idle, Ordering::SeqCst);
                waited = if idle && fed { waited + 1 } else { 0 };
                if idle && (over || waited >= PATIENCE) {
                    return Ok(Drained { output, stalled: !over });
                }
            }
            Err(error) => return Err(Error::compressor(program.name(), format!("cannot be read from: {error}"))),
        }
    }
}

/// Reads all that a program says, so that it never blocks, and keeps the beginning. Ends with the pipe, or once nothing has
/// come for as many turns in a row as `patience` says.
fn listen(mut from: impl Read + AsFd, patience: impl Fn() -> u32) -> Vec<u8> {
    let (mut words, mut buffer, mut waited) = (Vec::new(), vec![0; WORDS], 0);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return words,
            Ok(count) => {
                words.extend_from_slice(&buffer[..count.min(WORDS - words.len())]);
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
