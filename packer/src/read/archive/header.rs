//! One header block of an archive of any dialect: the places and the values of its fields.

use std::ops::Range;

use crate::read::archive::error::ReadError;
use crate::read::archive::number::octal_or_base256;

/// The size of a tar block, in bytes.
pub(crate) const BLOCK: usize = 512;

/// A numeric field. The name is for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NumericField {
    name: &'static str,
    offset: usize,
    length: usize,
}

impl NumericField {
    const fn new(name: &'static str, offset: usize, length: usize) -> Self {
        NumericField { name, offset, length }
    }
}

pub(crate) const MODE: NumericField = NumericField::new("mode", 100, 8);
pub(crate) const UID: NumericField = NumericField::new("user", 108, 8);
pub(crate) const GID: NumericField = NumericField::new("group", 116, 8);
pub(crate) const SIZE: NumericField = NumericField::new("size", 124, 12);
pub(crate) const MTIME: NumericField = NumericField::new("time", 136, 12);
pub(crate) const DEVICE_MAJOR: NumericField = NumericField::new("device", 329, 8);
pub(crate) const DEVICE_MINOR: NumericField = NumericField::new("device", 337, 8);
const CHECKSUM: NumericField = NumericField::new("checksum", 148, 8);

/// In GNU's old sparse headers: the size of the file with its holes.
pub(crate) const REAL_SIZE: NumericField = NumericField::new("real size", 483, 12);

const NAME: Range<usize> = 0..100;
const FLAG: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const PREFIX: Range<usize> = 345..500;
/// star's headers have times behind a shorter prefix.
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_MAGIC: Range<usize> = 508..512;

/// The dialect of a header, which decides the fields behind the link name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// Before POSIX: no further fields.
    Old,
    Posix,
    Star,
    Gnu,
}

/// One block of an archive.
#[derive(Debug)]
pub(crate) struct Block(pub(crate) [u8; BLOCK]);

impl Block {
    pub(crate) fn is_zero(&self) -> bool {
        self.0 == [0; BLOCK]
    }

    /// Whether the checksum is right, of unsigned bytes or, as some old programs have it, of signed ones.
    pub(crate) fn is_header(&self) -> bool {
        let Ok(stored) = self.number(CHECKSUM) else { return false };
        let field = CHECKSUM.offset..CHECKSUM.offset + CHECKSUM.length;
        let counted = |(at, byte): (usize, &u8)| if field.contains(&at) { b' ' } else { *byte };
        let unsigned: i128 = self.0.iter().enumerate().map(|byte| i128::from(counted(byte))).sum();
        let signed: i128 = self.0.iter().enumerate().map(|byte| i128::from(counted(byte) as i8)).sum();
        stored == unsigned || stored == signed
    }

    fn dialect(&self) -> Dialect {
        match &self.0[MAGIC] {
            b"ustar  \0" => Dialect::Gnu,
            magic if magic.starts_with(b"ustar\0") && &self.0[STAR_MAGIC] == b"tar\0" => Dialect::Star,
            magic if magic.starts_with(b"ustar\0") => Dialect::Posix,
            _ => Dialect::Old,
        }
    }

    /// The type flag.
    pub(crate) fn flag(&self) -> u8 {
        self.0[FLAG]
    }

    pub(crate) fn name(&self) -> Vec<u8> {
        let prefix = match self.dialect() {
            Dialect::Posix => text(&self.0[PREFIX]),
            Dialect::Star => text(&self.0[STAR_PREFIX]),
            Dialect::Old | Dialect::Gnu => b"",
        };
        let name = text(&self.0[NAME]);
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(crate) fn link(&self) -> &[u8] {
        text(&self.0[LINK])
    }

    /// Major and minor number.
    pub(crate) fn device(&self) -> Result<(i128, i128), ReadError> {
        match self.dialect() {
            Dialect::Old => Ok((0, 0)),
            _ => Ok((self.number(DEVICE_MAJOR)?, self.number(DEVICE_MINOR)?)),
        }
    }

    /// The value of a numeric field.
    pub(crate) fn number(&self, field: NumericField) -> Result<i128, ReadError> {
        octal_or_base256(&self.0[field.offset..][..field.length])
            .ok_or_else(|| ReadError::Malformed(format!("a header's {} is not a number", field.name)))
    }
}

/// A field's text: up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_may_be_of_signed_bytes() {
        let mut block = Block([0; BLOCK]);
        block.0[0] = 0xff;
        let spaces = 8 * 32;
        for (sum, right) in [(spaces + 255, true), (spaces - 1, true), (spaces, false)] {
            block.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            assert_eq!(block.is_header(), right, "{sum}");
        }
    }
}
