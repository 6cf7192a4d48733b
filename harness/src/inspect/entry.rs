//! One entry of a tree or of an archive, with all that a root filesystem has of it.

use std::fmt::Write;

use super::attributes::Attributes;

/// An entry: everything that unpacking it should restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The path below the top, without a slash at either end; empty for the top itself.
    pub(crate) path: Box<[u8]>,
    pub(crate) kind: Kind,
    /// The permissions, with set-id bits and the sticky bit.
    pub(crate) mode: u32,
    /// User and group.
    pub(crate) owner: (u64, u64),
    /// The time of the last change of its content, in nanoseconds since 1970.
    pub(crate) modified: i128,
    /// Extended attributes. A hard link has those of its target.
    pub(crate) attributes: Attributes,
}

/// The kind of an entry, with what only that kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File {
        size: u64,
        /// The sha256 of its content.
        content: [u8; 32],
    },
    /// A further name of an entry that came before.
    HardLink {
        target: Box<[u8]>,
    },
    Directory,
    Symlink {
        target: Box<[u8]>,
    },
    CharacterDevice {
        major: u32,
        minor: u32,
    },
    BlockDevice {
        major: u32,
        minor: u32,
    },
    Fifo,
}

impl Kind {
    /// For messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::File { .. } => "file",
            Kind::HardLink { .. } => "hard link",
            Kind::Directory => "directory",
            Kind::Symlink { .. } => "symlink",
            Kind::CharacterDevice { .. } => "character device",
            Kind::BlockDevice { .. } => "block device",
            Kind::Fifo => "fifo",
        }
    }
}

/// A path as an archive writes it, without `./` before it and `/` behind it.
pub(crate) fn plain(path: &[u8]) -> &[u8] {
    let mut path = path;
    while let Some(rest) = path.strip_prefix(b"./") {
        path = rest;
    }
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    if path[..end] == *b"." { b"" } else { &path[..end] }
}

/// A path for messages. The top is `.`.
pub(crate) fn shown(path: &[u8]) -> String {
    if path.is_empty() { ".".into() } else { String::from_utf8_lossy(path).escape_debug().to_string() }
}

/// Nanoseconds since 1970 as seconds.
pub(crate) fn seconds(nanoseconds: i128) -> String {
    const SECOND: u128 = 1_000_000_000;
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let (whole, part) = (nanoseconds.unsigned_abs() / SECOND, nanoseconds.unsigned_abs() % SECOND);
    if part == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part:09}") }
}

/// Bytes as text: as they are, if they are short and readable.
pub(crate) fn bytes_shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= 64 && !text.chars().any(char::is_control) => format!("`{text}`"),
        _ => hexadecimal(&bytes[..bytes.len().min(32)]) + if bytes.len() > 32 { "…" } else { "" },
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_same_however_an_archive_writes_it() {
        for (written, path) in
            [("./", ""), (".", ""), ("./etc/", "etc"), ("etc/passwd", "etc/passwd"), ("././a", "a"), (".a/", ".a")]
        {
            assert_eq!(plain(written.as_bytes()), path.as_bytes(), "{written}");
        }
    }

    #[test]
    fn times_are_shown_in_seconds() {
        for (time, text) in [(0, "0"), (1_500_000_000, "1.500000000"), (-1, "-0.000000001"), (-2_000_000_000, "-2")] {
            assert_eq!(seconds(time), text);
        }
    }
}
