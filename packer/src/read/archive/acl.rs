//! ACLs as archives have them: text with names or numbers, and the kernel's binary form.

use std::collections::BTreeSet;

/// The kernel's version of the binary form, little-endian.
const VERSION: [u8; 4] = [2, 0, 0, 0];

/// The id of an entry that is about nobody in particular.
const NOBODY: u32 = u32::MAX;

/// The entries of an ACL: tag, id and permissions, which is their order in the kernel, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct List(BTreeSet<(u16, u32, u16)>);

const USER_OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OWNER: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

impl List {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds more than the permission bits of the file do.
    pub(crate) fn says_more_than_a_mode(&self) -> bool {
        self.0.iter().any(|(tag, ..)| [USER, GROUP, MASK].contains(tag))
    }

    /// The kernel's form.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_vec();
        for (tag, id, permissions) in &self.0 {
            bytes.extend_from_slice(&tag.to_le_bytes());
            bytes.extend_from_slice(&permissions.to_le_bytes());
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        bytes
    }
}

/// The list that has this form in the kernel.
pub(crate) fn of_bytes(bytes: &[u8]) -> Option<List> {
    let (entries, rest) = bytes.strip_prefix(&VERSION)?.as_chunks::<8>();
    let entry = |&[t0, t1, p0, p1, id @ ..]: &[u8; 8]| {
        let (tag, permissions) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([p0, p1]));
        let id = if [USER, GROUP].contains(&tag) { u32::from_le_bytes(id) } else { NOBODY };
        (tag, id, permissions)
    };
    rest.is_empty().then(|| List(entries.iter().map(entry).collect()))
}

/// The list that a text tells of: entries `TAG:WHO:PERMISSIONS[:ID]` between commas or newlines. Nothing if it names somebody
/// without a number.
pub(crate) fn of_text(text: &[u8]) -> Option<List> {
    let text = std::str::from_utf8(text).ok()?;
    let entries = text.split([',', '\n']).map(|entry| entry.split('#').next().unwrap_or_default().trim());
    entries.filter(|entry| !entry.is_empty()).map(entry).collect::<Option<_>>().map(List)
}

fn entry(text: &str) -> Option<(u16, u32, u16)> {
    let fields: Vec<&str> = text.split(':').collect();
    let (tag, who, permissions, id) = match fields[..] {
        [tag, who, permissions] => (tag, who, permissions, None),
        [tag, who, permissions, id] => (tag, who, permissions, Some(id)),
        _ => return None,
    };
    let number = || id.and_then(|id| id.parse().ok()).or_else(|| who.parse::<u32>().ok());
    let (tag, id) = match (tag, who) {
        ("user" | "u", "") => (USER_OWNER, NOBODY),
        ("user" | "u", _) => (USER, number()?),
        ("group" | "g", "") => (GROUP_OWNER, NOBODY),
        ("group" | "g", _) => (GROUP, number()?),
        ("mask" | "m", "") => (MASK, NOBODY),
        ("other" | "o", "") => (OTHER, NOBODY),
        _ => return None,
    };
    let bit = |letter| match letter {
        'r' => Some(4),
        'w' => Some(2),
        'x' => Some(1),
        '-' => Some(0),
        _ => None,
    };
    let permissions = permissions.chars().try_fold(0, |bits, letter| Some(bits | bit(letter)?))?;
    Some((tag, id, permissions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_maker_are_one_list() {
        let onepass = "user::rw-,user:1000:r-x,group::r--,mask::r-x,other::r--";
        let libarchive = "user::rw-,group::r--,other::r--,user:joe:r-x:1000,mask::r-x";
        let gnu = "user::rw-\nuser:1000:r-x\t#effective:r--\ngroup::r--\nmask::r-x\nother::r--\n";
        let list = of_text(onepass.as_bytes()).unwrap();
        for text in [libarchive, gnu, "u::rw,u:1000:rx,g::r,m::rx,o::r"] {
            assert_eq!(of_text(text.as_bytes()), Some(list.clone()), "{text}");
        }
        assert_eq!(of_bytes(&list.bytes()), Some(list.clone()));
        assert_eq!(crate::tree::xattr::acl::Acl::parse(&list.bytes()).unwrap().text(), onepass);
        assert!(list.says_more_than_a_mode());
        assert!(!of_text(b"user::rw-,group::r--,other::r--").unwrap().says_more_than_a_mode());
    }

    #[test]
    fn what_has_no_number_is_no_list() {
        for text in ["user:joe:rwx", "user::rwq", "user", "owner::rwx", "mask:7:rwx", "user:1:2:3:4", "user:-1:r"] {
            assert_eq!(of_text(text.as_bytes()), None, "{text}");
        }
        for bytes in [&b""[..], b"\x02\0\0", b"\x03\0\0\0", b"\x02\0\0\0\x01\0\x07"] {
            assert_eq!(of_bytes(bytes), None, "{bytes:?}");
        }
    }
}
