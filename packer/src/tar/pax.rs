//! Pax extended headers: the records for what a ustar header block cannot hold.
//!
//! Source: POSIX, [pax Extended Header][pax]; the keys `SCHILY.*` are those of star, the keys `GNU.*` those of GNU tar.
//!
//! [pax]: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_03

use std::fmt::Write;

use crate::buffer::Buffer;
use crate::tar::member::{content_size, link_target};
use crate::tar::ustar;
use crate::tree::entry::{Kind, Member};
use crate::tree::stat::Timestamp;
use crate::tree::xattr::acl::Acl;

/// The records of one member, in their fixed order: hdrcharset, path, linkpath, GNU.sparse.*, size, uid, gid, mtime, ACLs, extended
/// attributes by the bytes of their names.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<u8>);

/// The ACLs that are written as text as well: the attribute, and the key of the text, as in star, GNU tar and libarchive.
const ACLS: [(&[u8], &str); 2] =
    [(b"system.posix_acl_access", "SCHILY.acl.access"), (b"system.posix_acl_default", "SCHILY.acl.default")];

impl Records {
    /// The records for what the ustar header block of a member with this name cannot hold.
    pub(super) fn of(name: &[u8], member: &Member) -> Self {
        let mut records = Records::default();
        records.push_names(name, member);
        if let Kind::SparseFile { extents } = &member.kind {
            records.push(b"GNU.sparse.major", b"1");
            records.push(b"GNU.sparse.minor", b"0");
            records.push(b"GNU.sparse.name", name);
            records.push(b"GNU.sparse.realsize", extents.file_size().to_string().as_bytes());
        }
        let numbers = [
            ("size", ustar::SIZE, content_size(member)),
            ("uid", ustar::UID, member.owner.uid.into()),
            ("gid", ustar::GID, member.owner.gid.into()),
        ];
        for (key, field, value) in numbers {
            if !field.fits_octal(value.into()) {
                records.push(key.as_bytes(), value.to_string().as_bytes());
            }
        }
        if member.modified.nanoseconds != 0 || !ustar::MTIME.fits_octal(member.modified.seconds.into()) {
            records.push(b"mtime", decimal(member.modified).as_bytes());
        }
        records.push_xattrs(member);
        records
    }

    /// Pushes `path` and `linkpath` where the block cannot hold them, and `hdrcharset` before names that are not UTF-8.
    ///
    /// Some readers split records at newlines, and would take a line of an attribute or a link target for a `path` or `linkpath`
    /// record. A real one that stands before it wins, so it is pushed where such a line could follow.
    fn push_names(&mut self, name: &[u8], member: &Member) {
        let link_target = link_target(member);
        let is_long = link_target.len() > ustar::LINKNAME_LENGTH;
        let has_newlines = member.xattrs.iter().any(|xattr| contains_newline(&xattr.name, &xattr.value));
        // A sparse file's name is in GNU.sparse.name.
        let is_sparse = matches!(member.kind, Kind::SparseFile { .. });
        let needs_path = !is_sparse && ustar::split(name).is_none();
        let path = (has_newlines || is_long && link_target.contains(&b'\n') || needs_path).then_some(name);
        let linkpath = (is_long || has_newlines && !link_target.is_empty()).then_some(link_target);
        let mut texts = [path, linkpath, is_sparse.then_some(name)].into_iter().flatten();
        if texts.any(|text| std::str::from_utf8(text).is_err()) {
            self.push(b"hdrcharset", b"BINARY");
        }
        for (key, text) in [("path", path), ("linkpath", linkpath)] {
            if let Some(text) = text {
                self.push(key.as_bytes(), text);
            }
        }
    }

    fn push_xattrs(&mut self, member: &Member) {
        for (name, key) in ACLS {
            if let Some(acl) = member.xattrs.get(name).and_then(Acl::parse) {
                self.push(key.as_bytes(), acl.to_text().as_bytes());
            }
        }
        for xattr in member.xattrs.iter() {
            self.push(&[b"SCHILY.xattr.", &*escape(&xattr.name)].concat(), &xattr.value);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    pub(super) fn append_to(&self, out: &mut Buffer) {
        out.append(&self.0);
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        let length = record_length(key.len(), value.len());
        self.0.extend_from_slice(format!("{length} ").as_bytes());
        self.0.extend_from_slice(key);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }
}

fn contains_newline(name: &[u8], value: &[u8]) -> bool {
    [name, value].iter().any(|text| text.contains(&b'\n'))
}

/// The length of a record `LENGTH key=value\n`, whose first field counts itself.
fn record_length(key: usize, value: usize) -> u64 {
    let rest = (1 + key + 1 + value + 1) as u64;
    let digits = |number: u64| u64::from(number.ilog10() + 1);
    let length = rest + digits(rest);
    rest + digits(length)
}

/// An attribute's name in a key, which ends at the first `=`. GNU tar escapes it the same way.
fn escape(name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len());
    for byte in name {
        match byte {
            b'%' => key.extend_from_slice(b"%25"),
            b'=' => key.extend_from_slice(b"%3D"),
            byte => key.push(*byte),
        }
    }
    key
}

/// The name of an extended header, or of a sparse file's content, of the entry at `path`. Only readers without pax see it.
pub(super) fn pax_header_name(directory: &str, path: &[u8]) -> Vec<u8> {
    const MAX_LENGTH: usize = 80;
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    [directory.as_bytes(), b"/", &last[..last.len().min(MAX_LENGTH)]].concat()
}

/// A time as pax writes it: decimal seconds without trailing zeros, the sign before the whole number.
fn decimal(time: Timestamp) -> String {
    let nanoseconds = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    let (whole, fraction) = (nanoseconds.unsigned_abs() / 1_000_000_000, nanoseconds.unsigned_abs() % 1_000_000_000);
    let mut text = format!("{}{whole}", if nanoseconds < 0 { "-" } else { "" });
    if fraction != 0 {
        let _ = write!(text, ".{fraction:09}");
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_record_counts_itself() {
        for value in [0, 1, 3, 84, 85, 86, 87, 88, 90, 100, 982, 983, 984, 990, 9_980, 99_000] {
            let mut records = Records::default();
            records.push(b"path", &vec![b'x'; value]);
            let text = String::from_utf8(records.0).unwrap();
            assert!(text.starts_with(&format!("{} path=", text.len())), "{value}: {text}");
        }
    }

    #[test]
    fn times_are_written_as_decimals() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "0"),
            (1, 500_000_000, "1.5"),
            (-2, 500_000_000, "-1.5"),
            (-1, 999_999_999, "-0.000000001"),
            (-5, 0, "-5"),
            (1 << 34, 1, "17179869184.000000001"),
        ] {
            assert_eq!(decimal(Timestamp { seconds, nanoseconds }), text);
        }
    }
}
