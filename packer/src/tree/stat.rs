//! `statx` answers: an inode's metadata on the disk, and its changes between two looks.
//!
//! A kernel or filesystem that leaves a field out says so in the answer's mask, and the field holds no meaning. Such an answer is an
//! error. Only the mount may be missing.

use std::hash::Hash;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags};

/// A point in time: seconds since 1970, negative before it, plus nanoseconds, which always count forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Timestamp {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// An inode and the mount that it was reached by. An inode number alone is unique on one filesystem only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    /// Major and minor number of the filesystem's device.
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
    /// The mount's number. `None` before Linux 5.8 and in some sandboxes.
    pub(crate) mount: Option<u64>,
    /// Whether the file keeps its inode number as long as it exists. Otherwise it gets another one when the kernel has forgotten it,
    /// which may be at any time unless the file is open.
    pub(crate) is_persistent: bool,
}

/// The mount that a file was reached by: its number, or where there is none, the filesystem's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mount {
    Number(u64),
    Device((u32, u32)),
}

impl Identity {
    /// Whether both are one inode, on whatever mounts.
    pub(crate) fn is_same_inode(&self, other: &Identity) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// The mount that the inode was reached by.
    pub(crate) fn reached_by(&self) -> Mount {
        self.mount.map_or(Mount::Device(self.device), Mount::Number)
    }

    /// What every later look at the inode finds again.
    pub(crate) fn lasting(&self) -> impl Hash + PartialEq + use<> {
        (self.reached_by(), self.is_persistent.then_some((self.device, self.inode)))
    }

    /// Whether a later look may have found the same inode. Without persistent numbers only another mount shows that it is not; the
    /// other fields of the look have to show the rest.
    pub(crate) fn is_same(&self, later: &Identity) -> bool {
        self.lasting() == Identity { is_persistent: self.is_persistent, ..*later }.lasting()
    }

    /// Whether both were reached by one mount. Without numbers of mounts the filesystem's device decides: a mount of the same
    /// filesystem elsewhere (a bind mount) is not seen, and a subvolume of btrfs is taken for a mount.
    pub(crate) fn is_on_mount_of(&self, other: &Identity) -> bool {
        match (self.mount, other.mount) {
            (Some(mount), Some(other)) => mount == other,
            _ => self.device == other.device,
        }
    }
}

/// The part of a `statx` answer that the archive needs, or that shows whether a file is still the listed one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) identity: Identity,
    /// File type and permissions.
    pub(crate) mode: u16,
    pub(crate) links: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    /// Major and minor number that a device node stands for.
    pub(crate) device: (u32, u32),
    pub(crate) modified: Timestamp,
    pub(crate) changed: Timestamp,
}

impl Stat {
    /// Looks at the file `name` in `directory` without following a symlink or mounting anything. An empty name is `directory`.
    pub(crate) fn look(directory: impl AsFd, name: &[u8]) -> io::Result<Self> {
        Stat::look_with(AtFlags::empty(), directory, name)
    }

    /// Looks at a file as [`Stat::look`] does. A network filesystem asks its server, and does not answer from its cache.
    pub(crate) fn look_again(directory: impl AsFd, name: &[u8]) -> io::Result<Self> {
        Stat::look_with(AtFlags::STATX_FORCE_SYNC, directory, name)
    }

    fn look_with(flags: AtFlags, directory: impl AsFd, name: &[u8]) -> io::Result<Self> {
        let of_name = if name.is_empty() { AtFlags::EMPTY_PATH } else { AtFlags::SYMLINK_NOFOLLOW };
        Stat::try_from(rustix::fs::statx(directory, name, flags | of_name | AtFlags::NO_AUTOMOUNT, WANTED)?)
    }

    pub(crate) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(u32::from(self.mode))
    }

    /// The permission bits, set-id and sticky bits included.
    pub(crate) fn permissions(&self) -> u16 {
        self.mode & 0o7777
    }

    /// Whether a later look found the same inode and file type, changed or not.
    pub(crate) fn is_same_file(&self, later: &Stat) -> bool {
        self.identity.is_same(&later.identity) && self.file_type() == later.file_type()
    }

    /// How the file changed between this look and a later one; `None` if nothing that the archive depends on did.
    pub(crate) fn difference(&self, later: &Stat) -> Option<&'static str> {
        if !self.is_same_file(later) {
            Some(REPLACED)
        } else if later.size > self.size {
            Some("it grew")
        } else if later.size < self.size {
            Some(SHRANK)
        } else if self.touched() != later.touched() {
            Some("it was touched")
        } else {
            None
        }
    }

    /// What shows whether an inode was touched. Not every filesystem has change times that tell of its mode and owner.
    fn touched(&self) -> impl PartialEq + use<> {
        (self.modified, self.changed, self.mode, self.uid, self.gid, self.device)
    }

    /// What shows whether a directory has the same names and metadata. Link counts are not in it: they may grow while names are looked up.
    pub(crate) fn directory_look(&self) -> impl Hash + PartialEq + use<> {
        (self.mode, self.uid, self.gid, self.size, self.modified, self.changed)
    }

    /// How a directory changed between this look and a later one.
    pub(crate) fn directory_change(&self, later: &Stat) -> Option<DirectoryChange> {
        DirectoryChange::between(
            self.identity.is_same(&later.identity),
            self.directory_look() == later.directory_look(),
            later.file_type(),
        )
    }
}

/// The change of a directory between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DirectoryChange {
    /// Its name stands for a file of another type.
    NotDirectory,
    /// Its name stands for another directory.
    Replaced,
    /// It has other names or other metadata.
    Relisted,
}

impl DirectoryChange {
    /// The change that a later look shows, which found a file of this type.
    pub(crate) fn between(same_identity: bool, same_look: bool, later: FileType) -> Option<Self> {
        if later != FileType::Directory {
            Some(DirectoryChange::NotDirectory)
        } else if !same_identity {
            Some(DirectoryChange::Replaced)
        } else {
            (!same_look).then_some(DirectoryChange::Relisted)
        }
    }

    /// A clause that tells it.
    pub(crate) fn what(self) -> &'static str {
        match self {
            DirectoryChange::NotDirectory => REPLACED,
            DirectoryChange::Replaced => "another directory took its place",
            DirectoryChange::Relisted => "names in it came or went, or it was touched",
        }
    }
}

/// The change of an entry whose name stands for another inode now.
pub(crate) const REPLACED: &str = "another file took its place";
/// The change of an entry that is gone.
pub(crate) const VANISHED: &str = "it vanished";
/// The change of a file that has fewer bytes now.
pub(crate) const SHRANK: &str = "it shrank";

/// The fields that every answer must have, and their names.
const REQUIRED: [(StatxFlags, &str); 9] = [
    (StatxFlags::TYPE, "type"),
    (StatxFlags::MODE, "mode"),
    (StatxFlags::NLINK, "link count"),
    (StatxFlags::UID, "owner"),
    (StatxFlags::GID, "group"),
    (StatxFlags::MTIME, "modification time"),
    (StatxFlags::CTIME, "change time"),
    (StatxFlags::INO, "inode number"),
    (StatxFlags::SIZE, "size"),
];

/// The fields to ask `statx` for.
const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID).difference(StatxFlags::ATIME);

impl TryFrom<Statx> for Stat {
    type Error = io::Error;

    fn try_from(statx: Statx) -> io::Result<Self> {
        let known = StatxFlags::from_bits_retain(statx.stx_mask);
        if let Some((_, field)) = REQUIRED.iter().find(|(field, _)| !known.contains(*field)) {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("the filesystem does not tell its {field}"),
            ));
        }
        let time = |stamp: rustix::fs::StatxTimestamp| Timestamp { seconds: stamp.tv_sec, nanoseconds: stamp.tv_nsec };
        Ok(Stat {
            identity: Identity {
                device: (statx.stx_dev_major, statx.stx_dev_minor),
                inode: statx.stx_ino,
                mount: known.contains(StatxFlags::MNT_ID).then_some(statx.stx_mnt_id),
                is_persistent: true,
            },
            mode: statx.stx_mode,
            links: statx.stx_nlink,
            uid: statx.stx_uid,
            gid: statx.stx_gid,
            size: statx.stx_size,
            device: (statx.stx_rdev_major, statx.stx_rdev_minor),
            modified: time(statx.stx_mtime),
            changed: time(statx.stx_ctime),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer for the root directory without some fields.
    fn answer(missing: StatxFlags) -> Statx {
        let mut statx = rustix::fs::statx(rustix::fs::CWD, c"/", AtFlags::empty(), WANTED).unwrap();
        statx.stx_mask &= !missing.bits();
        statx
    }

    #[test]
    fn a_missing_field_is_named() {
        for (field, name) in REQUIRED {
            let error = Stat::try_from(answer(field)).unwrap_err();
            assert_eq!(error.to_string(), format!("the filesystem does not tell its {name}"));
            assert!(WANTED.contains(field), "{name}");
        }
    }

    #[test]
    fn without_persistent_numbers_the_mount_alone_is_compared() {
        let stat = Stat::try_from(answer(StatxFlags::empty())).unwrap();
        let identity = |is_persistent, device, inode, mount| Identity { is_persistent, device, inode, mount };
        let (device, inode) = (stat.identity.device, stat.identity.inode);
        for (later, persistent, otherwise) in [
            (identity(true, device, inode, Some(1)), true, true),
            (identity(true, device, inode + 1, Some(1)), false, true),
            (identity(true, (device.0, device.1 + 1), inode, Some(1)), false, true),
            (identity(true, device, inode, Some(2)), false, false),
        ] {
            assert_eq!(identity(true, device, inode, Some(1)).is_same(&later), persistent, "{later:?}");
            assert_eq!(identity(false, device, inode, Some(1)).is_same(&later), otherwise, "{later:?}");
        }
        let file = |is_persistent| Stat { identity: identity(is_persistent, device, inode, Some(1)), ..stat };
        assert_eq!(file(false).difference(&file(true)), None);
        let touches: [fn(&mut Stat); 6] = [
            |stat| stat.modified.seconds += 1,
            |stat| stat.changed.seconds += 1,
            |stat| stat.mode ^= 1,
            |stat| stat.uid ^= 1,
            |stat| stat.gid ^= 1,
            |stat| stat.device.1 ^= 1,
        ];
        for touch in touches {
            let mut later = file(true);
            touch(&mut later);
            assert_eq!(file(false).difference(&later), Some("it was touched"), "{later:?}");
        }
    }

    #[test]
    fn without_numbers_of_mounts_the_device_decides() {
        // Whatever the kernel left in the field.
        let told = |device, mount, missing| {
            let mut statx = answer(missing);
            (statx.stx_dev_minor, statx.stx_mnt_id) = (device, mount);
            Stat::try_from(statx).unwrap().identity
        };
        let (no, yes) = (StatxFlags::MNT_ID, StatxFlags::empty());
        for (one, other, expected) in [
            (told(1, 0, no), told(2, 0, no), false),
            (told(1, 7, no), told(1, 8, no), true),
            (told(1, 7, no), told(1, 8, yes), true),
            (told(1, 7, yes), told(2, 7, no), false),
            (told(1, 7, yes), told(2, 7, yes), true),
            (told(1, 7, yes), told(1, 8, yes), false),
        ] {
            assert_eq!(one.is_on_mount_of(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.is_on_mount_of(&one), expected, "{one:?} {other:?}");
        }
    }
}
