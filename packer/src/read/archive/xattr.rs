//! Extended attributes and ACLs as archives tell of them: star's and GNU tar's records, and libarchive's.

use std::collections::BTreeMap;

use crate::read::archive::acl;
use crate::read::archive::error::{Flaw, quoted};

/// Names and values, by the names' bytes.
pub(crate) type Attributes = BTreeMap<Box<[u8]>, Box<[u8]>>;

const SCHILY: &[u8] = b"SCHILY.xattr.";
const LIBARCHIVE: &[u8] = b"LIBARCHIVE.xattr.";
const LIST: &[u8] = b"SCHILY.acl.";
/// GNU tar's word for one attribute; its value lacks the NUL at the end.
const SELINUX: &[u8] = b"RHT.security.selinux";

/// The records of one member that tell of attributes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    /// By the key as it is written.
    schily: BTreeMap<Vec<u8>, Vec<u8>>,
    /// By the attribute's own name.
    libarchive: BTreeMap<Vec<u8>, Vec<u8>>,
    /// ACLs as text, by their whole key.
    lists: BTreeMap<Vec<u8>, Vec<u8>>,
    selinux: Option<Vec<u8>>,
}

impl Recorded {
    /// Takes a record, if it is about attributes.
    pub(crate) fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), Flaw> {
        if let Some(name) = key.strip_prefix(SCHILY) {
            self.schily.insert(name.to_vec(), value.to_vec());
        } else if let Some(name) = key.strip_prefix(LIBARCHIVE) {
            let bad = || Flaw::Unsound(format!("the record {} is not base64", quoted(key)));
            self.libarchive.insert(percent_decoded(name), base64(value).ok_or_else(bad)?);
        } else if key.starts_with(LIST) {
            self.lists.insert(key.to_vec(), value.to_vec());
        } else if key == SELINUX {
            self.selinux = Some([value, b"\0"].concat());
        }
        Ok(())
    }

    /// The memory that it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        let maps = [&self.schily, &self.libarchive, &self.lists];
        maps.into_iter().flatten().map(|(name, value)| name.len() + value.len() + 64).sum()
    }

    /// The attributes that an unpacked member would have.
    pub(crate) fn attributes(self) -> Attributes {
        let mut attributes = Attributes::new();
        for (key, value) in self.schily {
            // libarchive writes both, and escapes more in this name than others undo.
            if !self.libarchive.contains_key(&percent_decoded(&key)) {
                attributes.insert(unescaped(&key).into(), value.into());
            }
        }
        attributes.extend(self.libarchive.into_iter().map(|(name, value)| (name.into(), value.into())));
        if let Some(value) = self.selinux {
            attributes.entry(b"security.selinux"[..].into()).or_insert(value.into());
        }
        for (key, text) in self.lists {
            let name = match &key[..] {
                b"SCHILY.acl.access" => &b"system.posix_acl_access"[..],
                b"SCHILY.acl.default" => b"system.posix_acl_default",
                _ => &key,
            };
            match (acl::of_text(&text), attributes.get(name)) {
                // GNU tar writes an empty one for a directory that has none to hand down.
                (Some(list), _) if list.is_empty() => {}
                (Some(list), None) if list.says_more_than_a_mode() || key == b"SCHILY.acl.default" => {
                    attributes.insert(name.into(), list.bytes().into());
                }
                (Some(_), None) => {}
                (Some(list), Some(value)) if acl::of_bytes(value).is_some_and(|value| value == list) => {}
                // Names of users, which are another machine's: the attribute says it with numbers.
                (None, Some(_)) => {}
                // It cannot be said what they mean, or not both can be meant: seen as what it is, it is no other's equal.
                _ => drop(attributes.insert(key.into(), text.into())),
            }
        }
        attributes
    }
}

/// An attribute's name as GNU tar and star write it in a key: only `%` and `=` are escaped.
fn unescaped(key: &[u8]) -> Vec<u8> {
    let (mut name, mut rest) = (Vec::with_capacity(key.len()), key);
    while let Some((first, behind)) = rest.split_first() {
        (name, rest) = match rest {
            [b'%', b'2', b'5', behind @ ..] => (with(name, b'%'), behind),
            [b'%', b'3', b'D', behind @ ..] => (with(name, b'='), behind),
            _ => (with(name, *first), behind),
        };
    }
    name
}

fn with(mut name: Vec<u8>, byte: u8) -> Vec<u8> {
    name.push(byte);
    name
}

/// A name in which any byte may be `%` and two hexadecimal digits.
fn percent_decoded(key: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (mut name, mut rest) = (Vec::with_capacity(key.len()), key);
    while let Some((first, behind)) = rest.split_first() {
        (name, rest) = match rest {
            [b'%', high, low, behind @ ..] if digit(*high).zip(digit(*low)).is_some() => {
                let byte = digit(*high).zip(digit(*low)).map_or(0, |(high, low)| high << 4 | low);
                (with(name, byte), behind)
            }
            _ => (with(name, *first), behind),
        };
    }
    name
}

/// RFC 4648, with or without the padding at the end.
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
        let mut recorded = Recorded::default();
        for (key, value) in records {
            recorded.record(key.as_bytes(), value).unwrap();
        }
        let attributes = recorded.attributes();
        attributes.iter().map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii())).collect()
    }

    #[test]
    fn names_are_as_they_were_whoever_wrote_them() {
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
    fn a_list_is_an_attribute_and_one_that_contradicts_it_is_seen() {
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
        let value = acl::of_text(text.as_bytes()).unwrap().bytes();
        let agreeing = [("SCHILY.xattr.system.posix_acl_access", &value[..]), ("SCHILY.acl.access", text.as_bytes())];
        assert_eq!(attributes(&agreeing).len(), 1);
        let other = text.replace("user:7", "user:8");
        let contradicting = [agreeing[0], ("SCHILY.acl.access", other.as_bytes())];
        assert_eq!(attributes(&contradicting).len(), 2);
    }
}
