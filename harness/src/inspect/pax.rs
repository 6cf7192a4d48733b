//! Extended headers of archives: records of keys and values.

use std::collections::BTreeMap;
use std::io;

/// Values by their keys.
pub(super) type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// The error of an archive that breaks its format.
pub(super) fn bad(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

/// Parses `LENGTH KEY=VALUE` records by their lengths.
pub(super) fn parse(text: &[u8]) -> io::Result<Records> {
    let mut records = Records::new();
    let mut rest = text;
    while !rest.is_empty() {
        let record = || {
            let space = rest.iter().position(|byte| *byte == b' ')?;
            let length = usize::try_from(decimal(&rest[..space])?).ok()?;
            let record = rest.get(space + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|byte| *byte == b'=')?;
            Some((record[..equals].to_vec(), record[equals + 1..].to_vec(), length))
        };
        let (key, value, length) = record().ok_or_else(|| bad("an extended header is malformed"))?;
        records.insert(key, value);
        rest = &rest[length..];
    }
    Ok(records)
}

pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Decimal seconds; the sign stands before the whole.
pub(super) fn nanoseconds(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<9}");
    let time = i128::from(whole.parse::<u64>().ok()?) * 1_000_000_000 + i128::from(part[..9].parse::<u32>().ok()?);
    Some(if negative { -time } else { time })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_by_their_lengths() {
        let records = parse(b"21 SCHILY.xattr.a=\nb\n11 path=a=\n").unwrap();
        assert_eq!(records.len(), 2, "{records:?}");
        assert_eq!(records[&b"SCHILY.xattr.a"[..]], b"\nb");
        assert_eq!(records[&b"path"[..]], b"a=");
        for text in ["8 path=a\n", "11 path=a\n", "10 path=a b", "x path=a\n", "9 path a\n", "3 \n", "0 a=b\n"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_a_sign_and_a_fraction() {
        for (text, time) in [
            ("0", Some(0)),
            ("1.5", Some(1_500_000_000)),
            ("-1.5", Some(-1_500_000_000)),
            ("-0.000000001", Some(-1)),
            ("17179869184.0000000019", Some(17_179_869_184_000_000_001)),
            ("1.x", None),
            ("", None),
        ] {
            assert_eq!(nanoseconds(text.as_bytes()), time, "{text}");
        }
    }
}
