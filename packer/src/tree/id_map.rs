//! Who owns an entry in the archive: its owner on the disk, the id that a container's map gives for it, or one owner for all.

use std::fmt;
use std::str::FromStr;

use crate::tree::xattr::acl::{Acl, NO_ID, Subject};

/// Who owns the entries in the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnerPolicy {
    /// The owner on the disk.
    #[default]
    Preserve,
    /// The ids in the container that the map gives for the owner on the disk; ids in ACLs and file capabilities are mapped as well.
    /// An id outside the map fails the pack.
    Map(IdMap),
    /// One owner for every entry. Ids in ACLs and file capabilities stay as they are.
    Fixed(Owner),
}

/// A user and a group, by number. As text: `UID:GID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Owner {
    /// An owner.
    ///
    /// # Errors
    ///
    /// If an id is 4294967295, which stands for no user and no group.
    pub fn new(uid: u32, gid: u32) -> Result<Self, InvalidOwner> {
        if [uid, gid].contains(&NO_ID) {
            return Err(InvalidOwner(format!("{uid}:{gid}")));
        }
        Ok(Owner { uid, gid })
    }

    /// The user's id.
    #[must_use]
    pub fn uid(self) -> u32 {
        self.uid
    }

    /// The group's id.
    #[must_use]
    pub fn gid(self) -> u32 {
        self.gid
    }
}

/// A map of ids on the host to ids in a container. If ranges overlap, the first one counts.
///
/// ```
/// use packer::{IdKind, IdMap, IdRange, OwnerPolicy, Pack};
///
/// let map: IdMap = [IdRange::new(IdKind::Both, 0, 100_000, 65_536)?].into_iter().collect();
/// let pack = Pack::new("/srv/rootfs").owners(OwnerPolicy::Map(map));
/// # Ok::<(), packer::InvalidIdRange>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMap(Vec<IdRange>);

/// One range of an [`IdMap`]. As text: `u|g|both:CONTAINER:HOST:COUNT`, the form of LXD's `raw.idmap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    kind: IdKind,
    container: u32,
    host: u32,
    count: u32,
}

/// Whose ids a range maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdKind {
    /// Users.
    User,
    /// Groups.
    Group,
    /// Users and groups.
    Both,
}

impl IdRange {
    /// Maps the `count` ids from `host` on to those from `container` on.
    ///
    /// # Errors
    ///
    /// If the range is empty, or reaches 4294967295 or beyond.
    pub fn new(kind: IdKind, container: u32, host: u32, count: u32) -> Result<Self, InvalidIdRange> {
        let range = IdRange { kind, container, host, count };
        if range.is_valid() {
            return Ok(range);
        }
        let kind = match kind {
            IdKind::User => "u",
            IdKind::Group => "g",
            IdKind::Both => "both",
        };
        Err(InvalidIdRange(format!("{kind}:{container}:{host}:{count}")))
    }

    fn is_valid(&self) -> bool {
        let fits = |first: u32| first.checked_add(self.count).is_some();
        self.count > 0 && fits(self.container) && fits(self.host)
    }

    fn maps(&self, subject: Subject) -> bool {
        match self.kind {
            IdKind::User => subject == Subject::User,
            IdKind::Group => subject == Subject::Group,
            IdKind::Both => true,
        }
    }
}

impl FromIterator<IdRange> for IdMap {
    fn from_iter<Ranges: IntoIterator<Item = IdRange>>(ranges: Ranges) -> Self {
        IdMap(ranges.into_iter().collect())
    }
}

impl IdMap {
    /// The id in the container; an error text if `id` is outside the map.
    fn container_id(&self, subject: Subject, id: u32) -> Result<u32, String> {
        let mapped = self.0.iter().filter(|range| range.maps(subject)).find_map(|range| {
            let offset = id.checked_sub(range.host).filter(|offset| *offset < range.count)?;
            range.container.checked_add(offset)
        });
        mapped.ok_or_else(|| {
            let whose = subject.noun();
            format!("belongs to {whose} {id}, which is outside the id map")
        })
    }
}

impl OwnerPolicy {
    /// The owner in the archive of an entry with this owner on the disk; an error text if it is outside the map.
    pub(crate) fn apply(&self, on_disk: Owner) -> Result<Owner, String> {
        match self {
            OwnerPolicy::Preserve => Ok(on_disk),
            OwnerPolicy::Fixed(owner) => Ok(*owner),
            OwnerPolicy::Map(map) => Ok(Owner {
                uid: map.container_id(Subject::User, on_disk.uid)?,
                gid: map.container_id(Subject::Group, on_disk.gid)?,
            }),
        }
    }

    /// The value of an extended attribute with its ids mapped; `None` if it stays as it is. An error text if it has an id that this
    /// process cannot see, or that is outside the map.
    pub(crate) fn map_xattr(&self, name: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, String> {
        match (name, self) {
            (b"system.posix_acl_access" | b"system.posix_acl_default", _) => {
                let Some(acl) = Acl::parse(value) else { return Ok(None) };
                let mapped = acl.map_ids(|subject, id| match self {
                    _ if id == NO_ID => Err(format!("belongs to {}", subject.unmapped())),
                    OwnerPolicy::Map(map) => map.container_id(subject, id),
                    OwnerPolicy::Preserve | OwnerPolicy::Fixed(_) => Ok(id),
                })?;
                Ok(matches!(self, OwnerPolicy::Map(_)).then(|| mapped.to_bytes()))
            }
            (b"security.capability", OwnerPolicy::Map(map)) => map_capability(map, value),
            _ => Ok(None),
        }
    }
}

/// Maps the root user id at the end of a file capability of version 3 (`linux/capability.h`, `vfs_ns_cap_data`). Older versions
/// have none.
fn map_capability(map: &IdMap, value: &[u8]) -> Result<Option<Vec<u8>>, String> {
    const VERSION_3: u8 = 3;
    const LENGTH: usize = 24;
    if value.len() != LENGTH || value[3] != VERSION_3 {
        return Ok(None);
    }
    let (capabilities, root_id) = value.split_at(LENGTH - 4);
    let root_id = u32::from_le_bytes([root_id[0], root_id[1], root_id[2], root_id[3]]);
    let root_id = map.container_id(Subject::User, root_id)?;
    Ok(Some([capabilities, &root_id.to_le_bytes()].concat()))
}

/// The error for an invalid [`Owner`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an owner: UID:GID, both from 0 to 4294967294")]
pub struct InvalidOwner(String);

/// The error for an invalid [`IdRange`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a range of ids: u|g|both:CONTAINER:HOST:COUNT")]
pub struct InvalidIdRange(String);

impl FromStr for Owner {
    type Err = InvalidOwner;

    fn from_str(text: &str) -> Result<Self, InvalidOwner> {
        let owner = || {
            let (uid, gid) = text.split_once(':')?;
            Owner::new(digits(uid)?, digits(gid)?).ok()
        };
        owner().ok_or_else(|| InvalidOwner(text.escape_debug().to_string()))
    }
}

impl FromStr for IdRange {
    type Err = InvalidIdRange;

    fn from_str(text: &str) -> Result<Self, InvalidIdRange> {
        let range = || {
            let fields: Vec<&str> = text.split(':').collect();
            let [kind, container, host, count] = fields[..] else { return None };
            let kind = match kind {
                "u" => IdKind::User,
                "g" => IdKind::Group,
                "both" | "b" => IdKind::Both,
                _ => return None,
            };
            let [container, host, count] = [digits(container)?, digits(host)?, digits(count)?];
            Some(IdRange { kind, container, host, count })
        };
        range().filter(IdRange::is_valid).ok_or_else(|| InvalidIdRange(text.escape_debug().to_string()))
    }
}

/// A number without a sign.
fn digits(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(ranges: &[&str]) -> OwnerPolicy {
        OwnerPolicy::Map(ranges.iter().map(|range| range.parse::<IdRange>().unwrap()).collect())
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
            let found = owners.apply(Owner { uid, gid });
            assert_eq!(found.map(|owner| (owner.uid, owner.gid)), expected.map_err(String::from));
        }
        assert_eq!(
            OwnerPolicy::Fixed(Owner { uid: 1, gid: 2 }).apply(Owner { uid: 9, gid: 9 }),
            Ok(Owner { uid: 1, gid: 2 })
        );
    }

    #[test]
    fn the_root_of_a_capability_is_shifted_and_older_ones_have_none() {
        let owners = map(&["both:0:100000:65536"]);
        let three = [&[1, 0, 0, 3][..], &[7; 16], &100_005_u32.to_le_bytes()].concat();
        let expected = [&[1, 0, 0, 3][..], &[7; 16], &5_u32.to_le_bytes()].concat();
        assert_eq!(owners.map_xattr(b"security.capability", &three), Ok(Some(expected)));
        let two = [&[1, 0, 0, 2][..], &[7; 16]].concat();
        assert_eq!(owners.map_xattr(b"security.capability", &two), Ok(None));
        let foreign = [&[1, 0, 0, 3][..], &[7; 16], &7_u32.to_le_bytes()].concat();
        assert!(owners.map_xattr(b"security.capability", &foreign).is_err());
        assert_eq!(OwnerPolicy::Preserve.map_xattr(b"security.capability", &foreign), Ok(None));
    }

    #[test]
    fn an_invalid_range_or_owner_is_refused() {
        for text in ["", "u", "x:0:0:1", "u:0:0:0", "u:0:0", "u:0:0:1:1", "u:-1:0:1", "u:0:4294967294:2", "both:a:0:1"]
        {
            assert!(text.parse::<IdRange>().is_err(), "{text}");
        }
        for text in ["", "0", "0:", ":0", "0:0:0", "root:root", "4294967295:0", "+1:0"] {
            assert!(text.parse::<Owner>().is_err(), "{text}");
        }
        assert_eq!("4294967294:0".parse::<Owner>().unwrap().to_string(), "4294967294:0");
    }

    #[test]
    fn constructors_agree_with_the_texts() {
        for (ids, kind) in [("u", IdKind::User), ("g", IdKind::Group), ("both", IdKind::Both), ("b", IdKind::Both)] {
            assert_eq!(format!("{ids}:1:2:3").parse(), IdRange::new(kind, 1, 2, 3));
        }
        assert_eq!("7:8".parse(), Owner::new(7, 8));
        for (kind, container, host, count) in
            [(IdKind::User, 0, 0, 0), (IdKind::Group, u32::MAX, 0, 1), (IdKind::Both, 0, 4_294_967_294, 2)]
        {
            let error = IdRange::new(kind, container, host, count).unwrap_err().to_string();
            assert!(error.contains(&format!(":{container}:{host}:{count}` is not a range of ids")), "{error}");
        }
        assert!(Owner::new(u32::MAX, 0).is_err() && Owner::new(0, u32::MAX).is_err());
    }
}
