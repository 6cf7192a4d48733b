//! Framing: a segment in, its part of the tar out. This is where files are opened and read.
//!
//! Every byte of content is read from a handle that was compared with what the walk listed, before and after reading. A
//! file that another took the place of, or that grew, shrank or was touched since, fails the pack – or is listed, if the
//! tree is a live one. The header's size is a promise either way: exactly that many bytes follow it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

use crate::buffer::Buffer;
use crate::changes::Changes;
use crate::directory::{Handles, OPEN, stat};
use crate::entry::{Entry, Kind, REPLACED, SHRANK, Stat};
use crate::error::{Error, Result};
use crate::segment::{Part, Segment};
use crate::tar;

/// Frames segments of one tree, one at a time.
#[derive(Debug)]
pub(crate) struct Framer<'a> {
    handles: Handles,
    changes: &'a Changes,
}

impl<'a> Framer<'a> {
    pub(crate) fn new(handles: Handles, changes: &'a Changes) -> Self {
        Framer { handles, changes }
    }

    /// Appends the framed segment to `out`; says how many bytes of content were read.
    pub(crate) fn frame(&mut self, segment: &Segment, out: &mut Buffer) -> Result<u64> {
        out.room(usize::try_from(segment.length).unwrap_or(0));
        let mut read = 0;
        for part in &segment.parts {
            match part {
                Part::Member(entry) => {
                    tar::header(entry, out);
                    if matches!(entry.kind, Kind::File) && entry.stat.size > 0 {
                        read += self.content(entry, 0, entry.stat.size, out)?;
                        tar::pad(out, entry.stat.size);
                    }
                }
                Part::Range { file, from, to } => {
                    if *from == 0 {
                        tar::header(file, out);
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

    /// Appends the bytes `from..to` of a file; says how many were read. What is missing of a file that changed is zeros.
    fn content(&mut self, entry: &Entry, from: u64, to: u64, out: &mut Buffer) -> Result<u64> {
        let start = out.len();
        if let Err(error) = self.read(entry, from, to, out) {
            self.changes.tolerate(error)?;
        }
        let read = out.len() - start;
        out.append_zeros((to - from) as usize - read);
        Ok(read as u64)
    }

    fn read(&mut self, entry: &Entry, from: u64, to: u64, out: &mut Buffer) -> Result<()> {
        let name = entry.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let file = self.handles.open(&entry.directory, name, OPEN)?;
        let found = stat(file.as_fd(), &entry.path)?;
        if !entry.stat.is_same_file(&found) {
            return Err(Error::changed(&entry.path, REPLACED));
        }
        self.compare(entry, &found)?;
        read(&file, entry, from, to, out)?;
        self.compare(entry, &stat(file.as_fd(), &entry.path)?)
    }

    fn compare(&self, entry: &Entry, found: &Stat) -> Result<()> {
        match entry.stat.difference(found) {
            Some(what) => self.changes.tolerate(Error::changed(&entry.path, what)),
            None => Ok(()),
        }
    }
}

fn read(file: &OwnedFd, entry: &Entry, from: u64, to: u64, out: &mut Buffer) -> Result<()> {
    let mut at = from;
    while at < to {
        let wanted = usize::try_from(to - at).unwrap_or(usize::MAX);
        match rustix::io::pread(file, &mut *out.room(wanted), at) {
            Ok(0) => return Err(Error::changed(&entry.path, SHRANK)),
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
