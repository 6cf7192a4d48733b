//! Owners that the user namespace of this process does not map, or the mount of the tree.
//!
//! The kernel shows every such user and group as one id, the overflow id: 65534. Where another id may have that number as well, the
//! kernel is asked about each entry that shows it.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::tree::id_map::Owner;
use crate::tree::xattr::acl::Subject;

/// Which owners that the kernel shows are the real ones.
#[derive(Debug)]
pub(crate) struct UserNamespace {
    users: Overflow,
    groups: Overflow,
}

/// The id that the kernel shows for ids that are not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Overflow {
    id: u32,
    meaning: Meaning,
}

/// Whose id the overflow id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Its own: the namespace maps every id.
    Own,
    /// That of ids that are not mapped: the namespace has no such id.
    Unmapped,
    /// Either.
    Ambiguous,
    /// Any of these: there is no `/proc`, which would tell.
    Unknown,
    /// Its own, or that of ids that the mount does not map.
    AmbiguousOnMount,
}

/// The overflow id if the kernel does not tell another one.
const DEFAULT_ID: u32 = 65_534;

/// How many ids there are. The highest number stands for no id.
const ALL_IDS: u64 = u32::MAX as u64;

impl UserNamespace {
    /// Reads the maps of this process, which looks at a tree on the mount of this number.
    pub(crate) fn read(mount: Option<u64>) -> Result<Self> {
        let users = Overflow::read("/proc/self/uid_map", "/proc/sys/kernel/overflowuid")?;
        let groups = Overflow::read("/proc/self/gid_map", "/proc/sys/kernel/overflowgid")?;
        let is_idmapped = mount.map_or(Ok(false), is_idmapped)?;
        Ok(UserNamespace { users: users.on_mount(is_idmapped), groups: groups.on_mount(is_idmapped) })
    }

    /// What is wrong with an entry that the kernel shows with this owner; `None` if it is the real one. `is_mapped` asks the kernel
    /// whether it maps both ids of the entry.
    pub(crate) fn flaw(&self, shown: Owner, is_mapped: impl FnOnce() -> Result<bool>) -> Result<Option<String>> {
        let ids = [(Subject::User, self.users, shown.uid), (Subject::Group, self.groups, shown.gid)];
        let overflowed = || ids.into_iter().filter(|(_, overflow, id)| overflow.id == *id);
        let with = |wanted| overflowed().find(|(_, overflow, _)| overflow.meaning == wanted);
        if let Some((subject, ..)) = with(Meaning::Unmapped) {
            return Ok(Some(format!("belongs to {}", subject.unmapped())));
        }
        if let Some((subject, _, id)) = with(Meaning::Unknown) {
            let (noun, unmapped) = (subject.noun(), subject.unmapped());
            return Ok(Some(format!("belongs to {noun} {id}, or to {unmapped}: /proc is not there, which would tell")));
        }
        match with(Meaning::Ambiguous).or_else(|| with(Meaning::AmbiguousOnMount)) {
            Some((subject, overflow, id)) if !is_mapped()? => {
                let noun = subject.noun();
                let other = match overflow.meaning {
                    Meaning::AmbiguousOnMount => format!("a {noun} that the mount does not map"),
                    _ => subject.unmapped(),
                };
                Ok(Some(format!("belongs to {noun} {id}, or to {other}")))
            }
            _ => Ok(None),
        }
    }
}

/// Whether a mount maps ids on its own. The kernel tells since Linux 5.12, which has the first such mounts.
fn is_idmapped(mount: u64) -> Result<bool> {
    const MOUNTS: &str = "/proc/self/mountinfo";
    match fs::read(MOUNTS) {
        Ok(mounts) => Ok(has_idmap(&mounts, mount)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("read", MOUNTS, error)),
    }
}

/// Whether the line of this mount has the option. The number is its first field, and the options are the sixth.
fn has_idmap(mounts: &[u8], mount: u64) -> bool {
    mounts.split(|byte| *byte == b'\n').any(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let is_of_mount = fields.next() == Some(mount.to_string().as_bytes());
        is_of_mount
            && fields.nth(4).is_some_and(|options| options.split(|byte| *byte == b',').any(|it| it == b"idmapped"))
    })
}

/// Asks the kernel whether the user namespace maps both the user and the group that own the entry at `path`, and changes nothing.
///
/// The question is a file capability for a root user that does not exist, with a version that the kernel knows: it refuses that as
/// invalid, but first looks whether this process may give capabilities to the entry, which it may not if an id is not mapped
/// (`cap_convert_nscap`, since Linux 4.14). The answer is `false` as well where nobody can know: without that right, and on a
/// read-only mount.
pub(crate) fn maps_owner_of(path: &[u8]) -> bool {
    const VERSION_3: u32 = 0x0300_0000;
    let capability = [VERSION_3, 0, 0, 0, 0, u32::MAX].map(u32::to_le_bytes).concat();
    let answer = rustix::fs::lsetxattr(path, c"security.capability", &capability, XattrFlags::CREATE);
    answer == Err(Errno::INVAL)
}

impl Overflow {
    /// Its meaning if the mount may leave ids out as well.
    fn on_mount(self, is_idmapped: bool) -> Self {
        let meaning =
            if is_idmapped && self.meaning == Meaning::Own { Meaning::AmbiguousOnMount } else { self.meaning };
        Overflow { meaning, ..self }
    }

    fn read(map: &'static str, id: &'static str) -> Result<Self> {
        let text = match fs::read_to_string(map) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A kernel without user namespaces, or no /proc.
                let has_proc = Path::new("/proc/self/status").exists();
                return Ok(Overflow {
                    id: DEFAULT_ID,
                    meaning: if has_proc { Meaning::Own } else { Meaning::Unknown },
                });
            }
            Err(error) => return Err(Error::io("read", map, error)),
        };
        let map = parse(&text).ok_or_else(|| Error::unfit(map, "is no map of ids"))?;
        if Meaning::of(DEFAULT_ID, &map) == Meaning::Own {
            return Ok(Overflow { id: DEFAULT_ID, meaning: Meaning::Own });
        }
        let shown = fs::read_to_string(id).map_err(|error| Error::io("read", id, error))?;
        let id = shown.trim().parse().map_err(|_| Error::unfit(id, "is no id"))?;
        Ok(Overflow { id, meaning: Meaning::of(id, &map) })
    }
}

/// The first id of each range of the namespace, and how many follow it: the first and third number of a line.
fn parse(map: &str) -> Option<Vec<(u32, u32)>> {
    let range = |line: &str| {
        let mut fields = line.split_whitespace().map(|field| field.parse::<u32>().ok());
        Some((fields.next()??, fields.nth(1)??))
    };
    map.lines().map(range).collect()
}

impl Meaning {
    fn of(overflow: u32, map: &[(u32, u32)]) -> Self {
        if map.iter().map(|(_, count)| u64::from(*count)).sum::<u64>() >= ALL_IDS {
            Meaning::Own
        } else if map.iter().any(|(first, count)| overflow.checked_sub(*first).is_some_and(|offset| offset < *count)) {
            Meaning::Ambiguous
        } else {
            Meaning::Unmapped
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_says_whose_the_overflow_id_is() {
        for (map, expected) in [
            ("         0          0 4294967295\n", Meaning::Own),
            ("0 0 65534\n65534 65534 4294901761\n", Meaning::Own),
            ("", Meaning::Unmapped),
            ("0 1000 1\n", Meaning::Unmapped),
            ("0 100000 65534\n", Meaning::Unmapped),
            ("0 100000 65535\n", Meaning::Ambiguous),
            ("0 1000 1\n65534 100000 1\n", Meaning::Ambiguous),
            ("0 0 4294967294\n", Meaning::Ambiguous),
        ] {
            assert_eq!(Meaning::of(DEFAULT_ID, &parse(map).unwrap()), expected, "{map}");
        }
        assert!(parse("0 0\n").is_none() && parse("0 a -1\n").is_none());
    }

    #[test]
    fn the_kernel_is_asked_only_if_the_number_does_not_decide() {
        let overflow = |meaning| Overflow { id: 7, meaning };
        let told = |users, groups, (uid, gid), answer: Option<bool>| {
            let namespace = UserNamespace { users: overflow(users), groups: overflow(groups) };
            namespace.flaw(Owner { uid, gid }, || Ok(answer.expect("not asked"))).unwrap()
        };
        use Meaning::{Ambiguous, AmbiguousOnMount, Own, Unknown, Unmapped};
        for users in [Own, Unmapped, Ambiguous, Unknown] {
            assert_eq!(told(users, users, (0, 8), None), None);
        }
        assert_eq!(told(Own, Own, (7, 7), None), None);
        assert_eq!(told(Ambiguous, Ambiguous, (7, 0), Some(true)), None);
        let group = "belongs to a group that has no id in this user namespace";
        assert_eq!(told(Own, Unmapped, (7, 7), None).as_deref(), Some(group));
        assert_eq!(told(Ambiguous, Unmapped, (7, 7), None).as_deref(), Some(group));
        let user = "belongs to user 7, or to a user that has no id in this user namespace";
        assert_eq!(told(Ambiguous, Ambiguous, (7, 7), Some(false)).as_deref(), Some(user));
        // To ask takes /proc.
        assert_eq!(told(Unknown, Unknown, (7, 7), None), Some(format!("{user}: /proc is not there, which would tell")));
        assert_eq!(told(AmbiguousOnMount, AmbiguousOnMount, (7, 7), Some(true)), None);
        let user = "belongs to user 7, or to a user that the mount does not map";
        assert_eq!(told(AmbiguousOnMount, AmbiguousOnMount, (7, 7), Some(false)).as_deref(), Some(user));
    }

    #[test]
    fn a_mount_with_a_map_of_its_own_is_known() {
        let mounts = b"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
            30 22 0:41 /idmapped /a\\040b\xff rw,idmapped,relatime shared:1 - tmpfs idmapped rw\n\
            31 22 0:41 /,idmapped, /b rw,noidmapped - tmpfs x,idmapped rw,idmapped\n";
        for (mount, expected) in [(22, false), (30, true), (31, false), (3, false), (0, false)] {
            assert_eq!(has_idmap(mounts, mount), expected, "{mount}");
        }
    }
}
