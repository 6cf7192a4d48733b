//! The directories that a walk has listed: 24 bytes and a name of each, with which all are looked at again in the end.
//!
//! The end is when all content has been read. A directory that is the same then held the same names all the time between.

use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::num::NonZeroU64;

use crate::tree::listing::Name;
use crate::tree::stat::{DirectoryChange, Identity, Stat};

/// The memory that the list may take, in bytes: some seven million directories.
pub(crate) const MEMORY_LIMIT: usize = 256 << 20;

/// The list would exceed its memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyDirectories;

/// All directories of a walk. Each is added when its last name has been taken, so taken from the end, each comes before those in it.
#[derive(Debug)]
pub(crate) struct ListedDirectories {
    /// With keys of this run: nobody can make two looks with one hash.
    hashes: RandomState,
    records: Vec<Record>,
    /// Their names, each with its length in two bytes behind it.
    names: Vec<u8>,
    memory_limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    look: u64,
    kept: Option<KeptNames>,
    identity: u32,
    depth: u32,
}

/// A directory of the list.
#[derive(Debug)]
pub(crate) struct ListedDirectory {
    pub(crate) name: Box<[u8]>,
    pub(crate) depth: usize,
    /// `None` if no exclusion can match a name in it.
    pub(crate) kept: Option<KeptNames>,
    record: Record,
}

/// A hash of the names of a directory that no exclusion matches, in their order, and of its mode and owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeptNames(NonZeroU64);

/// Computes [`KeptNames`].
#[derive(Clone, Debug)]
pub(crate) struct KeptNamesHasher(DefaultHasher);

impl KeptNamesHasher {
    pub(crate) fn keep(&mut self, name: &Name) {
        name.hash(&mut self.0);
    }

    pub(crate) fn finish(&self) -> KeptNames {
        KeptNames(NonZeroU64::new(self.0.finish()).unwrap_or(NonZeroU64::MAX))
    }
}

impl ListedDirectories {
    pub(crate) fn new(memory_limit: usize) -> Self {
        ListedDirectories { hashes: RandomState::new(), records: Vec::new(), names: Vec::new(), memory_limit }
    }

    /// Adds a directory. `stat` is what a later look is to find; `kept` are its names if exclusions may match others in it.
    pub(crate) fn add(
        &mut self,
        name: &[u8],
        depth: usize,
        stat: &Stat,
        kept: Option<KeptNames>,
    ) -> Result<(), TooManyDirectories> {
        let record = Record {
            look: self.look(stat),
            kept,
            identity: self.identity(&stat.identity),
            depth: u32::try_from(depth).map_err(|_| TooManyDirectories)?,
        };
        let length = u16::try_from(name.len()).map_err(|_| TooManyDirectories)?;
        self.records.push(record);
        self.names.extend_from_slice(name);
        self.names.extend_from_slice(&length.to_le_bytes());
        let size = size_of_val(&self.records[..]) + self.names.len();
        if size > self.memory_limit { Err(TooManyDirectories) } else { Ok(()) }
    }

    /// Takes the last directory.
    pub(crate) fn pop(&mut self) -> Option<ListedDirectory> {
        let record = self.records.pop()?;
        let length = u16::from_le_bytes(*self.names.last_chunk()?);
        self.names.truncate(self.names.len() - size_of::<u16>());
        let name = self.names.split_off(self.names.len() - usize::from(length)).into();
        Some(ListedDirectory { name, depth: record.depth as usize, kept: record.kept, record })
    }

    /// How the directory changed until a later look.
    pub(crate) fn change(&self, listed: &ListedDirectory, later: &Stat) -> Option<DirectoryChange> {
        let record = listed.record;
        DirectoryChange::between(
            record.identity == self.identity(&later.identity),
            record.look == self.look(later),
            later.file_type(),
        )
    }

    pub(crate) fn kept_names_hasher(&self, stat: &Stat) -> KeptNamesHasher {
        let mut hasher = self.hashes.build_hasher();
        (stat.mode, stat.uid, stat.gid).hash(&mut hasher);
        KeptNamesHasher(hasher)
    }

    fn look(&self, stat: &Stat) -> u64 {
        self.hashes.hash_one(stat.directory_look())
    }

    fn identity(&self, identity: &Identity) -> u32 {
        self.hashes.hash_one(identity.lasting()) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat() -> Stat {
        Stat::look(rustix::fs::CWD, b"/").unwrap()
    }

    #[test]
    fn directories_come_back_from_the_last_to_the_first_with_every_change_of_them() {
        let (mut listed, stat) = (ListedDirectories::new(MEMORY_LIMIT), stat());
        let long = [b'n'; 300];
        for (name, depth) in [(&long[..], 2), (b"a", 1), (b"", 0)] {
            listed.add(name, depth, &stat, None).unwrap();
        }
        let mut found = Vec::new();
        while let Some(directory) = listed.pop() {
            assert_eq!(listed.change(&directory, &stat), None);
            let other = |change: fn(&mut Stat)| {
                let mut later = stat;
                change(&mut later);
                listed.change(&directory, &later)
            };
            let changes: [fn(&mut Stat); 6] = [
                |stat| stat.modified.nanoseconds ^= 1,
                |stat| stat.changed.seconds += 1,
                |stat| stat.size += 1,
                |stat| stat.mode ^= 1,
                |stat| stat.uid ^= 1,
                |stat| stat.gid ^= 1,
            ];
            assert!(changes.into_iter().all(|change| other(change) == Some(DirectoryChange::Relisted)));
            assert_eq!(other(|stat| stat.identity.inode += 1), Some(DirectoryChange::Replaced));
            assert_eq!(other(|stat| stat.mode = 0o100_644), Some(DirectoryChange::NotDirectory));
            assert_eq!(other(|stat| stat.links += 1), None);
            found.push((directory.name, directory.depth));
        }
        assert_eq!(found, [(b""[..].into(), 0), (b"a"[..].into(), 1), (long[..].into(), 2)]);
    }

    #[test]
    fn names_are_kept_if_each_stands_for_the_same_file() {
        let (listed, stat) = (ListedDirectories::new(MEMORY_LIMIT), stat());
        let names = |kept: &[(&str, Option<u64>)]| {
            let mut hasher = listed.kept_names_hasher(&stat);
            kept.iter().for_each(|(name, inode)| hasher.keep(&Name { bytes: (*name).into(), inode: *inode }));
            hasher.finish()
        };
        for (before, later, expected) in [
            (names(&[]), names(&[]), true),
            (names(&[("a", Some(1))]), names(&[("a", Some(1))]), true),
            (names(&[("a", Some(1))]), names(&[("a", Some(2))]), false),
            (names(&[("a", None)]), names(&[("b", None)]), false),
            (names(&[("a", None), ("b", None)]), names(&[("ab", None)]), false),
        ] {
            assert_eq!(before == later, expected, "{before:?} {later:?}");
        }
    }

    #[test]
    fn the_list_stays_within_its_limit() {
        let (mut listed, stat) = (ListedDirectories::new(100 * (size_of::<Record>() + 4 + 2)), stat());
        for _ in 0..100 {
            assert_eq!(listed.add(b"name", 1, &stat, None), Ok(()));
        }
        assert_eq!(listed.add(b"name", 1, &stat, None), Err(TooManyDirectories));
        assert_eq!(size_of::<Record>(), 24);
    }
}
