//! POSIX ACLs: the kernel's binary form, and the text form that archives have as well.
//!
//! The binary form is the value of `system.posix_acl_access` and `system.posix_acl_default` (`linux/posix_acl_xattr.h`): version
//! 2, then tag, permissions and id of each entry, little-endian. The text is the short form of `acl_from_text(3)`, with ids
//! instead of names, because names belong to the host.

const VERSION: u32 = 2;

// The tags, as in `linux/posix_acl.h`.
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// The entries of an ACL, in the kernel's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acl(Vec<AclEntry>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AclEntry {
    tag: u16,
    permissions: u16,
    id: u32,
}

/// The kind of id in an ACL entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    User,
    Group,
}

impl Subject {
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Subject::User => "user",
            Subject::Group => "group",
        }
    }

    /// The words for one that the user namespace of this process does not map.
    pub(crate) fn unmapped(self) -> String {
        format!("a {} that has no id in this user namespace", self.noun())
    }
}

/// The id that stands for no user and no group (−1). The kernel shows it in an ACL for an id that the user namespace does not map.
pub(crate) const NO_ID: u32 = u32::MAX;

impl Acl {
    /// Parses the binary form; `None` if it is malformed.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk::<4>()?;
        let (entries, rest) = entries.as_chunks::<8>();
        if u32::from_le_bytes(*version) != VERSION || !rest.is_empty() {
            return None;
        }
        let parse = |entry: &[u8; 8]| {
            let [t0, t1, p0, p1, id @ ..] = *entry;
            let (tag, permissions) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([p0, p1]));
            let known = [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER].contains(&tag) && permissions <= 7;
            known.then(|| AclEntry { tag, permissions, id: u32::from_le_bytes(id) })
        };
        entries.iter().map(parse).collect::<Option<_>>().map(Acl)
    }

    /// The same ACL with its ids replaced.
    pub(crate) fn map_ids<Error>(self, mut id: impl FnMut(Subject, u32) -> Result<u32, Error>) -> Result<Self, Error> {
        let map = |entry: AclEntry| {
            let id = match entry.tag {
                USER => id(Subject::User, entry.id)?,
                GROUP => id(Subject::Group, entry.id)?,
                _ => entry.id,
            };
            Ok(AclEntry { id, ..entry })
        };
        self.0.into_iter().map(map).collect::<Result<_, Error>>().map(Acl)
    }

    /// The binary form.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for AclEntry { tag, permissions, id } in &self.0 {
            bytes.extend_from_slice(&tag.to_le_bytes());
            bytes.extend_from_slice(&permissions.to_le_bytes());
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        bytes
    }

    /// The text: `user::rwx,user:1000:r-x,group::r-x,mask::rwx,other::r--`.
    pub(crate) fn to_text(&self) -> String {
        let entries: Vec<String> = self.0.iter().copied().map(AclEntry::to_text).collect();
        entries.join(",")
    }
}

impl AclEntry {
    fn to_text(self) -> String {
        let (kind, named) = match self.tag {
            USER_OBJ => ("user", false),
            USER => ("user", true),
            GROUP_OBJ => ("group", false),
            GROUP => ("group", true),
            MASK => ("mask", false),
            _ => ("other", false),
        };
        let id = if named { self.id.to_string() } else { String::new() };
        let bit = |bit: u16, letter: char| if self.permissions & bit == 0 { '-' } else { letter };
        format!("{kind}:{id}:{}{}{}", bit(4, 'r'), bit(2, 'w'), bit(1, 'x'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        Acl(entries.iter().map(|&(tag, permissions, id)| AclEntry { tag, permissions, id }).collect()).to_bytes()
    }

    #[test]
    fn text_has_ids_instead_of_names() {
        let none = u32::MAX;
        let bytes =
            binary(&[(1, 7, none), (2, 5, 1000), (4, 5, none), (8, 6, 4_294_967_294), (16, 7, none), (32, 4, none)]);
        let acl = Acl::parse(&bytes).unwrap();
        assert_eq!(acl.to_text(), "user::rwx,user:1000:r-x,group::r-x,group:4294967294:rw-,mask::rwx,other::r--");
        assert_eq!(acl.to_bytes(), bytes);
        let mapped = acl.map_ids(|subject, id| if subject == Subject::User { Ok(id - 1000) } else { Err("group") });
        assert_eq!(mapped, Err("group"));
    }

    #[test]
    fn malformed_acls_are_none() {
        let good = binary(&[(1, 7, 0)]);
        for bytes in [&b""[..], &good[..3], &good[..good.len() - 1], &binary(&[(3, 7, 0)]), &binary(&[(1, 8, 0)])] {
            assert_eq!(Acl::parse(bytes), None, "{bytes:?}");
        }
        assert_eq!(Acl::parse(&[&[3], &good[1..]].concat()), None);
    }
}
