//! The writer of a squashfs: a filesystem instead of a compressed tar, made by `tar2sqfs` as LXD and Incus run it.
//!
//! The program seeks in what it writes. It gets the image's file as its standard output and opens it by its handle, so that there is
//! neither a name nor a second file. The file is hashed when it is complete: the superblock is written last.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Signal;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::Hasher;
use crate::metrics::{Metrics, Step};
use crate::sink::context::SinkContext;
use crate::sink::destination::{LocalFile, Upload};
use crate::sink::output::Written;
use crate::sink::program::command::command;
use crate::sink::program::process::{Process, STOPPED};
use crate::sink::program::squashfs_file::is_whole;
use crate::sink::program::timings::ProgramTimings;
use crate::sink::size_limit::SizeLimit;
use crate::tree::entry::Entry;

/// The program, of squashfs-tools-ng.
pub(crate) const PROGRAM: &str = "tar2sqfs";

/// With `--no-skip` an entry that the program cannot keep is an error. It chooses the number of its threads itself; its output does
/// not depend on that.
const ARGUMENTS: [&str; 6] = ["--no-skip", "--force", "--compressor", "xz", "-q", "/proc/self/fd/1"];

/// How much is read back, and tried to be written, at once.
const PIECE: usize = 256 << 10;

/// Fails if a filesystem that `tar2sqfs` makes would not hold an entry as it is.
///
/// The program changes times that are out of bounds to the nearest one, and leaves `%25` and `%3D` in the names of attributes. It
/// refuses attributes of other namespaces without naming the entry. Every squashfs drops fractions of seconds.
pub(crate) fn check_representable(entry: &Entry) -> Result<()> {
    let unfit = |what: String| Err(Error::unfit(OsStr::from_bytes(&entry.member.path), what));
    if u32::try_from(entry.member.modified.seconds).is_err() {
        return unfit("has a time before 1970 or after 2106, which squashfs cannot hold".to_owned());
    }
    let kept = |name: &[u8]| [&b"user."[..], b"trusted.", b"security."].iter().any(|kind| name.starts_with(kind));
    let fits = |name: &[u8]| kept(name) && !name.iter().any(|byte| b"%=".contains(byte));
    match entry.member.xattrs.iter().find(|attribute| !fits(&attribute.name)) {
        Some(attribute) => {
            let name = attribute.name.escape_ascii();
            unfit(format!("has the attribute `{name}`, which squashfs or `tar2sqfs` cannot hold"))
        }
        None => Ok(()),
    }
}

/// `tar2sqfs`, being fed.
#[derive(Debug)]
pub(crate) struct SquashfsWriter<'scope, 'to> {
    process: Process<'scope>,
    file: SquashfsFile<'scope, 'to>,
    timings: &'scope ProgramTimings,
}

/// The file that the program writes.
#[derive(Debug)]
struct SquashfsFile<'scope, 'to> {
    upload: Box<dyn Upload + 'to>,
    hasher: Hasher,
    size_limit: Option<SizeLimit>,
    metrics: &'scope Metrics,
    cancel: &'scope CancelToken,
    /// Its length when it was last looked at.
    length: u64,
}

impl<'scope, 'to: 'scope> SquashfsWriter<'scope, 'to> {
    /// Starts the program on an empty file. Fails beyond `size_limit`. The hash continues from `hasher`.
    pub(crate) fn start(
        context: SinkContext<'scope, '_>,
        upload: Box<dyn Upload + 'to>,
        hasher: Hasher,
        size_limit: Option<SizeLimit>,
    ) -> Result<Self> {
        let SinkContext { metrics, cancel, timings, .. } = context;
        let LocalFile { file, directory } = upload.local_file()?;
        // The handle is read-only, so that nothing that the program prints gets into the file.
        let by_handle = format!("/proc/self/fd/{}", file.as_raw_fd());
        let output: OwnedFd = rustix::fs::open(by_handle, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| Error::io("open a file by its handle in", directory, error))?;
        let mut command = command(PROGRAM);
        command.args(ARGUMENTS);
        let (process, _) = Process::start(context, PROGRAM, command, Stdio::from(output))?;
        let file = SquashfsFile { upload, hasher, size_limit, metrics, cancel, length: 0 };
        Ok(SquashfsWriter { process, file, timings })
    }

    /// Feeds the next bytes of the tar.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        let SquashfsWriter { process, file, .. } = self;
        file.is_idle()?;
        if process.feed(bytes, || file.is_idle())? {
            return Ok(());
        }
        let status = process.stopped()?;
        Err(self.ended_badly(status))
    }

    /// Ends the input, waits for the program and hashes what it made.
    pub(crate) fn finish(mut self) -> Result<Written<'to>> {
        let remainder = self.process.close();
        let mut waited = 0;
        let status = loop {
            if let Some(status) = self.process.wait_for(self.timings.turn)? {
                break status;
            }
            waited = if self.file.is_idle()? { waited + 1 } else { 0 };
            if waited >= self.timings.patience {
                return Err(self.process.given_up());
            }
        };
        if !status.success() {
            return Err(self.ended_badly(status));
        }
        if remainder.is_some_and(|remainder| remainder.has_bytes()) {
            return Err(self.process.failed(STOPPED));
        }
        let whole = is_whole(self.file.local()?.file).map_err(|error| self.file.unreadable(error))?;
        if !whole {
            return Err(self.process.failed("did not write a filesystem"));
        }
        self.file.finish()
    }

    /// The program says "I/O error", whatever the disk said. So the disk is asked once more.
    fn ended_badly(&mut self, status: ExitStatus) -> Error {
        let error = if status.signal() == Some(Signal::XFSZ.as_raw()) {
            Some(Errno::FBIG.into())
        } else if status.code().is_some() {
            self.file.grow().err()
        } else {
            None
        };
        match error {
            Some(error) => self.file.failed("write a file in", error),
            None => self.process.ended_badly(status),
        }
    }
}

impl<'to> SquashfsFile<'_, 'to> {
    fn local(&self) -> Result<LocalFile<'_>> {
        self.upload.local_file()
    }

    /// Whether its length is still what it was.
    ///
    /// `tar2sqfs` writes a duplicate file and then truncates it away, so the file may be up to twice as large as the result. Only
    /// beyond that is the limit certainly exceeded.
    fn is_idle(&mut self) -> Result<bool> {
        let length = self.local()?.file.metadata().map_err(|error| self.unreadable(error))?.len();
        self.size_limit.map_or(Ok(()), |limit| limit.check(length / 2))?;
        Ok(std::mem::replace(&mut self.length, length) == length)
    }

    /// Writes a little more than there is.
    fn grow(&self) -> io::Result<()> {
        let file = self.local().map_err(io::Error::other)?.file;
        let length = file.metadata()?.len();
        (0..4).try_for_each(|piece| file.write_all_at(&vec![1; PIECE], length + piece * PIECE as u64))
    }

    /// Reads and hashes it.
    fn finish(mut self) -> Result<Written<'to>> {
        let mut piece = vec![0; PIECE];
        let mut length = 0;
        loop {
            self.cancel.check()?;
            let count = match self.local()?.file.read_at(&mut piece, length) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.unreadable(error)),
            };
            self.metrics.time(Step::Hash, || self.hasher.update(&piece[..count]));
            self.metrics.count_read(count as u64);
            length += count as u64;
        }
        self.size_limit.map_or(Ok(()), |limit| limit.check(length))?;
        Ok(Written { upload: self.upload, hasher: self.hasher, length })
    }

    fn unreadable(&self, error: io::Error) -> Error {
        self.failed("read back the image in", error)
    }

    fn failed(&self, operation: &'static str, error: io::Error) -> Error {
        match self.local() {
            Ok(LocalFile { directory, .. }) => Error::io(operation, directory, error),
            Err(error) => error,
        }
    }
}
