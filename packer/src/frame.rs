//! Framing: a segment in, its part of the tar out. This is where files are opened and read.
//!
//! Every byte of content is read from a handle that was compared with what the walk listed, before and after reading: a
//! file that another took the place of, or that grew, shrank or was touched since, is an error. The header's size is a
//! promise: exactly that many bytes follow it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::buffer::Buffer;
use crate::directory::{Handles, OPEN, stat};
use crate::entry::{Entry, Kind};
use crate::error::{Error, Result};
use crate::segment::{Part, Segment};
use crate::tar;

/// Frames segments of one tree, one at a time.
#[derive(Debug)]
pub(crate) struct Framer {
    handles: Handles,
}

impl Framer {
    pub(crate) fn new(handles: Handles) -> Self {
        Framer { handles }
    }

    /// Appends the framed segment to `out`; says how many bytes of content were read.
    pub(crate) fn frame(&mut self, segment: &Segment, out: &mut Buffer) -> Result<u64> {
        out.room(usize::try_from(segment.length).unwrap_or(0));
        let mut read = 0;
        for part in &segment.parts {
            match part {
                Part::Member(entry) => {
                    let target = self.target(entry)?;
                    tar::header(entry, &target, out);
                    if matches!(entry.kind, Kind::File) && entry.stat.size > 0 {
                        read += self.content(entry, 0, entry.stat.size, out)?;
                        tar::pad(out, entry.stat.size);
                    }
                }
                Part::Range { file, from, to } => {
                    if *from == 0 {
                        tar::header(file, b"", out);
                    }
                    read += self.content(file, *from, *to, out)?;
                    if *to == file.stat.size {
                        tar::pad(out, *to);
                    }
                }
                Part::End => out.append_zeros(tar::END),
            }
        }
        Ok(read)
    }

    /// Appends the bytes `from..to` of a file.
    fn content(&mut self, entry: &Entry, from: u64, to: u64, out: &mut Buffer) -> Result<u64> {
        let file = self.open(entry, OPEN)?;
        read(&file, entry, from, to, out)?;
        unchanged(entry, &file)?;
        Ok(to - from)
    }

    fn target(&mut self, entry: &Entry) -> Result<Vec<u8>> {
        if !matches!(entry.kind, Kind::Symlink) {
            return Ok(Vec::new());
        }
        let link = self.open(entry, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC)?;
        let target = rustix::fs::readlinkat(&link, c"", Vec::new())
            .map_err(|error| Error::io("read link", OsStr::from_bytes(&entry.path), error))?;
        Ok(target.into_bytes())
    }

    /// Opens an entry and makes sure that it is the one that was listed.
    fn open(&mut self, entry: &Entry, flags: OFlags) -> Result<OwnedFd> {
        let name = entry.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let file = self.handles.open(&entry.directory, name, flags)?;
        unchanged(entry, &file)?;
        Ok(file)
    }
}

fn unchanged(entry: &Entry, file: &OwnedFd) -> Result<()> {
    match entry.stat.difference(&stat(file.as_fd(), &entry.path)?) {
        Some(what) => Err(Error::changed(&entry.path, what)),
        None => Ok(()),
    }
}

fn read(file: &OwnedFd, entry: &Entry, from: u64, to: u64, out: &mut Buffer) -> Result<()> {
    let mut at = from;
    while at < to {
        let wanted = usize::try_from(to - at).unwrap_or(usize::MAX);
        match rustix::io::pread(file, &mut *out.room(wanted), at) {
            Ok(0) => return Err(Error::changed(&entry.path, "it shrank")),
            Ok(count) => {
                out.keep(count);
                at += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(Error::io("read", OsStr::from_bytes(&entry.path), error)),
        }
    }
    Ok(())
}
