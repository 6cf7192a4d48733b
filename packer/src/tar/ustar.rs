//! One ustar header block.

use super::BLOCK;
use crate::buffer::Buffer;

/// The longest link target that fits the block, in bytes.
pub(super) const LINK_LENGTH: usize = 100;

const NAME_LENGTH: usize = 100;
const PREFIX_LENGTH: usize = 155;

/// The kind of member, as the byte at offset 156.
#[derive(Clone, Copy, Debug)]
pub(super) enum TypeFlag {
    Regular,
    HardLink,
    Symlink,
    Character,
    Block,
    Directory,
    Fifo,
    Extended,
}

impl TypeFlag {
    fn byte(self) -> u8 {
        match self {
            TypeFlag::Regular => b'0',
            TypeFlag::HardLink => b'1',
            TypeFlag::Symlink => b'2',
            TypeFlag::Character => b'3',
            TypeFlag::Block => b'4',
            TypeFlag::Directory => b'5',
            TypeFlag::Fifo => b'6',
            TypeFlag::Extended => b'x',
        }
    }
}

/// A field that holds a number: octal digits and a NUL, or base-256 where octal is too small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    offset: usize,
    length: usize,
}

pub(super) const UID: Field = Field { offset: 108, length: 8 };
pub(super) const GID: Field = Field { offset: 116, length: 8 };
pub(super) const SIZE: Field = Field { offset: 124, length: 12 };
pub(super) const MTIME: Field = Field { offset: 136, length: 12 };
const MODE: Field = Field { offset: 100, length: 8 };
const CHECKSUM: Field = Field { offset: 148, length: 7 };
const DEVICE_MAJOR: Field = Field { offset: 329, length: 8 };
const DEVICE_MINOR: Field = Field { offset: 337, length: 8 };

impl Field {
    /// Whether octal digits can hold `value`: 2,097,151 for ids, 8 GiB − 1 for sizes, the year 2242 for times.
    pub(super) fn holds(self, value: i128) -> bool {
        (0..1_i128 << (3 * (self.length - 1))).contains(&value)
    }
}

/// A header block that is being filled in.
#[derive(Debug)]
pub(super) struct Block([u8; BLOCK]);

impl Block {
    pub(super) fn new(flag: TypeFlag) -> Self {
        let mut block = Block([0; BLOCK]);
        block.0[156] = flag.byte();
        block.0[257..265].copy_from_slice(b"ustar\x0000");
        for field in [MODE, UID, GID, SIZE, MTIME] {
            block.number(field, 0);
        }
        block
    }

    /// The name, whole if it fits; otherwise its beginning, for readers that do not see the pax record.
    pub(super) fn name(&mut self, name: &[u8]) {
        match split(name) {
            Some((prefix, rest)) => {
                self.0[..rest.len()].copy_from_slice(rest);
                self.0[345..][..prefix.len()].copy_from_slice(prefix);
            }
            None => self.0[..NAME_LENGTH].copy_from_slice(&name[..NAME_LENGTH]),
        }
    }

    /// The link target, or as much of it as fits.
    pub(super) fn link(&mut self, target: &[u8]) {
        let length = target.len().min(LINK_LENGTH);
        self.0[157..][..length].copy_from_slice(&target[..length]);
    }

    pub(super) fn mode(&mut self, mode: u16) {
        self.number(MODE, i128::from(mode));
    }

    pub(super) fn device(&mut self, (major, minor): (u32, u32)) {
        self.number(DEVICE_MAJOR, i128::from(major));
        self.number(DEVICE_MINOR, i128::from(minor));
    }

    pub(super) fn number(&mut self, field: Field, value: i128) {
        let bytes = &mut self.0[field.offset..][..field.length];
        if field.holds(value) {
            let mut rest = value;
            let (last, digits) = bytes.split_last_mut().expect("a field has bytes");
            *last = 0;
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + (rest & 7) as u8;
                rest >>= 3;
            }
        } else {
            // GNU's base-256: two's complement, big-endian, with the highest bit of the field set.
            let raw = value.to_be_bytes();
            bytes.copy_from_slice(&raw[raw.len() - field.length..]);
            bytes[0] |= 0x80;
        }
    }

    /// Computes the checksum and appends the block.
    pub(super) fn append_to(mut self, out: &mut Buffer) {
        self.0[148..156].fill(b' ');
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.number(CHECKSUM, i128::from(sum));
        out.append(&self.0);
    }
}

/// The name as `prefix` and `name`, if the block can hold it.
pub(super) fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME_LENGTH {
        return Some((b"", name));
    }
    // The shortest prefix that leaves a rest that fits; the slash between them is not stored, and at least one byte that
    // is not a directory's final slash has to remain.
    let from = name.len() - NAME_LENGTH - 1;
    let to = (name.len() - 2).min(PREFIX_LENGTH);
    let slash = from.max(1) + name.get(from.max(1)..=to)?.iter().position(|byte| *byte == b'/')?;
    Some((&name[..slash], &name[slash + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_only_where_both_halves_fit() {
        let long = |length: usize| vec![b'a'; length];
        let join = |one: usize, other: usize| [&long(one)[..], b"/", &long(other)].concat();
        for (name, fits) in [
            (long(100), true),
            (long(101), false),
            (join(155, 100), true),
            (join(156, 100), false),
            (join(155, 101), false),
            (join(1, 99), true),
            (join(3, 100), true),
            ([&long(100)[..], b"/"].concat(), false),
            ([&join(155, 99)[..], b"/"].concat(), true),
            ([&join(155, 100)[..], b"/"].concat(), false),
            ([&b"/"[..], &long(100)].concat(), false),
        ] {
            let halves = split(&name);
            assert_eq!(halves.is_some(), fits, "{} bytes", name.len());
            if let Some((prefix, rest)) = halves {
                assert!(rest.len() <= 100 && prefix.len() <= 155 && !rest.is_empty());
                let whole = if prefix.is_empty() { rest.to_vec() } else { [prefix, b"/", rest].concat() };
                assert_eq!(whole, name);
            }
        }
    }
}
