//! Extended attributes and ACLs in pax records: star's, GNU tar's and libarchive's.

use std::collections::BTreeMap;

use crate::read::archive::acl::Acl;
use crate::read::archive::error::{ReadError, quoted};

/// Values by attribute name, in byte order.
pub(crate) type Xattrs = BTreeMap<Box<[u8]>, Box<[u8]>>;

const SCHILY: &[u8] = b"SCHILY.xattr.";
const LIBARCHIVE: &[u8] = b"LIBARCHIVE.xattr.";
const ACL: &[u8] = b"SCHILY.acl.";
/// GNU tar's key for the SELinux label. Its value lacks the attribute's final NUL.
const SELINUX: &[u8] = b"RHT.security.selinux";

/// The pax records of one member that describe attributes.
#[derive(Clone, Debug, Default)]
pub(crate) struct XattrRecords {
    /// `SCHILY.xattr.`: values by the rest of the key, as it is written.
    schily: BTreeMap<Vec<u8>, Vec<u8>>,
    /// `LIBARCHIVE.xattr.`: values by the decoded attribute name.
    libarchive: BTreeMap<Vec<u8>, Vec<u8>>,
    /// `SCHILY.acl.`: texts by the whole key.
    acls: BTreeMap<Vec<u8>, Vec<u8>>,
    selinux: Option<Vec<u8>>,
}

impl XattrRecords {
    /// Stores a record if it describes an attribute; ignores it otherwise.
    pub(crate) fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        if let Some(name) = key.strip_prefix(SCHILY) {
            self.schily.insert(name.to_vec(), value.to_vec());
        } else if let Some(name) = key.strip_prefix(LIBARCHIVE) {
            let bad = || ReadError::Malformed(format!("the record {} is not base64", quoted(key)));
            self.libarchive.insert(percent_decoded(name), base64(value).ok_or_else(bad)?);
        } else if key.starts_with(ACL) {
            self.acls.insert(key.to_vec(), value.to_vec());
        } else if key == SELINUX {
            self.selinux = Some([value, b"\0"].concat());
        }
        Ok(())
    }

    /// The memory of the records, in bytes.
    pub(crate) fn size(&self) -> usize {
        let maps = [&self.schily, &self.libarchive, &self.acls];
        maps.into_iter().flatten().map(|(name, value)| name.len() + value.len() + 64).sum()
    }

    /// The attributes of the unpacked member.
    pub(crate) fn into_xattrs(self) -> Xattrs {
        let mut attributes = Xattrs::new();
        for (key, value) in self.schily {
            // libarchive writes both records, and escapes more in this key than other readers decode.
            if !self.libarchive.contains_key(&percent_decoded(&key)) {
                attributes.insert(unescaped(&key).into(), value.into());
            }
        }
        attributes.extend(self.libarchive.into_iter().map(|(name, value)| (name.into(), value.into())));
        if let Some(value) = self.selinux {
            attributes.entry(b"security.selinux"[..].into()).or_insert(value.into());
        }
        for (key, text) in self.acls {
            let name = match &key[..] {
                b"SCHILY.acl.access" => &b"system.posix_acl_access"[..],
                b"SCHILY.acl.default" => b"system.posix_acl_default",
                _ => &key,
            };
            match (Acl::from_text(&text), attributes.get(name)) {
                // GNU tar writes an empty one for a directory without a default ACL.
                (Some(acl), _) if acl.is_empty() => {}
                (Some(acl), None) if acl.is_extended() || key == b"SCHILY.acl.default" => {
                    attributes.insert(name.into(), acl.to_bytes().into());
                }
                (Some(_), None) => {}
                (Some(acl), Some(value)) if Acl::from_bytes(value).is_some_and(|value| value == acl) => {}
                // The text has user names of another machine; the attribute has the numbers.
                (None, Some(_)) => {}
                // The text is unclear or contradicts the attribute. Kept under its key, it shows as a difference.
                _ => drop(attributes.insert(key.into(), text.into())),
            }
        }
        attributes
    }
}

/// Decodes a `SCHILY.xattr.` key of GNU tar and star, which escape only `%` and `=`.
fn unescaped(key: &[u8]) -> Vec<u8> {
    let (mut name, mut rest) = (Vec::with_capacity(key.len()), key);
    while let Some((first, behind)) = rest.split_first() {
        (name, rest) = match rest {
            [b'%', b'2', b'5', behind @ ..] => (pushed(name, b'%'), behind),
            [b'%', b'3', b'D', behind @ ..] => (pushed(name, b'='), behind),
            _ => (pushed(name, *first), behind),
        };
    }
    name
}

fn pushed(mut name: Vec<u8>, byte: u8) -> Vec<u8> {
    name.push(byte);
    name
}

/// Decodes a name in which any byte may be `%` and two hexadecimal digits.
fn percent_decoded(key: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (mut name, mut rest) = (Vec::with_capacity(key.len()), key);
    while let Some((first, behind)) = rest.split_first() {
        (name, rest) = match rest {
            [b'%', high, low, behind @ ..] if digit(*high).zip(digit(*low)).is_some() => {
                let byte = digit(*high).zip(digit(*low)).map_or(0, |(high, low)| high << 4 | low);
                (pushed(name, byte), behind)
            }
            _ => (pushed(name, *first), behind),
        };
    }
    name
}

/// Decodes base64 (RFC 4648), with or without the padding at the end.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|letter| **letter == b'=').count();
    let letters = &text[..text.len() - padding];
    if letters.len() % 4 == 1 || padding > 0 && !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(letters.len() * 3 / 4);
    for group in letters.chunks(4) {
        let value = group.iter().try_fold(0_u32, |value, letter| Some(value << 6 | sextet(*letter)?))?;
        let value = value << (6 * (4 - group.len()));
        bytes.extend_from_slice(&value.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

fn sextet(letter: u8) -> Option<u32> {
    let value = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(records: &[(&str, &[u8])]) -> Vec<String> {
        let mut recorded = XattrRecords::default();
        for (key, value) in records {
            recorded.record(key.as_bytes(), value).unwrap();
        }
        let attributes = recorded.into_xattrs();
        attributes.iter().map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii())).collect()
    }

    #[test]
    fn names_are_decoded_whoever_wrote_them() {
        let gnu = [
            ("SCHILY.xattr.user.a%3Db", &b"1"[..]),
            ("SCHILY.xattr.user.100%25", b"2"),
            ("SCHILY.xattr.user.%253D", b""),
        ];
        assert_eq!(attributes(&gnu), ["user.%3D=", "user.100%=2", "user.a=b=1"]);
        let libarchive = [
            ("SCHILY.xattr.user.%C3%BC%3D", &b"\xff"[..]),
            ("LIBARCHIVE.xattr.user.%C3%BC%3D", b"/w"),
            ("SCHILY.xattr.user.%41", b"raw"),
        ];
        assert_eq!(attributes(&libarchive), ["user.%41=raw", "user.\\xc3\\xbc==\\xff"]);
        assert_eq!(attributes(&[("RHT.security.selinux", b"u:r:t")]), ["security.selinux=u:r:t\\x00"]);
        assert_eq!(attributes(&[("comment", b"x"), ("SCHILY.fflags", b"nodump")]), [""; 0]);
    }

    #[test]
    fn base64_is_read_with_and_without_padding() {
        for (text, expected) in [
            ("", Some("")),
            ("Zg", Some("f")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9vYmFy", Some("foobar")),
            ("Z", None),
            ("Zg=", None),
            ("Zm9v====", None),
            ("Zm9v=", None),
            ("Z!", None),
            ("Zm=v", None),
        ] {
            assert_eq!(base64(text.as_bytes()).as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn an_acl_text_becomes_an_attribute_and_a_contradiction_shows() {
        let text = "user::rw-,user:7:r--,group::r--,mask::r--,other::---";
        let both = attributes(&[("SCHILY.acl.access", text.as_bytes())]);
        let [list] = &both[..] else { panic!("{both:?}") };
        assert!(list.starts_with("system.posix_acl_access="), "{list}");
        // The short form of a mode, or nothing at all, adds nothing.
        assert_eq!(attributes(&[("SCHILY.acl.access", b"user::rw-,group::r--,other::---")]), [""; 0]);
        assert_eq!(attributes(&[("SCHILY.acl.default", b"")]), [""; 0]);
        assert_eq!(
            attributes(&[("SCHILY.acl.access", b"user::rw-,user:joe:r--")]),
            ["SCHILY.acl.access=user::rw-,user:joe:r--"]
        );
        let value = Acl::from_text(text.as_bytes()).unwrap().to_bytes();
        let agreeing = [("SCHILY.xattr.system.posix_acl_access", &value[..]), ("SCHILY.acl.access", text.as_bytes())];
        assert_eq!(attributes(&agreeing).len(), 1);
        let other = text.replace("user:7", "user:8");
        let contradicting = [agreeing[0], ("SCHILY.acl.access", other.as_bytes())];
        assert_eq!(attributes(&contradicting).len(), 2);
    }
}
