//! Who owns an entry in the archive: as on the disk, mapped back from a container's shifted ids, or one owner for all.

use std::fmt;
use std::str::FromStr;

use crate::tree::xattr::acl::{Acl, Subject};

/// Who owns the entries in the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Owners {
    /// Whoever owns them on the disk.
    #[default]
    Kept,
    /// Whom the map gives for the owner on the disk; in ACLs and file capabilities as well. An id outside the map fails
    /// the pack.
    Mapped(IdMap),
    /// One owner for every entry. ACLs and file capabilities stay as they are.
    One(Owner),
}

/// A user and a group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// Which ids of a container stand for which ids on the host. Ranges are looked through in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMap(Vec<IdRange>);

/// One range of an [`IdMap`]: `u|g|both:CONTAINER:HOST:COUNT`, as in LXD's `raw.idmap` and `volatile.idmap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    users: bool,
    groups: bool,
    container: u32,
    host: u32,
    count: u32,
}

impl FromIterator<IdRange> for IdMap {
    fn from_iter<Ranges: IntoIterator<Item = IdRange>>(ranges: Ranges) -> Self {
        IdMap(ranges.into_iter().collect())
    }
}

impl IdMap {
    fn container(&self, subject: Subject, id: u32) -> Option<u32> {
        self.0.iter().find_map(|range| {
            let meant = if subject == Subject::User { range.users } else { range.groups };
            let offset = id.checked_sub(range.host).filter(|offset| meant && *offset < range.count)?;
            range.container.checked_add(offset)
        })
    }
}

impl Owners {
    /// Who owns an entry that is `listed`'s on the disk; an error says what is outside the map.
    pub(crate) fn of(&self, listed: Owner) -> Result<Owner, String> {
        match self {
            Owners::Kept => Ok(listed),
            Owners::One(owner) => Ok(*owner),
            Owners::Mapped(map) => Ok(Owner {
                uid: mapped(map, Subject::User, listed.uid)?,
                gid: mapped(map, Subject::Group, listed.gid)?,
            }),
        }
    }

    /// An extended attribute's value, with the ids in it mapped where it holds some.
    pub(crate) fn attribute(&self, name: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let Owners::Mapped(map) = self else { return Ok(None) };
        match name {
            b"system.posix_acl_access" | b"system.posix_acl_default" => {
                let Some(acl) = Acl::parse(value) else { return Ok(None) };
                acl.with_ids(|subject, id| mapped(map, subject, id)).map(|acl| Some(acl.bytes()))
            }
            b"security.capability" => capability(map, value),
            _ => Ok(None),
        }
    }
}

fn mapped(map: &IdMap, subject: Subject, id: u32) -> Result<u32, String> {
    map.container(subject, id).ok_or_else(|| {
        let whose = if subject == Subject::User { "user" } else { "group" };
        format!("belongs to {whose} {id}, which is outside the id map")
    })
}

/// A file capability of version 3 ends in the user that is root in its namespace (`linux/capability.h`, `vfs_ns_cap_data`).
fn capability(map: &IdMap, value: &[u8]) -> Result<Option<Vec<u8>>, String> {
    const VERSION_3: u8 = 3;
    const LENGTH: usize = 24;
    if value.len() != LENGTH || value[3] != VERSION_3 {
        return Ok(None);
    }
    let (kept, root) = value.split_at(LENGTH - 4);
    let root = u32::from_le_bytes([root[0], root[1], root[2], root[3]]);
    let root = mapped(map, Subject::User, root)?;
    Ok(Some([kept, &root.to_le_bytes()].concat()))
}

/// A text that is no owner, or no range of ids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct InvalidOwners {
    text: String,
    wanted: &'static str,
}

impl InvalidOwners {
    fn new(text: &str, wanted: &'static str) -> Self {
        InvalidOwners { text: text.escape_debug().to_string(), wanted }
    }
}

impl FromStr for Owner {
    type Err = InvalidOwners;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let owner = || {
            let (uid, gid) = text.split_once(':')?;
            Some(Owner { uid: number(uid)?, gid: number(gid)? })
        };
        owner().ok_or_else(|| InvalidOwners::new(text, "an owner: UID:GID, both from 0 to 4294967294"))
    }
}

impl FromStr for IdRange {
    type Err = InvalidOwners;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range = || {
            let fields: Vec<&str> = text.split(':').collect();
            let [kind, container, host, count] = fields[..] else { return None };
            let (users, groups) = match kind {
                "u" => (true, false),
                "g" => (false, true),
                "both" | "b" => (true, true),
                _ => return None,
            };
            let range =
                IdRange { users, groups, container: number(container)?, host: number(host)?, count: number(count)? };
            let fits = |first: u32| first.checked_add(range.count).is_some();
            (range.count > 0 && fits(range.container) && fits(range.host)).then_some(range)
        };
        range().ok_or_else(|| InvalidOwners::new(text, "a range of ids: u|g|both:CONTAINER:HOST:COUNT"))
    }
}

/// Digits only, below the id that means nobody (2³² − 1).
fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| plain && *id != u32::MAX)
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(ranges: &[&str]) -> Owners {
        Owners::Mapped(ranges.iter().map(|range| range.parse::<IdRange>().unwrap()).collect())
    }

    #[test]
    fn ids_are_shifted_back_and_none_is_dropped() {
        let owners = map(&["u:0:100000:1000", "g:0:200000:1000", "both:1000:1000:1"]);
        for (uid, gid, expected) in [
            (100_000, 200_000, Ok((0, 0))),
            (100_999, 200_999, Ok((999, 999))),
            (1000, 1000, Ok((1000, 1000))),
            (101_000, 200_000, Err("belongs to user 101000, which is outside the id map")),
            (100_000, 100_000, Err("belongs to group 100000, which is outside the id map")),
            (0, 200_000, Err("belongs to user 0, which is outside the id map")),
        ] {
            let found = owners.of(Owner { uid, gid });
            assert_eq!(found.map(|owner| (owner.uid, owner.gid)), expected.map_err(String::from));
        }
        assert_eq!(Owners::One(Owner { uid: 1, gid: 2 }).of(Owner { uid: 9, gid: 9 }), Ok(Owner { uid: 1, gid: 2 }));
    }

    #[test]
    fn the_root_of_a_capability_is_shifted_and_older_ones_have_none() {
        let owners = map(&["both:0:100000:65536"]);
        let three = [&[1, 0, 0, 3][..], &[7; 16], &100_005_u32.to_le_bytes()].concat();
        let expected = [&[1, 0, 0, 3][..], &[7; 16], &5_u32.to_le_bytes()].concat();
        assert_eq!(owners.attribute(b"security.capability", &three), Ok(Some(expected)));
        let two = [&[1, 0, 0, 2][..], &[7; 16]].concat();
        assert_eq!(owners.attribute(b"security.capability", &two), Ok(None));
        let foreign = [&[1, 0, 0, 3][..], &[7; 16], &7_u32.to_le_bytes()].concat();
        assert!(owners.attribute(b"security.capability", &foreign).is_err());
        assert_eq!(Owners::Kept.attribute(b"security.capability", &foreign), Ok(None));
    }

    #[test]
    fn what_is_no_range_or_owner_is_refused() {
        for text in ["", "u", "x:0:0:1", "u:0:0:0", "u:0:0", "u:0:0:1:1", "u:-1:0:1", "u:0:4294967294:2", "both:a:0:1"]
        {
            assert!(text.parse::<IdRange>().is_err(), "{text}");
        }
        for text in ["", "0", "0:", ":0", "0:0:0", "root:root", "4294967295:0", "+1:0"] {
            assert!(text.parse::<Owner>().is_err(), "{text}");
        }
        assert_eq!("4294967294:0".parse::<Owner>().unwrap().to_string(), "4294967294:0");
    }
}
