//! Framing: a segment in, its part of the tar out. This is where files are opened and read.
//!
//! Every byte of content is read from a handle that was compared with what the walk listed, before and after reading. A
//! file that another took the place of, or that grew, shrank or was touched since, fails the pack – or is listed, if the
//! tree is a live one. The header's size is a promise either way: exactly that many bytes follow it.

use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::segment::{Part, Segment};
use crate::tar;
use crate::tree::changes::Changes;
use crate::tree::directory::{Handles, OPEN, stat};
use crate::tree::entry::{Entry, Kind, REPLACED, SHRANK, Stat};
use crate::tree::holes::Piece;

/// Frames segments of one tree, one at a time.
#[derive(Debug)]
pub(crate) struct Framer<'a> {
    handles: Handles<'a>,
    changes: &'a Changes,
}

impl<'a> Framer<'a> {
    pub(crate) fn new(handles: Handles<'a>, changes: &'a Changes) -> Self {
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
                    let length = tar::content(entry);
                    if length > 0 {
                        read += self.content(entry, 0..length, out)?;
                        tar::pad(out, length);
                    }
                }
                Part::Range { file, from, to } => {
                    if *from == 0 {
                        tar::header(file, out);
                    }
                    read += self.content(file, *from..*to, out)?;
                    if *to == tar::content(file) {
                        tar::pad(out, *to);
                    }
                }
                Part::Framed(framed) => out.append(&framed.bytes),
                Part::End => out.append_zeros(tar::END),
            }
        }
        Ok(read)
    }

    /// Appends a part of what the archive holds of a file; says how many bytes of the file were read for it.
    fn content(&mut self, entry: &Entry, part: Range<u64>, out: &mut Buffer) -> Result<u64> {
        let Kind::SparseFile { map } = &entry.kind else { return self.bytes(entry, part, out) };
        let mut read = 0;
        for piece in map.pieces(part) {
            match piece {
                Piece::Map(bytes) => out.append(bytes),
                Piece::Data(bytes) => read += self.bytes(entry, bytes, out)?,
            }
        }
        Ok(read)
    }

    /// Appends these bytes of a file, or zeros where it changed and has none; says how many were read.
    pub(crate) fn bytes(&mut self, entry: &Entry, bytes: Range<u64>, out: &mut Buffer) -> Result<u64> {
        let (start, length) = (out.len(), (bytes.end - bytes.start) as usize);
        if let Err(error) = self.read(entry, bytes, out) {
            self.changes.tolerate(error)?;
        }
        let read = out.len() - start;
        out.append_zeros(length - read);
        Ok(read as u64)
    }

    fn read(&mut self, entry: &Entry, bytes: Range<u64>, out: &mut Buffer) -> Result<()> {
        let name = entry.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let file = self.handles.open(&entry.directory, name, OPEN)?;
        let look = || stat(&file).map_err(|error| Error::io("stat", OsStr::from_bytes(&entry.path), error));
        let found = look()?;
        if !entry.stat.is_same_file(&found) {
            return Err(Error::changed(&entry.path, REPLACED));
        }
        self.compare(entry, &found)?;
        read(|buffer, at| rustix::io::pread(&file, buffer, at), &entry.path, bytes, out)?;
        self.compare(entry, &look()?)
    }

    fn compare(&self, entry: &Entry, found: &Stat) -> Result<()> {
        match entry.stat.difference(found) {
            Some(what) => self.changes.tolerate(Error::changed(&entry.path, what)),
            None => Ok(()),
        }
    }
}

/// Appends these bytes of an entry's file; `pread` reads some bytes at an offset and says how many.
fn read(
    mut pread: impl FnMut(&mut [u8], u64) -> rustix::io::Result<usize>,
    path: &[u8],
    bytes: Range<u64>,
    out: &mut Buffer,
) -> Result<()> {
    let mut at = bytes.start;
    while at < bytes.end {
        let wanted = usize::try_from(bytes.end - at).unwrap_or(usize::MAX);
        match pread(out.room(wanted), at) {
            Ok(0) => return Err(Error::changed(path, SHRANK)),
            Ok(count) => {
                out.keep(count);
                at += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(Error::io("read", OsStr::from_bytes(path), error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A file of 5,000 bytes that is read in short pieces, with interruptions, and fails or ends at some byte.
        #[test]
        fn reads_are_put_together_or_say_why_not(
            from in 0..2_000_u64,
            to in 2_000..5_000_u64,
            pieces in proptest::collection::vec(0..900_usize, 1..9),
            fails in 0..10_000_u64,
            ends: bool,
        ) {
            let content: Vec<u8> = (0..5_000_u32).map(|at| (at / 7) as u8).collect();
            let mut calls = 0;
            let pread = |buffer: &mut [u8], at: u64| {
                calls += 1;
                let piece = pieces[calls % pieces.len()];
                match piece.min(buffer.len()).min(fails.saturating_sub(at) as usize) {
                    0 if at >= fails => if ends { Ok(0) } else { Err(Errno::IO) },
                    0 if calls % 2 == 0 => Err(Errno::INTR),
                    0 => { buffer[0] = content[at as usize]; Ok(1) }
                    count => { buffer[..count].copy_from_slice(&content[at as usize..][..count]); Ok(count) }
                }
            };
            let mut out = Buffer::default();
            let result = read(pread, b"name", from..to, &mut out);
            let got = to.min(fails.max(from));
            prop_assert!(out[..] == content[from as usize..got as usize]);
            match result {
                Ok(()) => prop_assert!(fails >= to),
                Err(error) => prop_assert!(fails < to && (error.kind() == crate::ErrorKind::Changed) == ends, "{error}"),
            }
        }
    }
}
