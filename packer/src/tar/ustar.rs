//! One ustar header block.
//!
//! Fields are called as in POSIX: [ustar Interchange Format][ustar] and `<tar.h>`.
//!
//! [ustar]: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06

use crate::buffer::Buffer;

/// The unit of an archive, in bytes: a header is one block, content is padded to whole blocks.
pub(crate) const BLOCK_SIZE: usize = 512;

/// A field of the header block, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    offset: usize,
    length: usize,
}

const NAME: Field = Field { offset: 0, length: 100 };
const MODE: Field = Field { offset: 100, length: 8 };
pub(super) const UID: Field = Field { offset: 108, length: 8 };
pub(super) const GID: Field = Field { offset: 116, length: 8 };
pub(super) const SIZE: Field = Field { offset: 124, length: 12 };
pub(super) const MTIME: Field = Field { offset: 136, length: 12 };
const CHKSUM: Field = Field { offset: 148, length: 8 };
const TYPEFLAG: Field = Field { offset: 156, length: 1 };
const LINKNAME: Field = Field { offset: 157, length: 100 };
const MAGIC: Field = Field { offset: 257, length: 6 };
const VERSION: Field = Field { offset: 263, length: 2 };
const DEVMAJOR: Field = Field { offset: 329, length: 8 };
const DEVMINOR: Field = Field { offset: 337, length: 8 };
const PREFIX: Field = Field { offset: 345, length: 155 };

const TMAGIC: &[u8] = b"ustar\0";
const TVERSION: &[u8] = b"00";

/// The longest link target that fits the block, in bytes.
pub(super) const LINKNAME_LENGTH: usize = LINKNAME.length;

/// The value of the typeflag field.
#[derive(Clone, Copy, Debug)]
pub(super) enum TypeFlag {
    Regular,
    HardLink,
    Symlink,
    CharacterDevice,
    BlockDevice,
    Directory,
    Fifo,
    /// A pax extended header for the next member.
    ExtendedHeader,
}

impl TypeFlag {
    fn byte(self) -> u8 {
        match self {
            TypeFlag::Regular => b'0',
            TypeFlag::HardLink => b'1',
            TypeFlag::Symlink => b'2',
            TypeFlag::CharacterDevice => b'3',
            TypeFlag::BlockDevice => b'4',
            TypeFlag::Directory => b'5',
            TypeFlag::Fifo => b'6',
            TypeFlag::ExtendedHeader => b'x',
        }
    }
}

impl Field {
    /// Whether `value` fits in octal digits and a NUL: up to 2,097,151 for ids, 8 GiB − 1 for sizes, the year 2242 for times.
    pub(super) fn fits_octal(self, value: i128) -> bool {
        (0..1_i128 << (3 * (self.length - 1))).contains(&value)
    }
}

/// A header block that is being filled in.
#[derive(Debug)]
pub(super) struct HeaderBlock([u8; BLOCK_SIZE]);

impl HeaderBlock {
    pub(super) fn new(flag: TypeFlag) -> Self {
        let mut block = HeaderBlock([0; BLOCK_SIZE]);
        block.set(TYPEFLAG, &[flag.byte()]);
        block.set(MAGIC, TMAGIC);
        block.set(VERSION, TVERSION);
        for field in [MODE, UID, GID, SIZE, MTIME] {
            block.set_number(field, 0);
        }
        block
    }

    /// Sets the name, whole if it fits; otherwise its beginning, for readers that ignore the pax record.
    pub(super) fn set_name(&mut self, name: &[u8]) {
        match split(name) {
            Some((prefix, rest)) => {
                self.set(NAME, rest);
                self.set(PREFIX, prefix);
            }
            None => self.set(NAME, name),
        }
    }

    /// Sets the link target, or as much of it as fits.
    pub(super) fn set_linkname(&mut self, target: &[u8]) {
        self.set(LINKNAME, target);
    }

    pub(super) fn set_mode(&mut self, mode: u16) {
        self.set_number(MODE, i128::from(mode));
    }

    pub(super) fn set_device(&mut self, major: u32, minor: u32) {
        self.set_number(DEVMAJOR, i128::from(major));
        self.set_number(DEVMINOR, i128::from(minor));
    }

    /// Sets a number: as octal digits and a NUL, or as base-256 if it does not [fit](Field::fits_octal) them.
    pub(super) fn set_number(&mut self, field: Field, value: i128) {
        let bytes = &mut self.0[field.offset..][..field.length];
        if field.fits_octal(value) {
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

    /// Computes the checksum and appends the block to `out`.
    pub(super) fn append_to(mut self, out: &mut Buffer) {
        // The sum counts its own field as spaces. Six digits, a NUL and a space is the form that every tar writes.
        self.set(CHKSUM, &[b' '; CHKSUM.length]);
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.set_number(Field { length: CHKSUM.length - 1, ..CHKSUM }, i128::from(sum));
        out.append(&self.0);
    }

    /// Writes as much of `bytes` as fits the field.
    fn set(&mut self, field: Field, bytes: &[u8]) {
        let length = bytes.len().min(field.length);
        self.0[field.offset..][..length].copy_from_slice(&bytes[..length]);
    }
}

/// A name as the fields prefix and name; `None` if it does not fit them.
pub(super) fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME.length {
        return Some((b"", name));
    }
    // The shortest prefix that leaves a name that fits. The slash between them is not stored, and a directory's final slash cannot be
    // the whole name.
    let from = name.len() - NAME.length - 1;
    let to = (name.len() - 2).min(PREFIX.length);
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
                assert!(rest.len() <= NAME.length && prefix.len() <= PREFIX.length && !rest.is_empty());
                let whole = if prefix.is_empty() { rest.to_vec() } else { [prefix, b"/", rest].concat() };
                assert_eq!(whole, name);
            }
        }
    }
}
