//! The tar of a squashfs, made by `sqfs2tar` of squashfs-tools-ng.

use std::fs::File;
use std::io::{self, Read};
use std::process::{ChildStderr, ChildStdout, Stdio};

use rustix::event::{PollFd, PollFlags};

use crate::error::Error;
use crate::read::context::ReadContext;
use crate::sink::program::ProgramTimings;
use crate::sink::program::child_guard::ChildGuard;
use crate::sink::program::command::{command, not_started};
use crate::sink::program::pipe::{any_ready, append_message, with_message};
use crate::sink::program::squashfs_file::is_whole;

const PROGRAM: &str = "sqfs2tar";

const TIMINGS: ProgramTimings = ProgramTimings::DEFAULT;

/// Without `--no-skip` the program omits what a tar cannot hold; without `--root-becomes` it omits the top.
const ARGUMENTS: [&str; 4] = ["--no-skip", "--root-becomes", ".", "/proc/self/fd/0"];

/// Reads a filesystem as a tar. Names begin with `./`, and the top itself is the first member.
pub(crate) struct SquashfsReader<'a> {
    context: &'a ReadContext<'a>,
    file: File,
    child: ChildGuard,
    output: ChildStdout,
    errors: ChildStderr,
    /// The beginning of what the program wrote to standard error.
    message: Vec<u8>,
    ended: bool,
}

impl<'a> SquashfsReader<'a> {
    /// Starts the program.
    pub(crate) fn open(file: File, context: &'a ReadContext<'a>) -> io::Result<Self> {
        let mut command = command(PROGRAM);
        command.args(ARGUMENTS).stdin(Stdio::from(file.try_clone()?));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = ChildGuard::new(child.map_err(|error| io::Error::other(not_started(PROGRAM, &error)))?);
        let piped = || io::Error::other("a program has no pipes");
        let output = child.child.stdout.take().ok_or_else(piped)?;
        let errors = child.child.stderr.take().ok_or_else(piped)?;
        rustix::io::ioctl_fionbio(&output, true)?;
        rustix::io::ioctl_fionbio(&errors, true)?;
        Ok(SquashfsReader { context, file, child, output, errors, message: Vec::new(), ended: false })
    }

    /// Empties the pipe of standard error, so that the program never blocks on it.
    fn drain_errors(&mut self) {
        let mut bytes = [0; 1 << 10];
        while let Ok(count @ 1..) = self.errors.read(&mut bytes) {
            append_message(&mut self.message, &bytes[..count]);
        }
    }

    /// Checks the exit status and the file: the end of the output alone does not show that the tar is complete.
    fn finish(&mut self) -> io::Result<()> {
        let left =
            self.child.wait_for(TIMINGS.leaving, || self.context.cancel().check()).map_err(io::Error::other)??;
        self.drain_errors();
        match left {
            None => Err(self.failed("closed its output and did not end")),
            Some(status) if !status.success() => Err(self.failed(&format!("failed ({status})"))),
            Some(_) if !is_whole(&self.file)? => Err(io::Error::other("something stands behind the filesystem")),
            Some(_) => {
                // The program read the file, so this reader has not counted its bytes.
                self.context.advance(self.file.metadata()?.len());
                Ok(())
            }
        }
    }

    fn failed(&self, what: &str) -> io::Error {
        io::Error::other(Error::compressor(PROGRAM, with_message(what, &self.message)))
    }
}

impl Read for SquashfsReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut idle_turns = 0;
        while !self.ended && !buffer.is_empty() {
            self.context.cancel().check().map_err(io::Error::other)?;
            match self.output.read(buffer) {
                Ok(0) => {
                    self.finish()?;
                    self.ended = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.drain_errors();
                    let mut pipes =
                        [PollFd::new(&self.output, PollFlags::IN), PollFd::new(&self.errors, PollFlags::IN)];
                    idle_turns = if any_ready(&mut pipes, TIMINGS.turn) { 0 } else { idle_turns + 1 };
                    if idle_turns >= TIMINGS.patience {
                        return Err(self.failed("has not written anything for half a minute"));
                    }
                }
                result => return result,
            }
        }
        Ok(0)
    }
}
