//! Values of options, as people write them.

use std::str::FromStr;
use std::time::UNIX_EPOCH;

use rustix::fs::Mode;

/// A number of bytes: plain, or in units of 1,024, as `512`, `64K`, `64KiB`, `10G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let power = match unit {
            "" => Some(0),
            "K" | "KiB" => Some(10),
            "M" | "MiB" => Some(20),
            "G" | "GiB" => Some(30),
            "T" | "TiB" => Some(40),
            _ => None,
        };
        let bytes = power.zip(number.parse::<u64>().ok()).and_then(|(power, number)| number.checked_mul(1 << power));
        bytes
            .map(Bytes)
            .ok_or_else(|| "a size is a number of bytes, or of K, M, G or T, which are powers of 1,024".into())
    }
}

/// A moment in whole seconds since 1970: `SECONDS`, `@SECONDS` as of `date` and GNU tar, or RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) i64);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix('@').unwrap_or(text);
        if let Ok(seconds) = number.parse() {
            return Ok(Moment(seconds));
        }
        let time = humantime::parse_rfc3339(text).ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let whole = time.filter(|time| time.subsec_nanos() == 0).and_then(|time| i64::try_from(time.as_secs()).ok());
        whole.map(Moment).ok_or_else(|| {
            "a time is a number of seconds since 1970, with or without `@`, or as `2026-01-31T12:00:00Z`".into()
        })
    }
}

/// The permissions of a file, as `chmod` takes them in octal: `644`, `0640`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileMode(pub(crate) u32);

impl FileMode {
    /// The permissions that a program gives a new file: reading and writing for everybody, without the umask of this process. Where
    /// the kernel does not tell the umask (before 4.7, without /proc), it can only be read by setting it; the process must have one
    /// thread then.
    pub(crate) fn from_umask() -> Self {
        let umask = told_umask().unwrap_or_else(|| {
            let umask = rustix::process::umask(Mode::from_raw_mode(0o077));
            rustix::process::umask(umask);
            umask.as_raw_mode()
        });
        FileMode(0o666 & !umask)
    }
}

/// The umask, if the kernel tells it.
fn told_umask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(umask.trim(), 8).ok()
}

impl FromStr for FileMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777 && mode & 0o400 != 0);
        mode.map(FileMode).ok_or_else(|| "a mode is three octal digits, and the owner may read: 400 to 777".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_written() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("64K", 65_536), ("64KiB", 65_536), ("3G", 3 << 30), ("2TiB", 2 << 40)]
        {
            assert_eq!(text.parse(), Ok(Bytes(bytes)));
        }
        for text in ["", "K", "-1", "1.5G", "1 G", "1GB", "1k", "99999999999999999999", "18014398509481984K"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn modes_are_octal_and_let_the_owner_read() {
        for (text, mode) in [("600", 0o600), ("0640", 0o640), ("444", 0o444), ("777", 0o777)] {
            assert_eq!(text.parse(), Ok(FileMode(mode)));
        }
        for text in ["", "0", "64", "644x", "888", "+600", "0o644", "1644", "4755", "00644", "200", "044", "rw-r--r--"]
        {
            assert!(text.parse::<FileMode>().is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_read_in_three_forms() {
        for (text, seconds) in [
            ("0", 0),
            ("-2", -2),
            ("@1700000000", 1_700_000_000),
            ("@-2", -2),
            ("1970-01-01T00:00:00Z", 0),
            ("2023-11-14T22:13:20Z", 1_700_000_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800),
        ] {
            assert_eq!(text.parse(), Ok(Moment(seconds)), "{text}");
        }
        for text in ["", "@", "@@1", "yesterday", "2023-11-14", "2023-11-14T22:13:20", "2023-02-29T00:00:00Z"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
        // Times have a zone and are whole seconds, as everything that they are compared with.
        for text in ["2023-11-14T22:13:20+01:00", "2023-11-14T22:13:20.5Z", "1.5", "1969-12-31T23:59:59Z"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
