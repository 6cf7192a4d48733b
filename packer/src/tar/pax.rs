//! Pax extended headers: the records for what a ustar block cannot hold.

use std::fmt::Write;

use super::{fits_octal, ustar};
use crate::buffer::Buffer;
use crate::entry::{Stat, Timestamp};

/// The records of one member, in their fixed order: hdrcharset, path, linkpath, size, uid, gid, mtime.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<u8>);

impl Records {
    /// What the ustar header of a member with this name, link target and stat leaves out.
    pub(super) fn of(name: &[u8], link: &[u8], content: u64, stat: &Stat) -> Self {
        let path = ustar::split(name).is_none().then_some(name);
        let linkpath = (link.len() > ustar::LINK_LENGTH).then_some(link);
        let fits = fits_octal(stat, content);
        let mut records = Records::default();
        if [path, linkpath].into_iter().flatten().any(|text| std::str::from_utf8(text).is_err()) {
            records.push("hdrcharset", b"BINARY");
        }
        let number = |value: u64| value.to_string();
        let wanted = [
            ("path", path.map(<[u8]>::to_vec)),
            ("linkpath", linkpath.map(<[u8]>::to_vec)),
            ("size", (!fits.size).then(|| number(content).into_bytes())),
            ("uid", (!fits.uid).then(|| number(stat.uid.into()).into_bytes())),
            ("gid", (!fits.gid).then(|| number(stat.gid.into()).into_bytes())),
            ("mtime", (!fits.mtime).then(|| decimal(stat.modified).into_bytes())),
        ];
        for (key, value) in wanted {
            if let Some(value) = value {
                records.push(key, &value);
            }
        }
        records
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

    fn push(&mut self, key: &str, value: &[u8]) {
        let length = record_length(key, value.len());
        self.0.extend_from_slice(format!("{length} {key}=").as_bytes());
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }
}

/// The length of a record `LENGTH key=value\n`, whose first field counts itself.
pub(super) fn record_length(key: &str, value: usize) -> u64 {
    let rest = (1 + key.len() + 1 + value + 1) as u64;
    let digits = |number: u64| u64::from(number.ilog10() + 1);
    let length = rest + digits(rest);
    rest + digits(length)
}

/// The name of the extended header itself: seen only by readers that do not know pax.
pub(super) fn header_name(path: &[u8]) -> Vec<u8> {
    const ROOM: usize = 80;
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    [b"PaxHeaders/", &last[..last.len().min(ROOM)]].concat()
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
            records.push("path", &vec![b'x'; value]);
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
