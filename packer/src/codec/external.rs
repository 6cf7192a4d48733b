//! External compressors: which programs may be run, and how.
//!
//! The program comes from an allow-list and its argument vector is fixed: `NAME -c [-n for gzip and pigz] [-LEVEL]`, the tar
//! on standard input, the image on standard output, as LXD and Incus run them.

use std::fmt;
use std::str::FromStr;

/// A compressor that may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Program {
    /// bzip2.
    Bzip2,
    /// GNU gzip.
    Gzip,
    /// The lz4 command.
    Lz4,
    /// The command lzma: of XZ Utils, or of the older LZMA Utils.
    Lzma,
    /// pigz, a parallel gzip.
    Pigz,
    /// The command of XZ Utils.
    Xz,
    /// The zstd command.
    Zstd,
}

impl Program {
    /// All programs that may be run.
    pub const ALL: [Program; 7] =
        [Program::Bzip2, Program::Gzip, Program::Lz4, Program::Lzma, Program::Pigz, Program::Xz, Program::Zstd];

    /// Its name, which is also the command.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Program::Bzip2 => "bzip2",
            Program::Gzip => "gzip",
            Program::Lz4 => "lz4",
            Program::Lzma => "lzma",
            Program::Pigz => "pigz",
            Program::Xz => "xz",
            Program::Zstd => "zstd",
        }
    }

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Program::Bzip2 => ".tar.bz2",
            Program::Gzip | Program::Pigz => ".tar.gz",
            Program::Lz4 => ".tar.lz4",
            Program::Lzma => ".tar.lzma",
            Program::Xz => ".tar.xz",
            Program::Zstd => ".tar.zst",
        }
    }

    pub(crate) fn arguments(self, level: Option<u8>) -> Vec<String> {
        let mut arguments = vec!["-c".to_owned()];
        match self {
            // Neither name nor time of the input in the header.
            Program::Gzip | Program::Pigz => arguments.push("-n".to_owned()),
            Program::Bzip2 | Program::Lz4 | Program::Lzma | Program::Xz | Program::Zstd => {}
        }
        arguments.extend(level.map(|level| format!("-{level}")));
        arguments
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Program {
    type Err = InvalidProgram;

    fn from_str(name: &str) -> std::result::Result<Self, InvalidProgram> {
        let found = Program::ALL.into_iter().find(|program| program.name() == name);
        found.ok_or_else(|| InvalidProgram(name.escape_debug().to_string()))
    }
}

/// A text that names no [`Program`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program `{0}` is not one of {known}", known = Program::ALL.map(Program::name).join(", "))]
pub struct InvalidProgram(String);
