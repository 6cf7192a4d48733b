//! One header block of an archive, of whatever dialect: where its fields are, and what they say.

use std::ops::Range;

use crate::read::archive::error::Flaw;

/// The unit of the format, in bytes.
pub(crate) const BLOCK: usize = 512;

/// A field that holds a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    name: &'static str,
    offset: usize,
    length: usize,
}

impl Field {
    const fn new(name: &'static str, offset: usize, length: usize) -> Self {
        Field { name, offset, length }
    }
}

pub(crate) const MODE: Field = Field::new("mode", 100, 8);
pub(crate) const UID: Field = Field::new("user", 108, 8);
pub(crate) const GID: Field = Field::new("group", 116, 8);
pub(crate) const SIZE: Field = Field::new("size", 124, 12);
pub(crate) const MTIME: Field = Field::new("time", 136, 12);
pub(crate) const DEVICE_MAJOR: Field = Field::new("device", 329, 8);
pub(crate) const DEVICE_MINOR: Field = Field::new("device", 337, 8);
const CHECKSUM: Field = Field::new("checksum", 148, 8);

/// GNU's old sparse headers: the size of the file with its holes.
pub(crate) const REAL_SIZE: Field = Field::new("real size", 483, 12);

const NAME: Range<usize> = 0..100;
const FLAG: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const PREFIX: Range<usize> = 345..500;
/// In star's headers times stand behind a shorter prefix.
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_MAGIC: Range<usize> = 508..512;

/// Whose header it is: that decides what stands behind the link's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// Nothing does.
    Old,
    Posix,
    Star,
    Gnu,
}

/// A block that was read.
#[derive(Debug)]
pub(crate) struct Block(pub(crate) [u8; BLOCK]);

impl Block {
    pub(crate) fn is_zero(&self) -> bool {
        self.0 == [0; BLOCK]
    }

    /// Whether the checksum is right. Some old programs summed up signed bytes.
    pub(crate) fn is_header(&self) -> bool {
        let Ok(told) = self.number(CHECKSUM) else { return false };
        let field = CHECKSUM.offset..CHECKSUM.offset + CHECKSUM.length;
        let counted = |(at, byte): (usize, &u8)| if field.contains(&at) { b' ' } else { *byte };
        let unsigned: i128 = self.0.iter().enumerate().map(|byte| i128::from(counted(byte))).sum();
        let signed: i128 = self.0.iter().enumerate().map(|byte| i128::from(counted(byte) as i8)).sum();
        told == unsigned || told == signed
    }

    fn dialect(&self) -> Dialect {
        match &self.0[MAGIC] {
            b"ustar  \0" => Dialect::Gnu,
            magic if magic.starts_with(b"ustar\0") && &self.0[STAR_MAGIC] == b"tar\0" => Dialect::Star,
            magic if magic.starts_with(b"ustar\0") => Dialect::Posix,
            _ => Dialect::Old,
        }
    }

    /// The kind of member.
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
    pub(crate) fn device(&self) -> Result<(i128, i128), Flaw> {
        match self.dialect() {
            Dialect::Old => Ok((0, 0)),
            _ => Ok((self.number(DEVICE_MAJOR)?, self.number(DEVICE_MINOR)?)),
        }
    }

    /// Octal digits between spaces and NULs, nothing at all for 0, or GNU's base-256.
    pub(crate) fn number(&self, field: Field) -> Result<i128, Flaw> {
        number(&self.0[field.offset..][..field.length])
            .ok_or_else(|| Flaw::Unsound(format!("a header's {} is not a number", field.name)))
    }
}

/// A field's text: up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// What a field of at most twelve bytes says.
pub(crate) fn number(field: &[u8]) -> Option<i128> {
    if let Some((first, rest)) = field.split_first().filter(|(first, _)| **first & 0x80 != 0) {
        // Two's complement without the highest bit; the next one is the sign.
        let start = i128::from((*first << 1) as i8 >> 1);
        return Some(rest.iter().fold(start, |value, byte| value << 8 | i128::from(*byte)));
    }
    let field = field.trim_ascii_start();
    let digits = field.iter().position(|byte| !(b'0'..=b'7').contains(byte)).unwrap_or(field.len());
    let (digits, rest) = field.split_at(digits);
    let blank = rest.iter().all(|byte| matches!(byte, 0 | b' '));
    blank.then(|| digits.iter().fold(0, |value, digit| value << 3 | i128::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"  644\0\0\0", Some(0o644)),
            (b"77777777", Some(0o77_777_777)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"0000648\0", None),
            (b"-000001\0", None),
            (b"644\0junk", None),
            (b"0x00000\0", None),
            (b"\x80\0\0\0\0\x20\0\0", Some(2_097_152)),
            (b"\x80\0\0\0\xff\xff\xff\xfe", Some(4_294_967_294)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff", Some((1 << 62) - 1)),
            (b"\xc0\0\0\0\0\0\0\0", Some(-(1 << 62))),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(8 << 30)),
        ] {
            assert_eq!(number(field), expected, "{}", field.escape_ascii());
        }
    }

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
