//! What a file is compressed with, told by its first bytes.

use std::fmt;

use crate::sink::program::squashfs;

/// What the first header of a tar says where it says what it is.
const USTAR: &[u8] = b"ustar";

/// What hides the tar in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Nothing does.
    None,
    /// gzip, as RFC 1952 has it.
    Gzip,
    /// Zstandard, as RFC 8878 has it.
    Zstd,
    /// The container of xz.
    Xz,
    /// bzip2.
    Bzip2,
    /// Frames of LZ4.
    Lz4,
    /// xz's older container.
    Lzma,
    /// A filesystem instead of a tar.
    Squashfs,
}

impl Encoding {
    /// How many bytes it takes to tell.
    pub(crate) const MAGIC: usize = 257 + USTAR.len();

    /// What a file with these first bytes is.
    pub(crate) fn of(beginning: &[u8]) -> Self {
        // The first letters of a member's name may look like anything.
        if beginning.get(257..) == Some(USTAR) {
            return Encoding::None;
        }
        let known: [(&[u8], Encoding); 7] = [
            (b"\x1f\x8b", Encoding::Gzip),
            (b"\x28\xb5\x2f\xfd", Encoding::Zstd),
            (b"\xfd7zXZ\0", Encoding::Xz),
            (b"BZh", Encoding::Bzip2),
            (b"\x04\x22\x4d\x18", Encoding::Lz4),
            (b"\x5d\0\0", Encoding::Lzma),
            (squashfs::MAGIC, Encoding::Squashfs),
        ];
        let found = known.into_iter().find(|(magic, _)| beginning.starts_with(magic));
        found.map_or(Encoding::None, |(_, encoding)| encoding)
    }

    /// What it is called: `none`, `gzip`, `zstd`, …
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
            let mut beginning = [0; Encoding::MAGIC];
            beginning[..magic.len()].copy_from_slice(magic);
            assert_ne!(Encoding::of(&beginning), Encoding::None, "{magic:02x?}");
            beginning[257..].copy_from_slice(USTAR);
            assert_eq!(Encoding::of(&beginning), Encoding::None, "{magic:02x?}");
            assert_ne!(Encoding::of(magic), Encoding::None, "{magic:02x?}");
        }
    }
}
