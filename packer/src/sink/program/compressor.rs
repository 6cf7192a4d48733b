//! A compressor at work: bytes are fed in, and what it writes is the image.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;

use rustix::event::PollFlags;

use crate::buffer::Buffer;
use crate::cancel::CancelToken;
use crate::codec::Program;
use crate::error::{Error, Result};
use crate::pool::Panicked;
use crate::sink::output::{Output, Workshop, Written};
use crate::sink::program::process::{self, GLANCE, LEAVING, PATIENCE, Process, STOPPED};

/// What a pipe holds by default on Linux, in bytes.
const PIPE: usize = 64 << 10;

/// A running compressor, whose output is drained by a thread.
#[derive(Debug)]
pub(crate) struct Compressor<'scope> {
    process: Process<'scope>,
    output: Option<ScopedJoinHandle<'scope, Result<Drained<'scope>>>>,
    state: Arc<State>,
}

/// What its threads know of each other.
#[derive(Debug, Default)]
struct State {
    /// It gets no more input.
    fed: AtomicBool,
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

impl<'scope> Compressor<'scope> {
    /// Starts the program with its output going to `output`.
    pub(crate) fn start(
        shop: Workshop<'scope, '_>,
        program: Program,
        level: Option<u8>,
        output: Output<'scope>,
    ) -> Result<Self> {
        let mut command = process::command(program.name());
        command.args(program.arguments(level));
        let (process, from) = Process::start(shop, program.name(), command, Stdio::piped())?;
        let from = from.ok_or_else(|| Error::compressor(program.name(), "has no pipes"))?;
        let state = Arc::new(State::default());
        let pipe = Pipe { program, from, over: process.over(), state: Arc::clone(&state), cancel: shop.cancel };
        let output = shop.scope.spawn(move || {
            let state = Arc::clone(&pipe.state);
            let drained = drain(pipe, output);
            // Nobody reads any more, so whoever feeds need not wait for the program to be read from.
            state.silent.store(true, Ordering::SeqCst);
            drained
        });
        Ok(Compressor { process, output: Some(output), state })
    }

    /// Feeds the next bytes of the tar.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        let state = &self.state;
        match self.process.feed(bytes, || Ok(state.silent.load(Ordering::SeqCst))) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.cause()),
            Err(error) => Err(error),
        }
    }

    /// Ends the input and waits for everything; gives the output back.
    pub(crate) fn finish(mut self) -> Result<Written> {
        let unread = self.process.close();
        self.state.fed.store(true, Ordering::SeqCst);
        let Some(output) = self.output.take() else { return Err(self.process.failed("has no output")) };
        while !output.is_finished() {
            // One that failed has no more to say, even if something that it started still has its output.
            if self.process.ended().is_some_and(|status| !status.success()) {
                self.process.over().store(true, Ordering::SeqCst);
            }
            std::thread::sleep(GLANCE);
        }
        let drained = join(output)?;
        if drained.stalled {
            return Err(self.process.given_up());
        }
        match self.process.leaves(LEAVING)? {
            None => Err(self.process.failed("closed its output and did not end")),
            Some(status) if !status.success() => Err(self.process.ended_badly(status)),
            Some(_) if unread.is_some_and(|unread| unread.is_there()) => Err(self.process.failed(STOPPED)),
            Some(_) => match drained.output.finish()? {
                Written { length: 0, .. } => Err(self.process.failed("wrote nothing")),
                written => Ok(written),
            },
        }
    }

    /// Why the program no longer takes input: our output's error if there is one, or how it ended.
    fn cause(&mut self) -> Error {
        let stopped = self.process.stopped();
        if let Some(Err(error)) = self.output.take().map(join) {
            return error;
        }
        match stopped {
            Ok(status) => self.process.ended_badly(status),
            Err(error) => error,
        }
    }
}

fn join<'scope>(thread: ScopedJoinHandle<'scope, Result<Drained<'scope>>>) -> Result<Drained<'scope>> {
    thread.join().unwrap_or_else(|_| Err(Panicked("the thread that reads a compressor panicked".into()).into()))
}

/// The reading end of a program's output.
struct Pipe<'scope> {
    program: Program,
    from: ChildStdout,
    over: Arc<AtomicBool>,
    state: Arc<State>,
    cancel: &'scope CancelToken,
}

/// Moves the program's output on. Stopping early closes the pipe, which ends the program.
fn drain<'scope>(mut pipe: Pipe<'_>, mut output: Output<'scope>) -> Result<Drained<'scope>> {
    let mut buffer = output.buffer();
    let mut waited = 0;
    loop {
        match pipe.from.read(buffer.spare_mut(PIPE)) {
            Ok(0) => return Ok(Drained { output, stalled: false }),
            Ok(count) => {
                pipe.state.silent.store(false, Ordering::SeqCst);
                waited = 0;
                buffer.advance(count);
                let full: Buffer = std::mem::replace(&mut buffer, output.buffer());
                output.write(full)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                pipe.cancel.check()?;
                // Asked before waiting: what the program wrote before its end is all there by then.
                let (over, fed) = (pipe.over.load(Ordering::SeqCst), pipe.state.fed.load(Ordering::SeqCst));
                let idle = !process::ready(pipe.from.as_fd(), PollFlags::IN);
                pipe.state.silent.store(idle, Ordering::SeqCst);
                waited = if idle && fed { waited + 1 } else { 0 };
                if idle && (over || waited >= PATIENCE) {
                    return Ok(Drained { output, stalled: !over });
                }
            }
            Err(error) => {
                return Err(Error::compressor(pipe.program.name(), format!("cannot be read from: {error}")));
            }
        }
    }
}
