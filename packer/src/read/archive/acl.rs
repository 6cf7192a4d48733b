//! POSIX ACLs in archives: as text with names or numbers, and in the kernel's binary form.

use std::collections::BTreeSet;

/// The version of the kernel's binary form, little-endian.
const VERSION: [u8; 4] = [2, 0, 0, 0];

/// The kernel's id of an entry that names no user and no group.
const UNDEFINED_ID: u32 = u32::MAX;

/// An ACL: its entries of tag, id and permissions, in the kernel's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acl(BTreeSet<(u16, u32, u16)>);

const USER_OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OWNER: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

impl Acl {
    /// Parses the kernel's binary form.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (entries, rest) = bytes.strip_prefix(&VERSION)?.as_chunks::<8>();
        let entry = |&[t0, t1, p0, p1, id @ ..]: &[u8; 8]| {
            let (tag, permissions) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([p0, p1]));
            let id = if [USER, GROUP].contains(&tag) { u32::from_le_bytes(id) } else { UNDEFINED_ID };
            (tag, id, permissions)
        };
        rest.is_empty().then(|| Acl(entries.iter().map(entry).collect()))
    }

    /// Parses entries `TAG:WHO:PERMISSIONS[:ID]` between commas or newlines. `None` if an entry names somebody without a number.
    pub(crate) fn from_text(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let entries = text.split([',', '\n']).map(|entry| entry.split('#').next().unwrap_or_default().trim());
        entries.filter(|entry| !entry.is_empty()).map(entry).collect::<Option<_>>().map(Acl)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it says more than the file's permission bits.
    pub(crate) fn is_extended(&self) -> bool {
        self.0.iter().any(|(tag, ..)| [USER, GROUP, MASK].contains(tag))
    }

    /// The kernel's binary form.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_vec();
        for (tag, id, permissions) in &self.0 {
            bytes.extend_from_slice(&tag.to_le_bytes());
            bytes.extend_from_slice(&permissions.to_le_bytes());
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        bytes
    }
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
        ("user" | "u", "") => (USER_OWNER, UNDEFINED_ID),
        ("user" | "u", _) => (USER, number()?),
        ("group" | "g", "") => (GROUP_OWNER, UNDEFINED_ID),
        ("group" | "g", _) => (GROUP, number()?),
        ("mask" | "m", "") => (MASK, UNDEFINED_ID),
        ("other" | "o", "") => (OTHER, UNDEFINED_ID),
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
        let list = Acl::from_text(onepass.as_bytes()).unwrap();
        for text in [libarchive, gnu, "u::rw,u:1000:rx,g::r,m::rx,o::r"] {
            assert_eq!(Acl::from_text(text.as_bytes()), Some(list.clone()), "{text}");
        }
        assert_eq!(Acl::from_bytes(&list.to_bytes()), Some(list.clone()));
        assert_eq!(crate::tree::xattr::acl::Acl::parse(&list.to_bytes()).unwrap().to_text(), onepass);
        assert!(list.is_extended());
        assert!(!Acl::from_text(b"user::rw-,group::r--,other::r--").unwrap().is_extended());
    }

    #[test]
    fn an_entry_without_a_number_is_refused() {
        for text in ["user:joe:rwx", "user::rwq", "user", "owner::rwx", "mask:7:rwx", "user:1:2:3:4", "user:-1:r"] {
            assert_eq!(Acl::from_text(text.as_bytes()), None, "{text}");
        }
        for bytes in [&b""[..], b"\x02\0\0", b"\x03\0\0\0", b"\x02\0\0\0\x01\0\x07"] {
            assert_eq!(Acl::from_bytes(bytes), None, "{bytes:?}");
        }
    }
}
