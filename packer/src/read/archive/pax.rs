//! Extended headers, which override the fields of a member's header: pax records for one member or for all further ones, and
//! GNU's long names.

use crate::read::archive::error::{ReadError, quoted};
use crate::read::archive::number::decimal;
use crate::read::archive::sparse::SparseRecords;
use crate::read::archive::xattr::XattrRecords;
use crate::tree::stat::Timestamp;

/// The longest extended header, in bytes: the limit of Go's `archive/tar`, and so of most container tools.
pub(crate) const LIMIT: u64 = 1 << 20;

/// The most memory of global records, in bytes. They are copied for each member.
const GLOBAL_LIMIT: usize = 64 << 10;

/// The overrides of the next member so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExtendedHeader {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<u64>,
    pub(crate) gid: Option<u64>,
    pub(crate) modified: Option<Timestamp>,
    pub(crate) device_major: Option<u64>,
    pub(crate) device_minor: Option<u64>,
    pub(crate) xattrs: XattrRecords,
    pub(crate) sparse: SparseRecords,
}

impl ExtendedHeader {
    /// Applies the records of a header. The later of two with one key counts.
    pub(crate) fn apply(&mut self, records: &[u8]) -> Result<(), ReadError> {
        for record in Records(records) {
            let (key, value) = record?;
            self.record(key, value)?;
        }
        Ok(())
    }

    /// Whether it sets the member's name or size.
    pub(crate) fn has_name_or_size(&self) -> bool {
        self.path.is_some() || self.link.is_some() || self.size.is_some() || self.sparse != SparseRecords::default()
    }

    /// Applies the records of a header for all further members.
    pub(crate) fn apply_global(&mut self, records: &[u8]) -> Result<(), ReadError> {
        self.apply(records)?;
        let texts = [&self.path, &self.link].into_iter().flatten().map(Vec::len).sum::<usize>();
        if texts + self.xattrs.size() + self.sparse.size() > GLOBAL_LIMIT {
            return Err(ReadError::Unsupported(format!(
                "holds more than {} KiB of global records",
                GLOBAL_LIMIT >> 10
            )));
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        let malformed = || ReadError::Malformed(format!("the record {} says {}", quoted(key), quoted(value)));
        // An empty value removes an earlier one.
        let text = || Some(value.to_vec()).filter(|text| !text.is_empty());
        let number = || if value.is_empty() { Ok(None) } else { decimal(value).map(Some).ok_or_else(malformed) };
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            b"size" => self.size = number()?,
            b"uid" => self.uid = number()?,
            b"gid" => self.gid = number()?,
            b"SCHILY.devmajor" => self.device_major = number()?,
            b"SCHILY.devminor" => self.device_minor = number()?,
            b"mtime" if value.is_empty() => self.modified = None,
            b"mtime" => self.modified = Some(time(value).ok_or_else(malformed)?),
            // Names are bytes in any character set.
            b"hdrcharset" => {}
            b"SCHILY.realsize" => return Err(ReadError::Unsupported("holds a file in star's sparse format".into())),
            _ if key.starts_with(b"GNU.sparse.") => self.sparse.record(&key[b"GNU.sparse.".len()..], value)?,
            _ => self.xattrs.record(key, value)?,
        }
        Ok(())
    }
}

/// The records of a header: `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record.
#[derive(Clone, Debug)]
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_none() {
            self.0 = b"";
        }
        Some(record.ok_or_else(|| ReadError::Malformed("an extended header is not made of records".into())))
    }
}

impl<'a> Records<'a> {
    fn record(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let space = self.0.iter().position(|byte| *byte == b' ')?;
        let length = usize::try_from(decimal(&self.0[..space])?).ok()?;
        let (record, rest) = self.0.split_at_checked(length)?;
        let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        self.0 = rest;
        Some((&record[..equals], &record[equals + 1..])).filter(|(key, _)| !key.is_empty())
    }
}

/// Parses a pax time: decimal seconds, perhaps with a sign and a fraction. Rounds down to nanoseconds.
fn time(text: &[u8]) -> Option<Timestamp> {
    const BILLION: i128 = 1_000_000_000;
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &b"0"[..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (nanoseconds, finer) = fraction.split_at(fraction.len().min(9));
    let nanoseconds = nanoseconds.iter().chain([b'0'; 9].iter()).take(9);
    let nanoseconds = nanoseconds.fold(0, |value, digit| value * 10 + i128::from(digit - b'0'));
    let time = i128::from(decimal(whole)?) * BILLION + nanoseconds;
    let time = if negative { -time - i128::from(finer.iter().any(|digit| *digit != b'0')) } else { time };
    let seconds = i64::try_from(time.div_euclid(BILLION)).ok()?;
    Some(Timestamp { seconds, nanoseconds: time.rem_euclid(BILLION) as u32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(records: &[u8]) -> Result<ExtendedHeader, ReadError> {
        let mut extended = ExtendedHeader::default();
        extended.apply(records).map(|()| extended)
    }

    #[test]
    fn records_end_where_their_length_says() {
        let found = applied(b"12 path=a\nb\n13 linkpath=\n8 uid=1\n8 uid=7\n13 comment==\n").unwrap();
        assert_eq!(found.path.as_deref(), Some(&b"a\nb"[..]));
        assert_eq!((found.link, found.uid), (None, Some(7)));
        for bad in [
            &b"x"[..],
            b"6 a=b",
            b"7 a=b\n",
            b"5 a=b\n",
            b"6 a=b\n\0",
            b"5 =b\n",
            b"6 abc\n",
            b" 6 a=b\n",
            b"0 a=b\n",
            b"-6 a=b\n",
            b"2 a=b\n",
            b"99999999999999999999999 a=b\n",
            b"8 uid=x\n",
            b"9 size=-1\n",
            b"26 size=18446744073709551616\n",
            b"10 mtime=.\n",
        ] {
            assert!(matches!(applied(bad), Err(ReadError::Malformed(_))), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn times_are_decimal_and_rounded_down() {
        for (text, expected) in [
            (&b"0"[..], Some((0, 0))),
            (b"1.5", Some((1, 500_000_000))),
            (b"-1.5", Some((-2, 500_000_000))),
            (b"-0.000000001", Some((-1, 999_999_999))),
            (b"1.0000000019", Some((1, 1))),
            (b"-1.0000000001", Some((-2, 999_999_999))),
            (b"-1.0000000000", Some((-1, 0))),
            (b"7.", Some((7, 0))),
            (b"17179869184.000000001", Some((1 << 34, 1))),
            (b"9223372036854775807.9", Some((i64::MAX, 900_000_000))),
            (b"9223372036854775808", None),
            (b"-9223372036854775808", Some((i64::MIN, 0))),
            (b"-9223372036854775809", None),
            (b"", None),
            (b"-", None),
            (b".5", None),
            (b"1.5.5", None),
            (b"1e5", None),
            (b"+1", None),
        ] {
            let found = time(text).map(|time| (time.seconds, time.nanoseconds));
            assert_eq!(found, expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn global_records_are_few() {
        let record = |key: &str| [b"20480 ", key.as_bytes(), b"=", &vec![b'x'; 20_472 - key.len()], b"\n"].concat();
        let mut globals = ExtendedHeader::default();
        let mut taken = |key| globals.apply_global(&record(key)).is_ok();
        assert!(taken("path") && taken("path") && taken("comment") && taken("SCHILY.xattr.user.a"));
        assert!(taken("SCHILY.xattr.user.b") && !taken("SCHILY.xattr.user.c"));
    }
}
