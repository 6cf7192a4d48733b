//! Pax extended headers: the records for what a ustar block cannot hold.

use std::fmt::Write;

use super::{content, link, ustar};
use crate::buffer::Buffer;
use crate::tree::entry::{Entry, Kind, Timestamp};
use crate::tree::xattr::acl::Acl;

/// The records of one member, in their fixed order: hdrcharset, path, linkpath, GNU.sparse.*, size, uid, gid, mtime, ACLs, extended
/// attributes by the bytes of their names.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<u8>);

/// The ACLs that are written as text, too: the attribute they are, and the record that they become (as star, GNU tar and
/// libarchive have them).
const ACLS: [(&[u8], &str); 2] =
    [(b"system.posix_acl_access", "SCHILY.acl.access"), (b"system.posix_acl_default", "SCHILY.acl.default")];

impl Records {
    /// What the ustar header of a member with this name leaves out.
    pub(super) fn of(name: &[u8], entry: &Entry) -> Self {
        let (link, content) = (link(entry), content(entry));
        // Some readers split records at newlines, and would take what follows one in an attribute or a target for a path or a
        // target. A record that stands before it wins.
        let long = link.len() > ustar::LINK_LENGTH;
        let splits = entry.attributes.iter().any(|attribute| holds_newline(&attribute.name, &attribute.value));
        let sparse = matches!(entry.kind, Kind::SparseFile { .. });
        // A sparse file has its name in a record of its own.
        let unfit = !sparse && ustar::split(name).is_none();
        let path = (splits || long && link.contains(&b'\n') || unfit).then_some(name);
        let linkpath = (long || splits && !link.is_empty()).then_some(link);
        let mut records = Records::default();
        if [path, linkpath, sparse.then_some(name)].into_iter().flatten().any(|text| std::str::from_utf8(text).is_err())
        {
            records.push(b"hdrcharset", b"BINARY");
        }
        for (key, text) in [("path", path), ("linkpath", linkpath)] {
            if let Some(text) = text {
                records.push(key.as_bytes(), text);
            }
        }
        if sparse {
            records.push(b"GNU.sparse.major", b"1");
            records.push(b"GNU.sparse.minor", b"0");
            records.push(b"GNU.sparse.name", name);
            records.push(b"GNU.sparse.realsize", entry.stat.size.to_string().as_bytes());
        }
        let numbers = [
            ("size", ustar::SIZE, content),
            ("uid", ustar::UID, entry.owner.uid.into()),
            ("gid", ustar::GID, entry.owner.gid.into()),
        ];
        for (key, field, value) in numbers {
            if !field.holds(value.into()) {
                records.push(key.as_bytes(), value.to_string().as_bytes());
            }
        }
        if entry.modified.nanoseconds != 0 || !ustar::MTIME.holds(entry.modified.seconds.into()) {
            records.push(b"mtime", decimal(entry.modified).as_bytes());
        }
        records.attributes(entry);
        records
    }

    fn attributes(&mut self, entry: &Entry) {
        for (name, key) in ACLS {
            if let Some(acl) = entry.attributes.get(name).and_then(Acl::parse) {
                self.push(key.as_bytes(), acl.text().as_bytes());
            }
        }
        for attribute in entry.attributes.iter() {
            self.push(&[b"SCHILY.xattr.", &*escaped(&attribute.name)].concat(), &attribute.value);
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

fn holds_newline(name: &[u8], value: &[u8]) -> bool {
    [name, value].iter().any(|text| text.contains(&b'\n'))
}

/// The length of a record `LENGTH key=value\n`, whose first field counts itself.
fn record_length(key: usize, value: usize) -> u64 {
    let rest = (1 + key + 1 + value + 1) as u64;
    let digits = |number: u64| u64::from(number.ilog10() + 1);
    let length = rest + digits(rest);
    rest + digits(length)
}

/// An attribute's name as a record's key, which ends at the first `=`: as GNU tar writes it.
fn escaped(name: &[u8]) -> Vec<u8> {
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

/// A name for what stands for an entry and is not the entry: seen only by readers that do not know pax.
pub(super) fn beside(directory: &str, path: &[u8]) -> Vec<u8> {
    const ROOM: usize = 80;
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    [directory.as_bytes(), b"/", &last[..last.len().min(ROOM)]].concat()
}

/// Seconds as pax wants them: decimal, without trailing zeros, the sign before the whole number.
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
