//! The option `--compression`: codec and level as one value.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::codec::external::Program;

/// A codec and its level: `none`, `gzip[:1-12]`, `zstd[:1-19]`, `xz[:0-9]`, `squashfs` or `external:PROGRAM[:1-9]`.
///
/// The default is [`Compression::GZIP`]. A level outside the codec's range cannot be made.
///
/// ```
/// use packer::{Compression, Program};
///
/// assert_eq!(Compression::gzip(6)?, "gzip:6".parse()?);
/// assert_eq!(Compression::external(Program::Pigz).to_string(), "external:pigz");
/// assert_eq!(Compression::ZSTD.extension(), ".tar.zst");
/// # Ok::<(), packer::InvalidCompression>(())
/// ```
///
/// Outside this crate, patterns have braces: `Compression::Gzip { .. }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// No compression: the image is the tar.
    None,
    /// One gzip member (RFC 1952), made by libdeflate at this level. Levels 1 to 12; default 5.
    #[non_exhaustive]
    Gzip(u8),
    /// Zstandard frames (RFC 8878) with content size and checksum, made by libzstd at this level. Levels 1 to 19; default 3.
    #[non_exhaustive]
    Zstd(u8),
    /// One stream of the .xz format with a CRC-64 for each block, made by liblzma at this level. Levels 0 to 9; default 6.
    #[non_exhaustive]
    Xz(u8),
    /// A squashfs filesystem compressed with xz, made by the installed program `tar2sqfs`. It holds times in whole seconds from
    /// 1970 to 2106, and attributes in `user.`, `trusted.` and `security.` only. An entry with others, such as ACLs, fails the
    /// pack.
    Squashfs,
    /// An installed program, at a level from 1 to 9 or at the program's default. The fingerprint depends on the program's version.
    #[non_exhaustive]
    External(Program, Option<u8>),
}

const GZIP_LEVELS: RangeInclusive<u8> = 1..=12;
const ZSTD_LEVELS: RangeInclusive<u8> = 1..=19;
const XZ_LEVELS: RangeInclusive<u8> = 0..=9;
const PROGRAM_LEVELS: RangeInclusive<u8> = 1..=9;

impl Compression {
    /// gzip at level 5, the fastest level whose images are not larger than those of `gzip -6`: of a Debian tree of 1.41 GB level 4
    /// made 422.6, level 5 413.1 and `gzip -6` 413.6 MB.
    pub const GZIP: Self = Compression::Gzip(5);
    /// zstd at level 3, the default of the program `zstd`.
    pub const ZSTD: Self = Compression::Zstd(3);
    /// xz at level 6, the default of the program `xz`.
    pub const XZ: Self = Compression::Xz(6);

    /// gzip at a level from 1 to 12.
    ///
    /// # Errors
    ///
    /// If the level is outside this range.
    pub fn gzip(level: u8) -> Result<Self, InvalidCompression> {
        Compression::Gzip(level).checked(level, &GZIP_LEVELS)
    }

    /// zstd at a level from 1 to 19.
    ///
    /// # Errors
    ///
    /// If the level is outside this range.
    pub fn zstd(level: u8) -> Result<Self, InvalidCompression> {
        Compression::Zstd(level).checked(level, &ZSTD_LEVELS)
    }

    /// xz at a level from 0 to 9.
    ///
    /// # Errors
    ///
    /// If the level is outside this range.
    pub fn xz(level: u8) -> Result<Self, InvalidCompression> {
        Compression::Xz(level).checked(level, &XZ_LEVELS)
    }

    /// An installed program at its own default level.
    #[must_use]
    pub const fn external(program: Program) -> Self {
        Compression::External(program, None)
    }

    /// An installed program at a level from 1 to 9.
    ///
    /// # Errors
    ///
    /// If the level is outside this range.
    pub fn external_with_level(program: Program, level: u8) -> Result<Self, InvalidCompression> {
        Compression::External(program, Some(level)).checked(level, &PROGRAM_LEVELS)
    }

    fn checked(self, level: u8, levels: &RangeInclusive<u8>) -> Result<Self, InvalidCompression> {
        let invalid = || InvalidCompression { spec: self.to_string(), reason: outside(levels) };
        if levels.contains(&level) { Ok(self) } else { Err(invalid()) }
    }

    /// The extension of an image's file name: `.tar`, `.tar.gz`, `.tar.zst`, `.tar.xz`, …, or `.squashfs`.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Compression::None => ".tar",
            Compression::Gzip(_) => ".tar.gz",
            Compression::Zstd(_) => ".tar.zst",
            Compression::Xz(_) => ".tar.xz",
            Compression::Squashfs => ".squashfs",
            Compression::External(program, _) => program.extension(),
        }
    }

    /// What compresses the metadata of a split image whose rootfs has this compression: the default if this makes a filesystem.
    pub(crate) fn metadata_compression(self) -> Self {
        if self.is_filesystem() { Compression::default() } else { self }
    }

    /// Whether the image is a filesystem that can be mounted, instead of a compressed tar.
    #[must_use]
    pub fn is_filesystem(self) -> bool {
        match self {
            Compression::Squashfs => true,
            Compression::None
            | Compression::Gzip(_)
            | Compression::Zstd(_)
            | Compression::Xz(_)
            | Compression::External(..) => false,
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Compression::GZIP
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::None => f.write_str("none"),
            Compression::Gzip(level) => write!(f, "gzip:{level}"),
            Compression::Zstd(level) => write!(f, "zstd:{level}"),
            Compression::Xz(level) => write!(f, "xz:{level}"),
            Compression::Squashfs => f.write_str("squashfs"),
            Compression::External(program, None) => write!(f, "external:{program}"),
            Compression::External(program, Some(level)) => write!(f, "external:{program}:{level}"),
        }
    }
}

/// A text that is not a [`Compression`], or a level outside a codec's range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{spec}` is not a compression: {reason}")]
pub struct InvalidCompression {
    spec: String,
    reason: String,
}

impl FromStr for Compression {
    type Err = InvalidCompression;

    fn from_str(spec: &str) -> Result<Self, Self::Err> {
        parse(spec).map_err(|reason| InvalidCompression { spec: spec.escape_debug().to_string(), reason })
    }
}

fn parse(spec: &str) -> Result<Compression, String> {
    let mut words = spec.split(':');
    let codec = words.next().unwrap_or_default();
    let program = if codec == "external" {
        Some(Program::from_str(words.next().unwrap_or_default()).map_err(|error| error.to_string())?)
    } else {
        None
    };
    let number = words.next();
    if words.next().is_some() {
        return Err("it has too many parts".into());
    }
    match (codec, program, number) {
        ("none", _, None) => Ok(Compression::None),
        ("squashfs", _, None) => Ok(Compression::Squashfs),
        ("none" | "squashfs", _, Some(_)) => Err(format!("`{codec}` takes no level")),
        ("gzip", _, None) => Ok(Compression::GZIP),
        ("gzip", _, Some(text)) => level(text, &GZIP_LEVELS).map(Compression::Gzip),
        ("zstd", _, None) => Ok(Compression::ZSTD),
        ("zstd", _, Some(text)) => level(text, &ZSTD_LEVELS).map(Compression::Zstd),
        ("xz", _, None) => Ok(Compression::XZ),
        ("xz", _, Some(text)) => level(text, &XZ_LEVELS).map(Compression::Xz),
        (_, Some(program), None) => Ok(Compression::External(program, None)),
        (_, Some(program), Some(text)) => {
            level(text, &PROGRAM_LEVELS).map(|level| Compression::External(program, Some(level)))
        }
        _ => Err("codecs are none, gzip[:1-12], zstd[:1-19], xz[:0-9], squashfs and external:PROGRAM[:1-9]".into()),
    }
}

fn level(text: &str, levels: &RangeInclusive<u8>) -> Result<u8, String> {
    // `u8::from_str` takes a plus sign.
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let level = if plain { text.parse().ok() } else { None };
    level.filter(|level| levels.contains(level)).ok_or_else(|| outside(levels))
}

fn outside(levels: &RangeInclusive<u8>) -> String {
    format!("the level must be a number from {} to {}", levels.start(), levels.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spec_reads_back_as_itself() {
        let spec = |text: &str| text.parse::<Compression>().map(|compression| compression.to_string());
        for text in [
            "none",
            "gzip:1",
            "gzip:12",
            "zstd:1",
            "zstd:19",
            "xz:0",
            "xz:9",
            "squashfs",
            "external:pigz:9",
            "external:zstd:1",
        ] {
            assert_eq!(spec(text).as_deref(), Ok(text));
        }
        for program in Program::ALL {
            let text = format!("external:{program}");
            assert_eq!(spec(&text), Ok(text));
        }
        assert_eq!(spec("gzip"), spec(&Compression::default().to_string()));
        assert_eq!(spec("zstd").as_deref(), Ok("zstd:3"));
        assert_eq!(spec("xz").as_deref(), Ok("xz:6"));
    }

    #[test]
    fn constructors_refuse_the_same_levels_as_specs() {
        for level in 0..=u8::MAX {
            let spec = |codec: &str| format!("{codec}:{level}").parse::<Compression>();
            assert_eq!(Compression::gzip(level), spec("gzip"));
            assert_eq!(Compression::zstd(level), spec("zstd"));
            assert_eq!(Compression::xz(level), spec("xz"));
            assert_eq!(Compression::external_with_level(Program::Lz4, level), spec("external:lz4"));
        }
    }

    #[test]
    fn what_is_no_spec_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "codecs are"),
            ("lzo", "codecs are"),
            ("none:1", "takes no level"),
            ("squashfs:6", "takes no level"),
            ("gzip:0", "from 1 to 12"),
            ("gzip:13", "from 1 to 12"),
            ("gzip:+6", "from 1 to 12"),
            ("gzip:", "from 1 to 12"),
            ("gzip:6:7", "too many parts"),
            ("zstd:20", "from 1 to 19"),
            ("xz:10", "from 0 to 9"),
            ("xz:6e", "from 0 to 9"),
            ("external", "is not one of"),
            ("external:sh", "is not one of"),
            ("external:gzip:0", "from 1 to 9"),
            ("external:gzip:-9", "from 1 to 9"),
        ] {
            let error = text.parse::<Compression>().unwrap_err().to_string();
            assert!(error.contains(reason), "`{text}`: {error}");
        }
    }
}
