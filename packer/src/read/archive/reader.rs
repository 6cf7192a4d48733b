//! The archive reader: members one after the other, their content in pieces.
//!
//! Extended headers and sparse maps, which take memory, are bounded. An archive on which readers are known to disagree is malformed.

use std::io::{self, Read};

use crate::cancel::CancelToken;
use crate::fingerprint::{Fingerprint, Hasher};
use crate::read::archive::error::{ReadError, quoted};
use crate::read::archive::header::{self, BLOCK, Block};
use crate::read::archive::member::{Member, MemberKind};
use crate::read::archive::pax::{ExtendedHeader, LIMIT};
use crate::read::archive::sparse::{self, Extent, MapParser, SparseMap};

/// The most content that is read at once, in bytes.
const CHUNK: usize = 128 << 10;

/// Reads an archive from a stream.
#[derive(Debug)]
pub(crate) struct ArchiveReader<'a, Inner> {
    inner: HashingReader<'a, Inner>,
    cancel: &'a CancelToken,
    /// The global records so far.
    globals: ExtendedHeader,
    /// The unread content of the last member.
    pending: PendingContent,
    buffer: Vec<u8>,
    end: End,
}

/// Where an archive may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At two blocks of zeros, which a truncated archive lacks.
    Marked,
    /// Behind any member. Some layer builders omit the zeros, and the padding of the last member. A truncated layer shows by its
    /// digest.
    Anywhere,
}

/// The unread content of a member.
#[derive(Debug, Default)]
struct PendingContent {
    /// The name, for messages.
    name: Vec<u8>,
    /// Its bytes in the archive.
    stored: u64,
    /// The padding of its last block, in bytes.
    padding: u64,
    /// Of a sparse file: its size with its holes, and its map.
    sparse: Option<(u64, SparseMap)>,
}

/// A piece of a file's content, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Data(&'a [u8]),
    /// This many zeros.
    Hole(u64),
}

/// The sha256 and the length of an archive that was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArchiveDigest {
    pub(crate) digest: Fingerprint,
    pub(crate) length: u64,
}

impl<'a, Inner: Read> ArchiveReader<'a, Inner> {
    pub(crate) fn new(inner: Inner, end: End, cancel: &'a CancelToken) -> Self {
        ArchiveReader {
            inner: HashingReader { inner, cancel, hasher: Hasher::default(), length: 0 },
            cancel,
            globals: ExtendedHeader::default(),
            pending: PendingContent::default(),
            buffer: vec![0; CHUNK],
            end,
        }
    }

    /// The next member; `None` at the end of the archive. Skips unread content.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, ReadError> {
        self.content(&mut |_| {})?;
        let mut extended = self.globals.clone();
        let (mut records, mut long_name, mut long_link) = (false, None, None);
        loop {
            let Some(block) = self.header()? else {
                let dangling = records || long_name.is_some() || long_link.is_some();
                return if dangling { Err(malformed("an extended header stands at its end")) } else { Ok(None) };
            };
            match block.flag() {
                b'x' | b'X' if records => return Err(malformed("two extended headers stand before one member")),
                b'x' | b'X' => {
                    extended.apply(&self.extension(&block)?)?;
                    records = true;
                }
                b'g' => {
                    let global = self.extension(&block)?;
                    self.globals.apply_global(&global)?;
                    if records {
                        return Err(malformed("a global header stands between an extended header and its member"));
                    }
                    extended = self.globals.clone();
                }
                b'L' if long_name.is_none() => long_name = Some(until_nul(self.extension(&block)?)),
                b'K' if long_link.is_none() => long_link = Some(until_nul(self.extension(&block)?)),
                b'L' | b'K' => return Err(malformed("two long names stand before one member")),
                // A volume label.
                b'V' => drop(self.extension(&block)?),
                _ => {
                    // sqfs2tar writes both for one member: one has the name, the other the attributes.
                    if records && (long_name.is_some() || long_link.is_some()) && extended.has_name_or_size() {
                        return Err(malformed("a long name stands beside an extended header with a name or a size"));
                    }
                    extended.path = long_name.or(extended.path);
                    extended.link = long_link.or(extended.link);
                    return self.member(&block, extended).map(Some);
                }
            }
        }
    }

    /// Reads the rest of the last member's content.
    pub(crate) fn content(&mut self, sink: &mut dyn FnMut(Piece<'_>)) -> Result<(), ReadError> {
        let PendingContent { name, stored, padding, sparse } = std::mem::take(&mut self.pending);
        let read = match sparse {
            None => self.data(stored, sink),
            Some((size, map)) => self.sparse_data(stored, size, map, sink),
        };
        read.and_then(|()| self.padding(padding)).map_err(|error| error.in_part(&quoted(&name)))
    }

    /// Reads the last member's content into memory. The caller has checked its size.
    pub(crate) fn content_bytes(&mut self) -> Result<Vec<u8>, ReadError> {
        let mut text = Vec::new();
        self.content(&mut |piece| match piece {
            Piece::Data(data) => text.extend_from_slice(data),
            Piece::Hole(length) => text.resize(text.len() + length as usize, 0),
        })?;
        Ok(text)
    }

    /// Reads the rest of the stream, which must be zeros.
    pub(crate) fn finish(mut self) -> Result<ArchiveDigest, ReadError> {
        loop {
            match self.inner.read(&mut self.buffer) {
                Ok(0) if self.end == End::Marked && !self.inner.length.is_multiple_of(BLOCK as u64) => {
                    return Err(malformed("its length is not a number of whole blocks"));
                }
                Ok(0) => return Ok(ArchiveDigest { digest: self.inner.hasher.finish(), length: self.inner.length }),
                Ok(count) if self.buffer[..count].iter().any(|byte| *byte != 0) => {
                    return Err(malformed("something stands behind its end"));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next header block; `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<Block>, ReadError> {
        match self.block_or_end()? {
            None => Ok(None),
            Some(block) if !block.is_zero() && block.is_header() => Ok(Some(block)),
            Some(block) if !block.is_zero() => Err(malformed("a header's checksum is wrong")),
            Some(_) => match self.block_or_end()? {
                Some(block) if !block.is_zero() => Err(malformed("a lone block of zeros stands in it")),
                _ => Ok(None),
            },
        }
    }

    /// The next block; `None` where the archive may end and does.
    fn block_or_end(&mut self) -> Result<Option<Block>, ReadError> {
        let start = self.inner.length;
        let mut block = [0; BLOCK];
        match self.inner.read_exact(&mut block) {
            Ok(()) => Ok(Some(Block(block))),
            Err(error) if is_end(&error) && self.end == End::Anywhere && self.inner.length == start => Ok(None),
            Err(error) if is_end(&error) => Err(malformed("it does not end with two blocks of zeros")),
            Err(error) => Err(error.into()),
        }
    }

    /// The next block of a member.
    fn block(&mut self) -> Result<Block, ReadError> {
        self.block_or_end()?.ok_or_else(|| malformed("it is cut short"))
    }

    /// Skips the padding of a last block.
    fn padding(&mut self, length: u64) -> Result<(), ReadError> {
        let start = self.inner.length;
        match self.data(length, &mut |_| {}) {
            Err(ReadError::Malformed(_)) if self.end == End::Anywhere && self.inner.length == start => Ok(()),
            read => read,
        }
    }

    /// The content of an extended header.
    fn extension(&mut self, block: &Block) -> Result<Vec<u8>, ReadError> {
        let size = size(block)?;
        if size > LIMIT {
            return Err(ReadError::Unsupported(format!(
                "holds an extended header of {size} bytes, and {LIMIT} are the limit"
            )));
        }
        let mut bytes = Vec::new();
        self.data(size, &mut |piece| {
            if let Piece::Data(data) = piece {
                bytes.extend_from_slice(data);
            }
        })?;
        self.data(padding(size), &mut |_| {})?;
        Ok(bytes)
    }

    fn member(&mut self, block: &Block, mut extended: ExtendedHeader) -> Result<Member, ReadError> {
        let stored = match extended.size {
            Some(size) => size,
            None => size(block)?,
        };
        let sparse = if block.flag() == b'S' {
            let (size, mut extents, mut more) = sparse::read_header(block)?;
            while more {
                more = sparse::read_continuation(&self.block()?, &mut extents)?;
            }
            Some((size, SparseMap::Known(extents)))
        } else {
            extended.sparse.take_map()?
        };
        let member = Member::new(block, extended, sparse.as_ref().map_or(stored, |(size, _)| *size))?;
        if sparse.is_some() && !matches!(member.kind, MemberKind::File { .. }) {
            return Err(malformed("a member that is no file has a map of holes").in_part(&quoted(&member.name)));
        }
        self.pending = PendingContent { name: member.name.clone(), stored, padding: padding(stored), sparse };
        Ok(member)
    }

    /// Reads the content of a sparse file.
    fn sparse_data(
        &mut self,
        mut stored: u64,
        size: u64,
        map: SparseMap,
        sink: &mut dyn FnMut(Piece<'_>),
    ) -> Result<(), ReadError> {
        let extents = match map {
            SparseMap::Known(extents) => extents,
            SparseMap::InContent => self.sparse_map(&mut stored)?,
        };
        sparse::check(&extents, size, stored)?;
        let mut at = 0;
        for Extent { offset, length } in extents {
            if self.cancel.is_cancelled() {
                return Err(ReadError::Cancelled);
            }
            if offset > at {
                sink(Piece::Hole(offset - at));
            }
            self.data(length, sink)?;
            at = offset + length;
        }
        if size > at {
            sink(Piece::Hole(size - at));
        }
        Ok(())
    }

    /// Reads the map before the data, and subtracts its length from `stored`.
    fn sparse_map(&mut self, stored: &mut u64) -> Result<Vec<Extent>, ReadError> {
        let mut parser = MapParser::default();
        loop {
            *stored =
                stored.checked_sub(BLOCK as u64).ok_or_else(|| malformed("the map of a sparse file is cut short"))?;
            if let Some(extents) = parser.parse(&self.block()?.0)? {
                return Ok(extents);
            }
        }
    }

    /// Reads `length` bytes.
    fn data(&mut self, mut length: u64, sink: &mut dyn FnMut(Piece<'_>)) -> Result<(), ReadError> {
        while length > 0 {
            let wanted = length.min(CHUNK as u64) as usize;
            match self.inner.read(&mut self.buffer[..wanted]) {
                Ok(0) => return Err(malformed("it is cut short")),
                Ok(count) => {
                    sink(Piece::Data(&self.buffer[..count]));
                    length -= count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_end(&error) => return Err(malformed("it is cut short")),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn malformed(what: &str) -> ReadError {
    ReadError::Malformed(what.to_owned())
}

/// Whether the stream ended early, as decoders and `read_exact` report it.
fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

fn size(block: &Block) -> Result<u64, ReadError> {
    let size = block.number(header::SIZE)?;
    u64::try_from(size).map_err(|_| malformed("a header's size is negative or beyond all sizes"))
}

fn padding(length: u64) -> u64 {
    (BLOCK as u64 - length % BLOCK as u64) % BLOCK as u64
}

/// Cuts a long name at its first NUL.
fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

/// Hashes and counts the bytes that are read from it. Few compressed bytes may decode to many, so it asks for cancellation, too.
#[derive(Debug)]
struct HashingReader<'a, Inner> {
    inner: Inner,
    cancel: &'a CancelToken,
    hasher: Hasher,
    length: u64,
}

impl<Inner: Read> Read for HashingReader<'_, Inner> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.length += count as u64;
        Ok(count)
    }
}
