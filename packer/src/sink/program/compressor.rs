//! An external compressor: it is fed the tar, and its output is the image.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;

use rustix::event::PollFlags;

use crate::buffer::Buffer;
use crate::cancel::CancelToken;
use crate::codec::Program;
use crate::error::{Error, Panicked, Result};
use crate::sink::context::SinkContext;
use crate::sink::output::{Output, Written};
use crate::sink::program::child_guard::POLL_INTERVAL;
use crate::sink::program::command::command;
use crate::sink::program::pipe::ready;
use crate::sink::program::process::{Process, STOPPED};
use crate::sink::program::timings::ProgramTimings;
use crate::threads;

/// The default capacity of a pipe on Linux, in bytes.
const PIPE_CAPACITY: usize = 64 << 10;

/// A running compressor, whose output is drained by a thread.
#[derive(Debug)]
pub(crate) struct Compressor<'scope, 'to> {
    process: Process<'scope>,
    drain: Option<ScopedJoinHandle<'scope, Result<Drained<'scope, 'to>>>>,
    state: Arc<State>,
    timings: &'scope ProgramTimings,
}

/// What the feeding and the draining thread tell each other.
#[derive(Debug, Default)]
struct State {
    /// The program gets no more input.
    fed: AtomicBool,
    /// The draining thread waits for output, and nothing has come for a turn.
    silent: AtomicBool,
}

/// The output when the program has no more.
#[derive(Debug)]
struct Drained<'scope, 'to> {
    output: Output<'scope, 'to>,
    /// Nothing came for longer than a program may do nothing.
    stalled: bool,
}

impl<'scope, 'to: 'scope> Compressor<'scope, 'to> {
    /// Starts the program with its output going to `output`.
    pub(crate) fn start(
        context: SinkContext<'scope, '_>,
        program: Program,
        level: Option<u8>,
        output: Output<'scope, 'to>,
    ) -> Result<Self> {
        let mut command = command(program.name());
        command.args(program.arguments(level));
        Compressor::run(context, program.name(), command, output)
    }

    /// Runs a command as the compressor `name`.
    fn run(
        context: SinkContext<'scope, '_>,
        name: &'static str,
        command: Command,
        output: Output<'scope, 'to>,
    ) -> Result<Self> {
        let SinkContext { scope, cancel, timings, .. } = context;
        let (process, from) = Process::start(context, name, command, Stdio::piped())?;
        let from = from.ok_or_else(|| Error::compressor(name, "has no pipes"))?;
        let state = Arc::new(State::default());
        let pipe = Pipe { name, from, ended: process.ended_flag(), state: Arc::clone(&state), cancel, timings };
        let drain = move || {
            let state = Arc::clone(&pipe.state);
            let drained = drain(pipe, output);
            // This thread reads no more: `feed` may take the program for idle.
            state.silent.store(true, Ordering::SeqCst);
            drained
        };
        let drain = threads::start(scope, drain)?;
        Ok(Compressor { process, drain: Some(drain), state, timings })
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

    /// Ends the input, waits for everything and returns the image.
    pub(crate) fn finish(mut self) -> Result<Written<'to>> {
        let remainder = self.process.close();
        self.state.fed.store(true, Ordering::SeqCst);
        let Some(drain) = self.drain.take() else { return Err(self.process.failed("has no output")) };
        while !drain.is_finished() {
            // A failed program has no more to say, even if a process that it started still holds its output.
            if self.process.status().is_some_and(|status| !status.success()) {
                self.process.ended_flag().store(true, Ordering::SeqCst);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        let drained = join(drain)?;
        if drained.stalled {
            return Err(self.process.given_up());
        }
        match self.process.wait_for(self.timings.leaving)? {
            None => Err(self.process.failed("closed its output and did not end")),
            Some(status) if !status.success() => Err(self.process.ended_badly(status)),
            Some(_) if remainder.is_some_and(|remainder| remainder.has_bytes()) => Err(self.process.failed(STOPPED)),
            Some(_) => match drained.output.finish()? {
                Written { length: 0, .. } => Err(self.process.failed("wrote nothing")),
                written => Ok(written),
            },
        }
    }

    /// Why the program takes no more input: the output's error if there is one, or how the program ended.
    fn cause(&mut self) -> Error {
        let stopped = self.process.stopped();
        if let Some(Err(error)) = self.drain.take().map(join) {
            return error;
        }
        match stopped {
            Ok(status) => self.process.ended_badly(status),
            Err(error) => error,
        }
    }
}

fn join<'scope, 'to>(thread: ScopedJoinHandle<'scope, Result<Drained<'scope, 'to>>>) -> Result<Drained<'scope, 'to>> {
    thread.join().unwrap_or_else(|_| Err(Panicked("the thread that reads a compressor panicked".into()).into()))
}

/// The reading end of a program's output.
struct Pipe<'scope> {
    name: &'static str,
    from: ChildStdout,
    ended: Arc<AtomicBool>,
    state: Arc<State>,
    cancel: &'scope CancelToken,
    timings: &'scope ProgramTimings,
}

/// Moves the program's output to `output`. An early return closes the pipe, which ends the program.
fn drain<'scope, 'to: 'scope>(mut pipe: Pipe<'_>, mut output: Output<'scope, 'to>) -> Result<Drained<'scope, 'to>> {
    let mut buffer = output.buffer();
    let mut waited = 0;
    loop {
        match pipe.from.read(buffer.spare_mut(PIPE_CAPACITY)) {
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
                // Asked before the wait: what the program wrote before its end is all there by then.
                let (ended, fed) = (pipe.ended.load(Ordering::SeqCst), pipe.state.fed.load(Ordering::SeqCst));
                let idle = !ready(pipe.from.as_fd(), PollFlags::IN, pipe.timings.turn);
                pipe.state.silent.store(idle, Ordering::SeqCst);
                waited = if idle && fed { waited + 1 } else { 0 };
                if idle && (ended || waited >= pipe.timings.patience) {
                    return Ok(Drained { output, stalled: !ended });
                }
            }
            Err(error) => return Err(Error::compressor(pipe.name, format!("cannot be read from: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::abort::Abort;
    use crate::buffer::Buffers;
    use crate::fingerprint::{Fingerprint, Hasher};
    use crate::metrics::Metrics;
    use crate::sink::destination::{PieceWriter, Upload};

    /// Keeps what is written.
    #[derive(Debug)]
    struct Kept<'a>(&'a Mutex<Vec<u8>>);

    impl PieceWriter for Kept<'_> {
        fn write(&mut self, piece: Buffer) -> Result<()> {
            self.0.lock().unwrap().extend_from_slice(&piece);
            Ok(())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    impl Upload for Kept<'_> {
        fn seal(self: Box<Self>, _: &Fingerprint, _: u64) -> Result<()> {
            Ok(())
        }
    }

    /// Fails after a while, when all before it wait.
    #[derive(Debug)]
    struct Failing;

    impl PieceWriter for Failing {
        fn write(&mut self, _: Buffer) -> Result<()> {
            std::thread::sleep(Duration::from_millis(200));
            Err(Error::stream(io::Error::other("the far end has hung up")))
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    impl Upload for Failing {
        fn seal(self: Box<Self>, _: &Fingerprint, _: u64) -> Result<()> {
            Ok(())
        }
    }

    /// A program may do nothing for `patience` times 10 ms.
    fn timings(patience: u32) -> ProgramTimings {
        let [turn, stopping, leaving] = [10, 500, 500].map(Duration::from_millis);
        ProgramTimings { turn, patience, stopping, leaving }
    }

    /// What a shell script as the compressor makes of some bytes.
    fn compressed(script: &str, bytes: &[u8], timings: &ProgramTimings) -> Result<Vec<u8>> {
        let kept = Mutex::default();
        compress_to(Box::new(Kept(&kept)), script, bytes, timings)?;
        Ok(kept.into_inner().unwrap())
    }

    fn compress_to(upload: Box<dyn Upload + '_>, script: &str, bytes: &[u8], timings: &ProgramTimings) -> Result<()> {
        let (metrics, abort, buffers) = (Metrics::default(), Abort::new(&CancelToken::NEVER), Buffers::default());
        let result = std::thread::scope(|scope| {
            let (metrics, abort, cancel, buffers) = (&metrics, &abort, abort.token(), &buffers);
            let context = SinkContext { scope, metrics, abort, cancel, buffers, queue_length: 1, timings };
            let output = Output::start(context, upload, Hasher::default(), None)?;
            let mut command = command("sh");
            command.args(["-c", script]);
            let mut compressor = Compressor::run(context, "gzip", command, output)?;
            bytes.chunks(PIPE_CAPACITY).try_for_each(|piece| compressor.feed(piece))?;
            compressor.finish().map(|_| ())
        });
        abort.explain(result)
    }

    #[test]
    fn a_program_that_does_nothing_is_given_up() {
        let bytes = vec![b'a'; 4 * PIPE_CAPACITY];
        let silent = "`gzip` has neither read nor written anything for 0 s";
        for (script, words) in [
            ("exec sleep 60", silent),
            // It has written, and then does not read the rest.
            ("head -c 70000; exec sleep 60", silent),
            // It has read everything, and then says nothing.
            ("cat > /dev/null; exec sleep 60", silent),
            ("cat; exec >&-; exec sleep 60", "`gzip` closed its output and did not end"),
            ("exec <&-; exec sleep 60", "`gzip` ended before it had read all of its input"),
        ] {
            let error = compressed(script, &bytes, &timings(30)).unwrap_err();
            assert!(error.to_string().starts_with(words), "{script}: {error}");
        }
    }

    /// Whoever sees it first: who feeds the program, who reads its output, or both.
    #[test]
    fn an_output_that_fails_is_the_cause() {
        let bytes = vec![b'a'; 8 * PIPE_CAPACITY];
        for script in ["exec yes", "exec cat", "cat; exec yes", "yes & exec cat"] {
            let error = compress_to(Box::new(Failing), script, &bytes, &timings(300)).unwrap_err();
            assert_eq!(format!("{error:#}"), "cannot write the image: the far end has hung up", "{script}");
        }
    }

    #[test]
    fn a_program_that_does_something_now_and_then_is_not_given_up() {
        let bytes = vec![b'a'; 2 * PIPE_CAPACITY];
        // Each pause is shorter than it may be, all of them together are longer.
        let slow = "head -c 65536; sleep 0.7; head -c 65000; sleep 0.7; cat; sleep 0.7; echo end";
        assert_eq!(compressed(slow, &bytes, &timings(180)).unwrap(), [&bytes[..], b"end\n"].concat());
    }
}
