//! What a file is compressed with, told by its first bytes.

use std::fmt;

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
    pub(crate) const MAGIC: usize = 6;

    pub(crate) fn of(beginning: &[u8]) -> Self {
        let known: [(&[u8], Encoding); 7] = [
            (b"\x1f\x8b", Encoding::Gzip),
            (b"\x28\xb5\x2f\xfd", Encoding::Zstd),
            (b"\xfd7zXZ\0", Encoding::Xz),
            (b"BZh", Encoding::Bzip2),
            (b"\x04\x22\x4d\x18", Encoding::Lz4),
            (b"\x5d\0\0", Encoding::Lzma),
            (b"hsqs", Encoding::Squashfs),
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

    /// Whether [`decoded`](crate::decode::decoded) knows it.
    pub(crate) fn is_decoded(self) -> bool {
        true
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
