//! The members of an archive as entries, read with the `tar` crate's headers and without the packer.
//!
//! Extended headers are parsed here: the crate cuts their records at newlines, which attributes may hold.

use std::io::{self, Read};

use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::attributes::Attributes;
use super::entry::{Entry, Kind, plain, shown};
use super::pax::{Records, bad, decimal, nanoseconds, parse};
use super::sparse;

const BLOCK: usize = 512;

/// The longest extended header that is read into memory. An attribute has at most 64 KiB.
const LONGEST_HEADER: u64 = 16 << 20;

/// An archive that is read as a stream.
pub(crate) struct Archive<From> {
    from: From,
    buffer: Vec<u8>,
    /// Records for all members.
    global: Records,
    /// Whether the block of zeros was met that ends an archive.
    is_ended: bool,
}

impl<From: Read> Archive<From> {
    pub(crate) fn new(from: From) -> Self {
        Archive { from, buffer: vec![0; 256 << 10], global: Records::new(), is_ended: false }
    }

    /// The next member, with its content read to the end; `None` behind the last one.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut records = self.global.clone();
        loop {
            let mut block = [0; BLOCK];
            if !self.read_block(&mut block)? {
                return Ok(None);
            }
            if block == [0; BLOCK] {
                self.is_ended = true;
                return Ok(None);
            }
            let header = Header::from_byte_slice(&block);
            check_sum(header)?;
            match header.entry_type() {
                EntryType::XHeader => records.extend(parse(&self.long(header)?)?),
                EntryType::XGlobalHeader => {
                    let parsed = parse(&self.long(header)?)?;
                    records.extend(parsed.clone());
                    self.global.extend(parsed);
                }
                EntryType::GNULongName => {
                    let name = terminated(self.long(header)?);
                    records.insert(b"path".to_vec(), name);
                }
                EntryType::GNULongLink => {
                    let name = terminated(self.long(header)?);
                    records.insert(b"linkpath".to_vec(), name);
                }
                _ => return self.member(header, &records).map(Some),
            }
        }
    }

    /// Whether the archive has the end that it should have; known behind the last member.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// A member, whose content follows.
    fn member(&mut self, header: &Header, records: &Records) -> io::Result<Entry> {
        let record = |key: &str| records.get(key.as_bytes());
        let number = |key: &str, field: io::Result<u64>| match record(key) {
            Some(text) => decimal(text).ok_or_else(|| bad(format!("`{key}` is no number"))),
            None => field,
        };
        let sparse_name = record("GNU.sparse.name");
        let path = sparse_name.or(record("path")).cloned().unwrap_or_else(|| header.path_bytes().into_owned());
        let target = record("linkpath").cloned();
        let target = target.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned)).unwrap_or_default();
        let device = || Ok::<_, io::Error>((header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0)));
        let size = number("size", header.entry_size())?;
        let path = plain(&path);
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous if sparse_name.is_some() => {
                let real = record("GNU.sparse.realsize").and_then(|text| decimal(text));
                let content = (&mut self.from).take(size);
                let content = sparse::hash(content, real.ok_or_else(|| bad("a sparse file has no size"))?)?;
                self.skip_padding(size)?;
                Some(content)
            }
            EntryType::Regular | EntryType::Continuous => Some(Kind::File { size, content: self.hash(size)? }),
            EntryType::Link => Some(Kind::HardLink { target: plain(&target).into() }),
            EntryType::Symlink => Some(Kind::Symlink { target: target.into() }),
            EntryType::Directory => Some(Kind::Directory),
            EntryType::Char => device().map(|(major, minor)| Some(Kind::CharacterDevice { major, minor }))?,
            EntryType::Block => device().map(|(major, minor)| Some(Kind::BlockDevice { major, minor }))?,
            EntryType::Fifo => Some(Kind::Fifo),
            _ => None,
        };
        let letter = char::from(header.entry_type().as_byte());
        let kind = kind.ok_or_else(|| bad(format!("`{}` is of the unknown type `{letter}`", shown(path))))?;
        if size > 0 && !matches!(kind, Kind::File { .. }) {
            return Err(bad(format!("`{}` is a {} with {size} bytes of content", shown(path), kind.name())));
        }
        let mut attributes = Attributes::default();
        for (key, value) in records {
            attributes.take_record(key, value).map_err(|why| bad(format!("`{}`: {why}", shown(path))))?;
        }
        let modified = match record("mtime") {
            Some(text) => nanoseconds(text).ok_or_else(|| bad("`mtime` is no time"))?,
            None => i128::from(header.mtime()?.cast_signed()) * 1_000_000_000,
        };
        Ok(Entry {
            path: path.into(),
            kind,
            mode: header.mode()? & 0o7777,
            owner: (number("uid", header.uid())?, number("gid", header.gid())?),
            modified,
            attributes,
        })
    }

    /// The sha256 of content that follows; reads up to the next header.
    fn hash(&mut self, size: u64) -> io::Result<[u8; 32]> {
        let (mut hasher, mut left) = (Sha256::new(), size);
        while left > 0 {
            let most = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = self.from.read(&mut self.buffer[..most])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            hasher.update(&self.buffer[..count]);
            left -= count as u64;
        }
        self.skip_padding(size)?;
        Ok(hasher.finalize().into())
    }

    /// The content of a header that describes the next one.
    fn long(&mut self, header: &Header) -> io::Result<Vec<u8>> {
        let size = header.entry_size()?;
        if size > LONGEST_HEADER {
            return Err(bad(format!("an extended header has {size} bytes")));
        }
        let mut content = vec![0; usize::try_from(size.next_multiple_of(BLOCK as u64)).map_err(io::Error::other)?];
        self.from.read_exact(&mut content)?;
        content.truncate(usize::try_from(size).map_err(io::Error::other)?);
        Ok(content)
    }

    /// Goes on to the block behind content of this size. Nothing may follow.
    fn skip_padding(&mut self, size: u64) -> io::Result<()> {
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        io::copy(&mut (&mut self.from).take(padding), &mut io::sink()).map(drop)
    }

    /// Reads a block; `false` if nothing is left.
    fn read_block(&mut self, block: &mut [u8; BLOCK]) -> io::Result<bool> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.from.read(&mut block[filled..])? {
                0 if filled == 0 => return Ok(false),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        Ok(true)
    }
}

/// The checksum counts its own field as spaces.
fn check_sum(header: &Header) -> io::Result<()> {
    let bytes = header.as_bytes();
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    if sum(&bytes[..148]) + 8 * u32::from(b' ') + sum(&bytes[156..]) != header.cksum()? {
        return Err(bad("a header has a wrong checksum"));
    }
    Ok(())
}

fn terminated(mut text: Vec<u8>) -> Vec<u8> {
    text.truncate(text.iter().position(|byte| *byte == 0).unwrap_or(text.len()));
    text
}
