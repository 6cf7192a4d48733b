//! Reading an archive, whoever made it: ustar, pax, GNU tar, star, and what was before them.
//!
//! Members come one after the other, their content in pieces. What takes memory – extended headers, maps of holes – is bounded;
//! where readers are known to understand an archive differently, it is not sound.

use std::io::{self, Read};

use crate::fingerprint::{Fingerprint, Hasher};
use crate::read::archive::error::{Flaw, quoted};
use crate::read::archive::header::{self, BLOCK, Block};
use crate::read::archive::member::{Kind, Member};
use crate::read::archive::pax::{Extended, LIMIT};
use crate::read::archive::sparse::{self, Extent, Place};

/// How much content is read at once.
const CHUNK: usize = 128 << 10;

/// An archive that is being read.
#[derive(Debug)]
pub(crate) struct Archive<Inner> {
    inner: Hashed<Inner>,
    /// What counts for all members to come.
    globals: Extended,
    /// What is left of the member that was given last.
    rest: Rest,
    buffer: Vec<u8>,
    end: End,
}

/// Where an archive may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At two blocks of zeros: whatever was cut off, they went with it.
    Marked,
    /// Behind any member. Some makers of layers leave out the zeros, and those that fill up the last member's last block; the digest
    /// of a layer tells if something was cut off.
    Anywhere,
}

/// The content of a member, as far as it has not been read.
#[derive(Debug, Default)]
struct Rest {
    /// The name, for messages.
    name: Vec<u8>,
    /// Bytes of it in the archive.
    stored: u64,
    /// Bytes that fill up its last block.
    padding: u64,
    /// Of a file whose holes are left out: its size, and where its map is.
    holes: Option<(u64, Place)>,
}

/// A piece of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Data(&'a [u8]),
    /// This many zeros.
    Hole(u64),
}

/// What is known of an archive once all of it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) digest: Fingerprint,
    pub(crate) length: u64,
}

impl<Inner: Read> Archive<Inner> {
    pub(crate) fn new(inner: Inner, end: End) -> Self {
        let inner = Hashed { inner, hasher: Hasher::default(), length: 0 };
        Archive { inner, globals: Extended::default(), rest: Rest::default(), buffer: vec![0; CHUNK], end }
    }

    /// The next member; nothing at the two blocks of zeros that end an archive. Content that was not read is passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, Flaw> {
        self.content(&mut |_| {})?;
        let mut extended = self.globals.clone();
        let (mut records, mut long_name, mut long_link) = (false, None, None);
        loop {
            let Some(block) = self.header()? else {
                let dangling = records || long_name.is_some() || long_link.is_some();
                return if dangling { Err(unsound("an extended header stands at its end")) } else { Ok(None) };
            };
            match block.flag() {
                b'x' | b'X' if records => return Err(unsound("two extended headers stand before one member")),
                b'x' | b'X' => {
                    extended.apply(&self.extension(&block)?)?;
                    records = true;
                }
                b'g' => {
                    let global = self.extension(&block)?;
                    self.globals.apply_global(&global)?;
                    if records {
                        return Err(unsound("a global header stands between an extended header and its member"));
                    }
                    extended = self.globals.clone();
                }
                b'L' if long_name.is_none() => long_name = Some(text(self.extension(&block)?)),
                b'K' if long_link.is_none() => long_link = Some(text(self.extension(&block)?)),
                b'L' | b'K' => return Err(unsound("two long names stand before one member")),
                // The label of a volume.
                b'V' => drop(self.extension(&block)?),
                _ => {
                    // sqfs2tar writes both for one member: the name in one, attributes in the other.
                    if records && (long_name.is_some() || long_link.is_some()) && extended.places() {
                        return Err(unsound("a long name stands beside an extended header with a name or a size"));
                    }
                    extended.path = long_name.or(extended.path);
                    extended.link = long_link.or(extended.link);
                    return self.member(&block, extended).map(Some);
                }
            }
        }
    }

    /// Reads what is left of the content of the member that was given last.
    pub(crate) fn content(&mut self, sink: &mut dyn FnMut(Piece<'_>)) -> Result<(), Flaw> {
        let Rest { name, stored, padding, holes } = std::mem::take(&mut self.rest);
        let read = match holes {
            None => self.data(stored, sink),
            Some((size, place)) => self.pieces(stored, size, place, sink),
        };
        read.and_then(|()| self.padding(padding)).map_err(|flaw| flaw.within(&quoted(&name)))
    }

    /// Reads the content whole: only of members whose size was looked at.
    pub(crate) fn text(&mut self) -> Result<Vec<u8>, Flaw> {
        let mut text = Vec::new();
        self.content(&mut |piece| match piece {
            Piece::Data(data) => text.extend_from_slice(data),
            Piece::Hole(length) => text.resize(text.len() + length as usize, 0),
        })?;
        Ok(text)
    }

    /// Reads to the end, where there must be nothing but zeros.
    pub(crate) fn finish(mut self) -> Result<Whole, Flaw> {
        loop {
            match self.inner.read(&mut self.buffer) {
                Ok(0) if self.end == End::Marked && !self.inner.length.is_multiple_of(BLOCK as u64) => {
                    return Err(unsound("its length is not a number of whole blocks"));
                }
                Ok(0) => return Ok(Whole { digest: self.inner.hasher.finish(), length: self.inner.length }),
                Ok(count) if self.buffer[..count].iter().any(|byte| *byte != 0) => {
                    return Err(unsound("something stands behind its end"));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next block that is a header; nothing at the end of the archive.
    fn header(&mut self) -> Result<Option<Block>, Flaw> {
        match self.block_or_end()? {
            None => Ok(None),
            Some(block) if !block.is_zero() && block.is_header() => Ok(Some(block)),
            Some(block) if !block.is_zero() => Err(unsound("a header's checksum is wrong")),
            Some(_) => match self.block_or_end()? {
                Some(block) if !block.is_zero() => Err(unsound("a lone block of zeros stands in it")),
                _ => Ok(None),
            },
        }
    }

    /// The next block; nothing where the archive ends and may do so.
    fn block_or_end(&mut self) -> Result<Option<Block>, Flaw> {
        let start = self.inner.length;
        let mut block = [0; BLOCK];
        match self.inner.read_exact(&mut block) {
            Ok(()) => Ok(Some(Block(block))),
            Err(error) if is_end(&error) && self.end == End::Anywhere && self.inner.length == start => Ok(None),
            Err(error) if is_end(&error) => Err(unsound("it does not end with two blocks of zeros")),
            Err(error) => Err(error.into()),
        }
    }

    /// A block that belongs to a member.
    fn block(&mut self) -> Result<Block, Flaw> {
        self.block_or_end()?.ok_or_else(|| unsound("it is cut short"))
    }

    /// What fills up a last block.
    fn padding(&mut self, length: u64) -> Result<(), Flaw> {
        let start = self.inner.length;
        match self.data(length, &mut |_| {}) {
            Err(Flaw::Unsound(_)) if self.end == End::Anywhere && self.inner.length == start => Ok(()),
            read => read,
        }
    }

    /// What follows a header that is about other headers.
    fn extension(&mut self, block: &Block) -> Result<Vec<u8>, Flaw> {
        let size = size(block)?;
        if size > LIMIT {
            return Err(Flaw::Beyond(format!("holds an extended header of {size} bytes, and {LIMIT} are the limit")));
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

    fn member(&mut self, block: &Block, mut extended: Extended) -> Result<Member, Flaw> {
        let stored = match extended.size {
            Some(size) => size,
            None => size(block)?,
        };
        let holes = if block.flag() == b'S' {
            let (size, mut extents, mut more) = sparse::of_header(block)?;
            while more {
                more = sparse::of_further_block(&self.block()?, &mut extents)?;
            }
            Some((size, Place::Known(extents)))
        } else {
            extended.sparse.map()?
        };
        let member = Member::of(block, extended, holes.as_ref().map_or(stored, |(size, _)| *size))?;
        if holes.is_some() && !matches!(member.kind, Kind::File { .. }) {
            return Err(unsound("what is no file has a map of holes").within(&quoted(&member.name)));
        }
        self.rest = Rest { name: member.name.clone(), stored, padding: padding(stored), holes };
        Ok(member)
    }

    /// The pieces of a file whose holes are left out.
    fn pieces(
        &mut self,
        mut stored: u64,
        size: u64,
        place: Place,
        sink: &mut dyn FnMut(Piece<'_>),
    ) -> Result<(), Flaw> {
        let extents = match place {
            Place::Known(extents) => extents,
            Place::Content => self.map(&mut stored)?,
        };
        sparse::check(&extents, size, stored)?;
        let mut at = 0;
        for Extent { offset, length } in extents {
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

    /// The map that stands before the data; `stored` becomes what is left of the content.
    fn map(&mut self, stored: &mut u64) -> Result<Vec<Extent>, Flaw> {
        let mut text = sparse::Text::default();
        loop {
            *stored =
                stored.checked_sub(BLOCK as u64).ok_or_else(|| unsound("the map of a sparse file is cut short"))?;
            if let Some(extents) = text.block(&self.block()?.0)? {
                return Ok(extents);
            }
        }
    }

    fn data(&mut self, mut length: u64, sink: &mut dyn FnMut(Piece<'_>)) -> Result<(), Flaw> {
        while length > 0 {
            let wanted = length.min(CHUNK as u64) as usize;
            match self.inner.read(&mut self.buffer[..wanted]) {
                Ok(0) => return Err(unsound("it is cut short")),
                Ok(count) => {
                    sink(Piece::Data(&self.buffer[..count]));
                    length -= count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_end(&error) => return Err(unsound("it is cut short")),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn unsound(what: &str) -> Flaw {
    Flaw::Unsound(what.to_owned())
}

/// Decoders and `read_exact` say so where there should be more.
fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

fn size(block: &Block) -> Result<u64, Flaw> {
    let size = block.number(header::SIZE)?;
    u64::try_from(size).map_err(|_| unsound("a header's size is negative or beyond all sizes"))
}

fn padding(length: u64) -> u64 {
    (BLOCK as u64 - length % BLOCK as u64) % BLOCK as u64
}

/// A long name ends with a NUL.
fn text(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

/// Hashes and counts what is read.
#[derive(Debug)]
struct Hashed<Inner> {
    inner: Inner,
    hasher: Hasher,
    length: u64,
}

impl<Inner: Read> Read for Hashed<Inner> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.length += count as u64;
        Ok(count)
    }
}
