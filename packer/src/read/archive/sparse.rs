//! Sparse files: GNU tar's four ways to write a map of a file's data, read as one list of extents.

use crate::read::archive::error::{ReadError, quoted};
use crate::read::archive::header::{BLOCK, Block, REAL_SIZE};
use crate::read::archive::number::{decimal, octal_or_base256};

/// The most extents of one file: 64 MiB of memory, enough for a terabyte with a hole in every 256 KiB.
const MAX_EXTENTS: usize = 4 << 20;

/// A stretch of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The pax records of a sparse file: GNU's formats 0.0, 0.1 and 1.0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SparseRecords {
    pub(crate) name: Option<Vec<u8>>,
    major: Option<u64>,
    minor: Option<u64>,
    size: Option<u64>,
    extents: Vec<Extent>,
    /// In format 0.0: the start of the next extent.
    offset: Option<u64>,
}

/// Where the map of a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SparseMap {
    /// In the headers, which were read.
    Known(Vec<Extent>),
    /// In the content, as text before the data.
    InContent,
}

impl SparseRecords {
    /// Stores the record `GNU.sparse.KEY`.
    pub(crate) fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        let number = || decimal(value).ok_or_else(|| malformed_map(&format!("says {}", quoted(value))));
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"major" => self.major = Some(number()?),
            b"minor" => self.minor = Some(number()?),
            b"size" | b"realsize" => self.size = Some(number()?),
            b"offset" => self.offset = Some(number()?),
            b"numbytes" => {
                let offset = self.offset.take().ok_or_else(|| malformed_map("has a length without an offset"))?;
                self.extents.push(Extent { offset, length: number()? });
            }
            b"map" => {
                let numbers: Option<Vec<u64>> = value.split(|byte| *byte == b',').map(decimal).collect();
                let numbers = numbers.ok_or_else(|| malformed_map("is not made of numbers"))?;
                let (pairs, rest) = numbers.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err(malformed_map("has an offset without a length"));
                }
                self.extents = pairs.iter().map(|&[offset, length]| Extent { offset, length }).collect();
            }
            // `numblocks` says nothing new.
            _ => {}
        }
        Ok(())
    }

    /// The memory of the records, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.name.as_ref().map_or(0, Vec::len) + size_of_val(&self.extents[..])
    }

    /// The size of the file with its holes, and its map. `None` without such records.
    pub(crate) fn take_map(&mut self) -> Result<Option<(u64, SparseMap)>, ReadError> {
        let extents = std::mem::take(&mut self.extents);
        let version = (self.major.unwrap_or(0), self.minor.unwrap_or(0));
        match (version, self.size) {
            ((0, _), None) if extents.is_empty() && self.name.is_none() => Ok(None),
            (_, None) => Err(malformed_map("comes without the size of the file")),
            ((0, _), Some(size)) => Ok(Some((size, SparseMap::Known(extents)))),
            ((1, 0), Some(size)) => Ok(Some((size, SparseMap::InContent))),
            ((major, minor), _) => {
                Err(ReadError::Unsupported(format!("holds a file in GNU's sparse format {major}.{minor}")))
            }
        }
    }
}

/// Reads a header of GNU's old format: the size of the file with its holes, the first extents, and whether a block with more
/// extents follows.
pub(crate) fn read_header(block: &Block) -> Result<(u64, Vec<Extent>, bool), ReadError> {
    let size = u64::try_from(block.number(REAL_SIZE)?).map_err(|_| malformed_map("tells a negative size"))?;
    let mut extents = Vec::new();
    append(&block.0[386..482], &mut extents)?;
    Ok((size, extents, block.0[482] != 0))
}

/// Adds the extents of a block behind such a header. Returns whether another block follows.
pub(crate) fn read_continuation(block: &Block, extents: &mut Vec<Extent>) -> Result<bool, ReadError> {
    append(&block.0[..504], extents)?;
    Ok(block.0[504] != 0)
}

/// Adds extents of two numbers of 12 bytes each. All NULs are an unused place.
fn append(table: &[u8], extents: &mut Vec<Extent>) -> Result<(), ReadError> {
    for pair in table.chunks_exact(24).filter(|pair| pair.iter().any(|byte| *byte != 0)) {
        let field = |field: &[u8]| u64::try_from(octal_or_base256(field)?).ok();
        let extent = field(&pair[..12]).zip(field(&pair[12..]));
        let (offset, length) = extent.ok_or_else(|| malformed_map("is not made of numbers"))?;
        push(extents, Extent { offset, length })?;
    }
    Ok(())
}

fn push(extents: &mut Vec<Extent>, extent: Extent) -> Result<(), ReadError> {
    if extents.len() == MAX_EXTENTS {
        return Err(ReadError::Unsupported(format!(
            "holds a sparse file with more than {MAX_EXTENTS} stretches of data"
        )));
    }
    extents.push(extent);
    Ok(())
}

/// A parser of the map before the data: one number a line, first the number of extents.
#[derive(Debug, Default)]
pub(crate) struct MapParser {
    /// The digits of this line so far; `None` before the first one.
    number: Option<u64>,
    announced: Option<u64>,
    offset: Option<u64>,
    extents: Vec<Extent>,
}

impl MapParser {
    /// Parses one more block. Returns the map once it is complete; the rest of its last block is padding.
    pub(crate) fn parse(&mut self, block: &[u8; BLOCK]) -> Result<Option<Vec<Extent>>, ReadError> {
        for byte in block {
            match byte {
                b'0'..=b'9' => {
                    let number = self.number.unwrap_or(0).checked_mul(10);
                    let number = number.and_then(|number| number.checked_add(u64::from(byte - b'0')));
                    self.number = Some(number.ok_or_else(|| malformed_map("has a number that is too large"))?);
                }
                b'\n' => {
                    let number = self.number.take().ok_or_else(|| malformed_map("has an empty line"))?;
                    self.line(number)?;
                    if self.announced == Some(self.extents.len() as u64) && self.offset.is_none() {
                        return Ok(Some(std::mem::take(&mut self.extents)));
                    }
                }
                _ => return Err(malformed_map("is not made of numbers")),
            }
        }
        Ok(None)
    }

    fn line(&mut self, number: u64) -> Result<(), ReadError> {
        match (self.announced, self.offset.take()) {
            (None, _) => self.announced = Some(number),
            (Some(_), None) => self.offset = Some(number),
            (Some(_), Some(offset)) => push(&mut self.extents, Extent { offset, length: number })?,
        }
        Ok(())
    }
}

/// Checks that the extents are in order, lie in a file of `size` bytes and add up to the `stored` bytes of the archive.
///
/// Some writers pad each extent to a whole block, and readers differ in whether they skip the padding. So only the last extent
/// may have a length that is no multiple of a block.
pub(crate) fn check(extents: &[Extent], size: u64, stored: u64) -> Result<(), ReadError> {
    let (mut end, mut sum) = (0, 0_u64);
    for extent in extents {
        let next = extent.offset.checked_add(extent.length).filter(|next| *next <= size && extent.offset >= end);
        end = next.ok_or_else(|| malformed_map("is not in order, or beyond the end of the file"))?;
        if extent.length > 0 && !sum.is_multiple_of(BLOCK as u64) {
            return Err(malformed_map("has stretches of data that are not whole blocks"));
        }
        sum += extent.length;
    }
    if sum != stored {
        return Err(malformed_map("does not tell of all the data, or of more"));
    }
    Ok(())
}

fn malformed_map(what: &str) -> ReadError {
    ReadError::Malformed(format!("the map of a sparse file {what}"))
}
