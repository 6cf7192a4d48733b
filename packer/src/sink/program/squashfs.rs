//! squashfs: a filesystem instead of a compressed tar, made by `tar2sqfs` as LXD and Incus run it.
//!
//! The program seeks in what it writes. It gets the staged file as its standard output and opens that by its handle, so that
//! there is neither a name nor a second file. It is hashed when it is complete: the superblock is written last.

use std::ffi::OsStr;
use std::fs::File;
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
use crate::publish::directory::Staged;
use crate::sink::output::{Workshop, Written};
use crate::sink::program::process::{self, PATIENCE, Process, STOPPED, TURN};
use crate::tree::entry::Entry;

/// The program that makes it, of squashfs-tools-ng.
pub(crate) const PROGRAM: &str = "tar2sqfs";

/// `--no-skip`: what it cannot keep is an error. The number of its threads is its own choice: its output does not depend on it.
const ARGUMENTS: [&str; 6] = ["--no-skip", "--force", "--compressor", "xz", "-q", "/proc/self/fd/1"];

/// What a filesystem begins with.
pub(crate) const MAGIC: &[u8] = b"hsqs";

/// What its length is padded to, in bytes.
const PADDING: u64 = 4096;

/// How much is read back, and tried to be written, at once.
const PIECE: usize = 256 << 10;

/// An error if a filesystem that `tar2sqfs` makes would not hold an entry as it is.
///
/// It writes times that are out of bounds as the nearest one, and leaves `%25` and `%3D` in attributes' names. Attributes of other
/// kinds it refuses, but does not say of which entry. Parts of seconds are lost in any squashfs.
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

/// `tar2sqfs` at work.
#[derive(Debug)]
pub(crate) struct Builder<'scope> {
    process: Process<'scope>,
    file: Growing<'scope>,
}

/// The file that it writes.
#[derive(Debug)]
struct Growing<'scope> {
    staged: Staged,
    hasher: Hasher,
    limit: Option<u64>,
    metrics: &'scope Metrics,
    cancel: &'scope CancelToken,
    /// Its length when it was last looked at.
    length: u64,
}

impl<'scope> Builder<'scope> {
    /// Starts the program on an empty file; `limit` is the most bytes that the filesystem may have; the hash goes on from
    /// `hasher`.
    pub(crate) fn start(
        shop: Workshop<'scope, '_>,
        staged: Staged,
        hasher: Hasher,
        limit: Option<u64>,
    ) -> Result<Self> {
        // It can only read from this handle, so that nothing it might print gets into the file.
        let by_handle = format!("/proc/self/fd/{}", staged.file().as_raw_fd());
        let output: OwnedFd = rustix::fs::open(by_handle, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| Error::io("open a file by its handle in", staged.place(), error))?;
        let mut command = process::command(PROGRAM);
        command.args(ARGUMENTS);
        let (process, _) = Process::start(shop, PROGRAM, command, Stdio::from(output))?;
        Ok(Builder {
            process,
            file: Growing { staged, hasher, limit, metrics: shop.metrics, cancel: shop.cancel, length: 0 },
        })
    }

    /// Feeds the next bytes of the tar.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        let Builder { process, file } = self;
        file.is_idle()?;
        if process.feed(bytes, || file.is_idle())? {
            return Ok(());
        }
        let status = process.stopped()?;
        Err(self.ended_badly(status))
    }

    /// Ends the input, waits for the program and reads what it made.
    pub(crate) fn finish(mut self) -> Result<Written> {
        let unread = self.process.close();
        let mut waited = 0;
        let status = loop {
            if let Some(status) = self.process.leaves(TURN)? {
                break status;
            }
            waited = if self.file.is_idle()? { waited + 1 } else { 0 };
            if waited >= PATIENCE {
                return Err(self.process.given_up());
            }
        };
        if !status.success() {
            return Err(self.ended_badly(status));
        }
        if unread.is_some_and(|unread| unread.is_there()) {
            return Err(self.process.failed(STOPPED));
        }
        if !is_whole(self.file.staged.file()).map_err(|error| self.file.unreadable(error))? {
            return Err(self.process.failed("did not write a filesystem"));
        }
        self.file.finish()
    }

    /// What the program says is "I/O error", whatever the disk said. So that is asked once more.
    fn ended_badly(&mut self, status: ExitStatus) -> Error {
        let error = if status.signal() == Some(Signal::XFSZ.as_raw()) {
            Some(Errno::FBIG.into())
        } else if status.code().is_some() {
            self.file.grow().err()
        } else {
            None
        };
        match error {
            Some(error) => Error::io("write a file in", self.file.staged.place(), error),
            None => self.process.ended_badly(status),
        }
    }
}

impl Growing<'_> {
    /// Whether its length is still what it was.
    ///
    /// A file that turns out to be the double of another is taken back. What was taken back is there a second time, so the
    /// filesystem is too large for sure only when it has twice the limit.
    fn is_idle(&mut self) -> Result<bool> {
        let length = self.staged.file().metadata().map_err(|error| self.unreadable(error))?.len();
        match self.limit {
            Some(limit) if length / 2 > limit => Err(Error::too_large(limit)),
            _ => Ok(std::mem::replace(&mut self.length, length) == length),
        }
    }

    /// Writes a little more than there is.
    fn grow(&self) -> io::Result<()> {
        let length = self.staged.file().metadata()?.len();
        (0..4).try_for_each(|piece| self.staged.file().write_all_at(&vec![1; PIECE], length + piece * PIECE as u64))
    }

    /// Reads and hashes it.
    fn finish(mut self) -> Result<Written> {
        let mut piece = vec![0; PIECE];
        let mut length = 0;
        loop {
            self.cancel.check()?;
            let count = match self.staged.file().read_at(&mut piece, length) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.unreadable(error)),
            };
            self.metrics.time(Step::Hash, || self.hasher.update(&piece[..count]));
            self.metrics.count_read(count as u64);
            length += count as u64;
        }
        match self.limit {
            Some(limit) if length > limit => Err(Error::too_large(limit)),
            _ => Ok(Written::of(self.staged, self.hasher, length)),
        }
    }

    fn unreadable(&self, error: io::Error) -> Error {
        Error::io("read back the image in", self.staged.place(), error)
    }
}

/// Whether a file is a filesystem to its end, with nothing behind but the zeros that fill up its last block, or not even them.
pub(crate) fn is_whole(file: &File) -> io::Result<bool> {
    // The superblock: magic first, the bytes that are used at 40; all numbers little-endian.
    let mut superblock = [0; 96];
    match file.read_exact_at(&mut superblock, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        result => result?,
    }
    let Some(used) = superblock[40..].first_chunk() else { return Ok(false) };
    let used = u64::from_le_bytes(*used);
    let length = file.metadata()?.len();
    let ends = used == length || used.checked_next_multiple_of(PADDING) == Some(length);
    if !superblock.starts_with(MAGIC) || !ends {
        return Ok(false);
    }
    let mut behind = vec![0; (length - used) as usize];
    file.read_exact_at(&mut behind, used)?;
    Ok(behind.iter().all(|byte| *byte == 0))
}
