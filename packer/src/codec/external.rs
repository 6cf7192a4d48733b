//! External compressors: the one place where the packer starts a process.
//!
//! The program comes from an allow-list and its argument vector is fixed: `NAME -c [-n for gzip and pigz] [-LEVEL]`, the tar
//! on standard input, the image on standard output, as LXD and Incus run them. It inherits nothing but its three pipes.
//!
//! When it fails, its own words are the cause, not the broken pipe that we see.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::thread::{Scope, ScopedJoinHandle};

use rustix::fs::{Mode, OFlags};

use super::Level;
use crate::error::{Error, Result};
use crate::output::{Output, Written};
use crate::pool::Panicked;

/// A compressor that may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// GNU gzip.
    Gzip,
    /// pigz, a parallel gzip.
    Pigz,
    /// The zstd command.
    Zstd,
}

/// Where programs are looked for. The caller's `PATH` is not used: an image must not depend on it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a pipe holds by default on Linux, in bytes.
const PIPE: usize = 64 << 10;

/// How much of a program's standard error is kept for the message.
const WORDS: u64 = 4 << 10;

impl Program {
    /// All programs that may be run.
    pub const ALL: [Program; 3] = [Program::Gzip, Program::Pigz, Program::Zstd];

    /// Its name, which is also the command.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Program::Gzip => "gzip",
            Program::Pigz => "pigz",
            Program::Zstd => "zstd",
        }
    }

    pub(super) fn extension(self) -> &'static str {
        match self {
            Program::Gzip | Program::Pigz => ".tar.gz",
            Program::Zstd => ".tar.zst",
        }
    }

    fn arguments(self, level: Option<Level<1, 9>>) -> Vec<String> {
        let mut arguments = vec!["-c".to_owned()];
        match self {
            // Neither name nor time of the input in the header.
            Program::Gzip | Program::Pigz => arguments.push("-n".to_owned()),
            Program::Zstd => {}
        }
        arguments.extend(level.map(|level| format!("-{}", level.get())));
        arguments
    }

    fn command(self) -> Command {
        let mut command = Command::new(self.name());
        command.env_clear().env("PATH", PATH).env("LC_ALL", "C").current_dir("/");
        command
    }

    /// The first line of what the program says of its version.
    pub(crate) fn version(self) -> Result<String> {
        let output = self.command().arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(|error| self.not_started(&error))?;
        // pigz before 2.7 prints its version on standard error.
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned())
    }

    fn not_started(self, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::NotFound => Error::compressor(self.name(), format!("is not installed (looked in {PATH})")),
            _ => Error::compressor(self.name(), format!("cannot be started: {error}")),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Program {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let found = Program::ALL.into_iter().find(|program| program.name() == name);
        found.ok_or_else(|| {
            let known = Program::ALL.map(Program::name).join(", ");
            format!("the program `{}` is not one of {known}", name.escape_debug())
        })
    }
}

/// A running compressor: bytes are fed in, and what it writes is drained by a thread.
#[derive(Debug)]
pub(crate) struct Compressor<'scope> {
    program: Program,
    child: Reaped,
    input: Option<ChildStdin>,
    output: Option<ScopedJoinHandle<'scope, Result<Output<'scope>>>>,
    words: Option<ScopedJoinHandle<'scope, Vec<u8>>>,
}

/// Ends the child when it goes out of scope, however that comes about.
#[derive(Debug)]
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        // Only of interest after a failure that is reported already; both calls do nothing if it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl<'scope> Compressor<'scope> {
    /// Starts the program with its output going to `output`.
    pub(crate) fn start(
        scope: &'scope Scope<'scope, '_>,
        program: Program,
        level: Option<Level<1, 9>>,
        output: Output<'scope>,
    ) -> Result<Self> {
        let mut command = program.command();
        command.args(program.arguments(level)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Reaped(command.spawn().map_err(|error| program.not_started(&error))?);
        let (input, from, words) = (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take());
        let piped = || Error::compressor(program.name(), "has no pipes");
        let (from, words) = (from.ok_or_else(piped)?, words.ok_or_else(piped)?);
        Ok(Compressor {
            program,
            child,
            input,
            output: Some(scope.spawn(move || pump(program, from, output))),
            words: Some(scope.spawn(move || listen(words))),
        })
    }

    /// Feeds the next bytes of the tar.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(input) = &mut self.input else { return Ok(()) };
        match input.write_all(bytes) {
            Ok(()) => Ok(()),
            Err(symptom) => Err(self.cause(&symptom)),
        }
    }

    /// Ends the input and waits for everything; gives the output back.
    pub(crate) fn finish(mut self) -> Result<Written> {
        let unread = self.input.take().and_then(Unread::behind);
        let output = self.output.take().map(join);
        let status = self.child.0.wait().map_err(|error| self.failed(&format!("cannot be waited for: {error}")))?;
        match (output, status.success()) {
            (Some(Err(error)), _) => Err(error),
            (_, false) => Err(self.ended_badly(status)),
            (_, true) if unread.is_some_and(|unread| unread.is_there()) => Err(self.failed(STOPPED)),
            (Some(Ok(output)), true) => match output.finish()? {
                Written { length: 0, .. } => Err(self.failed("wrote nothing")),
                written => Ok(written),
            },
            (None, true) => Err(self.failed("has no output")),
        }
    }

    /// Why a write to the program failed: our output's error if there is one, or how the program ended.
    fn cause(&mut self, symptom: &io::Error) -> Error {
        drop(self.input.take());
        if let Some(Err(error)) = self.output.take().map(join) {
            return error;
        }
        match self.child.0.wait() {
            Ok(status) if status.success() => self.failed(STOPPED),
            Ok(status) => self.ended_badly(status),
            Err(_) => self.failed(&format!("cannot be written to: {symptom}")),
        }
    }

    fn ended_badly(&mut self, status: ExitStatus) -> Error {
        self.failed(&format!("failed ({status})"))
    }

    fn failed(&mut self, what: &str) -> Error {
        let words = self.words.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        match words.trim() {
            "" => Error::compressor(self.program.name(), what),
            words => Error::compressor(self.program.name(), format!("{what}: {}", words.escape_debug())),
        }
    }
}

/// What is said of a program that exits with 0 too early.
const STOPPED: &str = "ended before it had read all of its input";

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

fn join<'scope>(thread: ScopedJoinHandle<'scope, Result<Output<'scope>>>) -> Result<Output<'scope>> {
    thread.join().unwrap_or_else(|_| Err(Panicked("the thread that reads a compressor panicked".into()).into()))
}

/// Moves the program's output on. Stopping early closes the pipe, which ends the program.
fn pump(program: Program, mut from: impl Read, mut output: Output<'_>) -> Result<Output<'_>> {
    loop {
        let mut buffer = output.buffer();
        match from.read(buffer.room(PIPE)) {
            Ok(0) => return Ok(output),
            Ok(count) => {
                buffer.keep(count);
                output.write(buffer)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::compressor(program.name(), format!("cannot be read from: {error}"))),
        }
    }
}

/// Reads all that a program says, so that it never blocks, and keeps the beginning.
fn listen(mut from: impl Read) -> Vec<u8> {
    let mut words = Vec::new();
    let _ = from.by_ref().take(WORDS).read_to_end(&mut words);
    let _ = io::copy(&mut from, &mut io::sink());
    words
}
