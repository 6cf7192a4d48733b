//! Files whose holes an archive leaves out: the four ways in which GNU tar has written that, as one map.

use crate::read::archive::error::{Flaw, quoted};
use crate::read::archive::header::{BLOCK, Block, REAL_SIZE, number};
use crate::read::archive::pax::decimal;

/// The most stretches of data that one file may have: 64 MiB of memory, enough for a terabyte with a hole in every 256 KiB.
const MOST: usize = 4 << 20;

/// A stretch of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What pax records say of a file with holes: GNU's formats 0.0, 0.1 and 1.0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) name: Option<Vec<u8>>,
    major: Option<u64>,
    minor: Option<u64>,
    size: Option<u64>,
    extents: Vec<Extent>,
    /// Of format 0.0: where the next extent starts.
    offset: Option<u64>,
}

/// Where the map of a file is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the headers.
    Known(Vec<Extent>),
    /// Before the data, as text.
    Content,
}

impl Told {
    /// Takes a record `GNU.sparse.KEY`.
    pub(crate) fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), Flaw> {
        let number = || decimal(value).ok_or_else(|| unfit(&format!("says {}", quoted(value))));
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"major" => self.major = Some(number()?),
            b"minor" => self.minor = Some(number()?),
            b"size" | b"realsize" => self.size = Some(number()?),
            b"offset" => self.offset = Some(number()?),
            b"numbytes" => {
                let offset = self.offset.take().ok_or_else(|| unfit("has a length without an offset"))?;
                self.extents.push(Extent { offset, length: number()? });
            }
            b"map" => {
                let numbers: Option<Vec<u64>> = value.split(|byte| *byte == b',').map(decimal).collect();
                let numbers = numbers.ok_or_else(|| unfit("is not made of numbers"))?;
                let (pairs, rest) = numbers.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err(unfit("has an offset without a length"));
                }
                self.extents = pairs.iter().map(|&[offset, length]| Extent { offset, length }).collect();
            }
            // How many extents there are is seen.
            _ => {}
        }
        Ok(())
    }

    /// The memory that it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.name.as_ref().map_or(0, Vec::len) + size_of_val(&self.extents[..])
    }

    /// The size of the file with its holes, and its map, if the records tell of one.
    pub(crate) fn map(&mut self) -> Result<Option<(u64, Place)>, Flaw> {
        let extents = std::mem::take(&mut self.extents);
        let version = (self.major.unwrap_or(0), self.minor.unwrap_or(0));
        match (version, self.size) {
            ((0, _), None) if extents.is_empty() && self.name.is_none() => Ok(None),
            (_, None) => Err(unfit("comes without the size of the file")),
            ((0, _), Some(size)) => Ok(Some((size, Place::Known(extents)))),
            ((1, 0), Some(size)) => Ok(Some((size, Place::Content))),
            ((major, minor), _) => Err(Flaw::Beyond(format!("holds a file in GNU's sparse format {major}.{minor}"))),
        }
    }
}

/// What a header of GNU's old format says: the size of the file with its holes, the first extents, and whether blocks with more
/// of them follow.
pub(crate) fn of_header(block: &Block) -> Result<(u64, Vec<Extent>, bool), Flaw> {
    let size = u64::try_from(block.number(REAL_SIZE)?).map_err(|_| unfit("tells a negative size"))?;
    let mut extents = Vec::new();
    append(&block.0[386..482], &mut extents)?;
    Ok((size, extents, block.0[482] != 0))
}

/// Adds the extents of a block behind such a header; says whether another one follows.
pub(crate) fn of_further_block(block: &Block, extents: &mut Vec<Extent>) -> Result<bool, Flaw> {
    append(&block.0[..504], extents)?;
    Ok(block.0[504] != 0)
}

/// Extents of 12 bytes for each number; one that is all NULs is none.
fn append(table: &[u8], extents: &mut Vec<Extent>) -> Result<(), Flaw> {
    for pair in table.chunks_exact(24).filter(|pair| pair.iter().any(|byte| *byte != 0)) {
        let field = |field: &[u8]| u64::try_from(number(field)?).ok();
        let extent = field(&pair[..12]).zip(field(&pair[12..]));
        let (offset, length) = extent.ok_or_else(|| unfit("is not made of numbers"))?;
        push(extents, Extent { offset, length })?;
    }
    Ok(())
}

fn push(extents: &mut Vec<Extent>, extent: Extent) -> Result<(), Flaw> {
    if extents.len() == MOST {
        return Err(Flaw::Beyond(format!("holds a sparse file with more than {MOST} stretches of data")));
    }
    extents.push(extent);
    Ok(())
}

/// The text of a map that stands before the data: numbers, each on a line, the first of them how many extents follow.
#[derive(Debug, Default)]
pub(crate) struct Text {
    /// The number that is being read; nothing before its first digit.
    number: Option<u64>,
    announced: Option<u64>,
    offset: Option<u64>,
    extents: Vec<Extent>,
}

impl Text {
    /// Takes one more block; gives the map once it is complete, and the rest of its last block is filled up.
    pub(crate) fn block(&mut self, block: &[u8; BLOCK]) -> Result<Option<Vec<Extent>>, Flaw> {
        for byte in block {
            match byte {
                b'0'..=b'9' => {
                    let number = self.number.unwrap_or(0).checked_mul(10);
                    let number = number.and_then(|number| number.checked_add(u64::from(byte - b'0')));
                    self.number = Some(number.ok_or_else(|| unfit("has a number that is too large"))?);
                }
                b'\n' => {
                    let number = self.number.take().ok_or_else(|| unfit("has an empty line"))?;
                    self.line(number)?;
                    if self.announced == Some(self.extents.len() as u64) && self.offset.is_none() {
                        return Ok(Some(std::mem::take(&mut self.extents)));
                    }
                }
                _ => return Err(unfit("is not made of numbers")),
            }
        }
        Ok(None)
    }

    fn line(&mut self, number: u64) -> Result<(), Flaw> {
        match (self.announced, self.offset.take()) {
            (None, _) => self.announced = Some(number),
            (Some(_), None) => self.offset = Some(number),
            (Some(_), Some(offset)) => push(&mut self.extents, Extent { offset, length: number })?,
        }
        Ok(())
    }
}

/// Checks that extents are in order, within a file of `size` bytes, and together the `stored` bytes of the archive. Writers fill
/// up each extent to a whole block, and readers differ in whether they skip that; so only the last may need it.
pub(crate) fn check(extents: &[Extent], size: u64, stored: u64) -> Result<(), Flaw> {
    let (mut end, mut sum) = (0, 0_u64);
    for extent in extents {
        let next = extent.offset.checked_add(extent.length).filter(|next| *next <= size && extent.offset >= end);
        end = next.ok_or_else(|| unfit("is not in order, or beyond the end of the file"))?;
        if extent.length > 0 && !sum.is_multiple_of(BLOCK as u64) {
            return Err(unfit("has stretches of data that are not whole blocks"));
        }
        sum += extent.length;
    }
    if sum != stored {
        return Err(unfit("does not tell of all the data, or of more"));
    }
    Ok(())
}

fn unfit(what: &str) -> Flaw {
    Flaw::Unsound(format!("the map of a sparse file {what}"))
}
