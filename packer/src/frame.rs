//! Stage 4: frames segments. A segment in, its part of the tar out; files are opened and read here.
//!
//! A file is compared with the listed one before and after it is read. One that was replaced, grew, shrank or was touched since fails
//! the pack, or is listed if the tree is a live one. An entry without content is looked at once more by its name. The header's size is a promise either way: exactly that many bytes follow it.

use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::segment::{Part, Segment};
use crate::tar::sparse::{self, Piece};
use crate::tar::{self, append_header, append_padding, content_size};
use crate::tree::changes::Changes;
use crate::tree::directory::{DirHandleCache, OPEN_FLAGS, fstat};
use crate::tree::entry::{Entry, Kind};
use crate::tree::stat::{REPLACED, SHRANK, Stat};

/// Frames segments of one tree, one at a time.
#[derive(Debug)]
pub(crate) struct Framer<'a> {
    handles: DirHandleCache<'a>,
    changes: &'a Changes,
}

impl<'a> Framer<'a> {
    pub(crate) fn new(handles: DirHandleCache<'a>, changes: &'a Changes) -> Self {
        Framer { handles, changes }
    }

    /// Appends the framed segment to `out`, and returns how many bytes of content were read.
    pub(crate) fn frame(&mut self, segment: &Segment, out: &mut Buffer) -> Result<u64> {
        // Makes the buffer grow at once, not entry by entry.
        out.spare_mut(usize::try_from(segment.length).unwrap_or(0));
        let mut read = 0;
        for part in &segment.parts {
            match part {
                Part::Member(entry) => {
                    append_header(&entry.member, out);
                    let length = content_size(&entry.member);
                    if length > 0 {
                        read += self.append_content(entry, 0..length, out)?;
                        append_padding(length, out);
                    }
                    if !is_read(&entry.member.kind) {
                        self.look_again(entry)?;
                    }
                }
                Part::Range { file, content } => {
                    if content.start == 0 {
                        append_header(&file.member, out);
                    }
                    read += self.append_content(file, content.clone(), out)?;
                    if content.end == content_size(&file.member) {
                        append_padding(content.end, out);
                    }
                }
                Part::Framed(framed) => out.append(&framed.bytes),
                Part::End => out.append_zeros(tar::END_OF_ARCHIVE_SIZE),
            }
        }
        Ok(read)
    }

    /// Looks once more at an entry of which nothing is read.
    fn look_again(&mut self, entry: &Entry) -> Result<()> {
        let found = self.handles.stat_again(&entry.directory, entry.name());
        found.and_then(|found| self.compare(entry, &found)).or_else(|error| self.changes.tolerate(error))
    }

    /// Appends a range of a member's content, and returns how many bytes of the file were read for it.
    fn append_content(&mut self, entry: &Entry, content: Range<u64>, out: &mut Buffer) -> Result<u64> {
        let Kind::SparseFile { extents } = &entry.member.kind else { return self.append_bytes(entry, content, out) };
        let mut read = 0;
        for piece in sparse::pieces(extents, content) {
            match piece {
                Piece::Map(bytes) => out.append(&bytes),
                Piece::Data(range) => read += self.append_bytes(entry, range, out)?,
            }
        }
        Ok(read)
    }

    /// Appends a range of a file, with zeros for bytes that it has lost, and returns how many bytes were read.
    pub(crate) fn append_bytes(&mut self, entry: &Entry, range: Range<u64>, out: &mut Buffer) -> Result<u64> {
        let (start, length) = (out.len(), (range.end - range.start) as usize);
        #[cfg(fault_injection)]
        let from_start = range.start == 0;
        if let Err(error) = self.read(entry, range, out) {
            self.changes.tolerate(error)?;
        }
        let read = out.len() - start;
        #[cfg(fault_injection)]
        if from_start {
            crate::fault::spoil_content(&mut out.bytes_mut()[start..]);
        }
        out.append_zeros(length - read);
        Ok(read as u64)
    }

    fn read(&mut self, entry: &Entry, range: Range<u64>, out: &mut Buffer) -> Result<()> {
        let path = &entry.member.path;
        let file = self.handles.open(&entry.directory, entry.name(), OPEN_FLAGS)?;
        let failed = |error| Error::io("stat", OsStr::from_bytes(path), error);
        let found = fstat(&file).map_err(failed)?;
        if !entry.stat.is_same_file(&found) {
            return Err(Error::changed(path, REPLACED));
        }
        self.compare(entry, &found)?;
        read(|buffer, at| rustix::io::pread(&file, buffer, at), path, range, out)?;
        self.compare(entry, &Stat::look_again(&file, b"").map_err(failed)?)
    }

    /// Reports a file that differs from the listed one.
    fn compare(&self, entry: &Entry, found: &Stat) -> Result<()> {
        match entry.stat.difference(found) {
            Some(what) => self.changes.tolerate(Error::changed(&entry.member.path, what)),
            None => Ok(()),
        }
    }
}

/// Whether a file is opened for the content of such a member, or compared elsewhere: the walk looks again at directories.
fn is_read(kind: &Kind) -> bool {
    match kind {
        Kind::Directory => true,
        Kind::File { size } => *size > 0,
        Kind::SparseFile { extents } => !extents.ranges().is_empty(),
        Kind::HardLink { .. }
        | Kind::Symlink { .. }
        | Kind::Fifo
        | Kind::CharacterDevice { .. }
        | Kind::BlockDevice { .. } => false,
    }
}

/// Appends a range of a file. `pread` reads some bytes at an offset, and returns how many.
fn read(
    mut pread: impl FnMut(&mut [u8], u64) -> rustix::io::Result<usize>,
    path: &[u8],
    range: Range<u64>,
    out: &mut Buffer,
) -> Result<()> {
    let mut at = range.start;
    while at < range.end {
        let wanted = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        match pread(out.spare_mut(wanted), at) {
            Ok(0) => return Err(Error::changed(path, SHRANK)),
            Ok(count) => {
                out.advance(count);
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
