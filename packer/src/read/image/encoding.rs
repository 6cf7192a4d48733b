//! The compression of a file, detected by its first bytes.

use std::fmt;

use crate::read::archive::header::{BLOCK, Block};
use crate::sink::program::squashfs_file;

/// The compression of a tar, or the filesystem that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// No compression.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// The xz format.
    Xz,
    /// bzip2.
    Bzip2,
    /// The LZ4 frame format.
    Lz4,
    /// The lzma format, the predecessor of xz.
    Lzma,
    /// A squashfs filesystem instead of a tar.
    Squashfs,
}

impl Encoding {
    /// The bytes that detection needs.
    pub(crate) const MAGIC_LENGTH: usize = BLOCK;

    /// Detects the encoding of a file with these first bytes.
    pub(crate) fn detect(beginning: &[u8]) -> Self {
        // A tar begins with a member's name, which may look like any other magic. Compressed data may contain the magic of a tar where
        // a header has it, if what it compresses does; the checksum of a header it has not.
        if beginning.try_into().is_ok_and(|block| Block(block).is_header()) {
            return Encoding::None;
        }
        let known: [(&[u8], Encoding); 7] = [
            (b"\x1f\x8b", Encoding::Gzip),
            (b"\x28\xb5\x2f\xfd", Encoding::Zstd),
            (b"\xfd7zXZ\0", Encoding::Xz),
            (b"BZh", Encoding::Bzip2),
            (b"\x04\x22\x4d\x18", Encoding::Lz4),
            (b"\x5d\0\0", Encoding::Lzma),
            (squashfs_file::MAGIC, Encoding::Squashfs),
        ];
        let found = known.into_iter().find(|(magic, _)| beginning.starts_with(magic));
        found.map_or(Encoding::None, |(_, encoding)| encoding)
    }

    /// The name in records: `none`, `gzip`, `zstd`, `xz`, `bzip2`, `lz4`, `lzma` or `squashfs`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Encoding::None => "none",
            Encoding::Gzip => "gzip",
            Encoding::Zstd => "zstd",
            Encoding::Xz => "xz",
            Encoding::Bzip2 => "bzip2",
            Encoding::Lz4 => "lz4",
            Encoding::Lzma => "lzma",
            Encoding::Squashfs => "squashfs",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_first_member_is_not_taken_for_compression() {
        for magic in [&b"BZh9"[..], b"]\0\0", b"\x1f\x8b", b"\x04\x22\x4d\x18", b"(\xb5/\xfd", b"\xfd7zXZ\0", b"hsqs"] {
            let mut beginning = [0; Encoding::MAGIC_LENGTH];
            beginning[..magic.len()].copy_from_slice(magic);
            assert_ne!(Encoding::detect(&beginning), Encoding::None, "{magic:02x?}");
            beginning[257..262].copy_from_slice(b"ustar");
            assert_ne!(
                Encoding::detect(&beginning),
                Encoding::None,
                "{magic:02x?}: a header's magic in compressed data"
            );
            // The sum of all bytes, with spaces for the sum itself.
            let sum: u32 = beginning.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
            beginning[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            assert_eq!(Encoding::detect(&beginning), Encoding::None, "{magic:02x?}");
            assert_ne!(Encoding::detect(magic), Encoding::None, "{magic:02x?}");
        }
    }
}
