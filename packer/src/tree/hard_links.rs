//! Hard links: which names share an inode, and which of them stands first in the archive.
//!
//! Device and inode number say so, not the link count. A filesystem in user space may count only the names that somebody has looked up
//! (fuse-overlayfs), so that the first name of a file has the count 1. Such a filesystem may also give one number to two files, if it
//! shows several others.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::tree::filesystem::Filesystem;
use crate::tree::stat::Stat;

/// Files by identity, with the first name of each.
#[derive(Debug)]
pub(crate) struct HardLinks {
    first: HashMap<Key, First>,
    /// How many more bytes of memory the table may take.
    remaining: usize,
}

/// What a filesystem's link counts are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkCounts {
    /// The filesystem keeps them on its disk. Files of one name are not remembered, and others are forgotten once all names have been met.
    Stored,
    /// They may change while names are looked up. Every file is remembered. Two names are one file if all of its metadata agrees, and
    /// the filesystem counts several names in at least one of both looks.
    Guessed,
}

/// Memory that the table may take, in bytes: some one and a half million files whose other names stand far away or outside the tree,
/// or that have guessed counts.
pub(crate) const MEMORY_LIMIT: usize = 256 << 20;

/// Memory for an inode beside the bytes of its path: its slot in a table that is half full, and its path's own header.
const OVERHEAD: usize = 2 * size_of::<(Key, First)>() + 32;

/// The table would exceed its memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyLinks;

/// Device and inode number; with guessed counts also a hash of the other metadata, else 0.
type Key = ((u32, u32), u64, u64);

#[derive(Debug)]
struct First {
    path: Arc<[u8]>,
    /// How many of its names have not been met yet, by its link count.
    awaited: u32,
}

impl LinkCounts {
    /// Those of a filesystem. One that is not known is taken to guess.
    pub(crate) fn of(filesystem: Filesystem) -> Self {
        match filesystem {
            Filesystem::Plain | Filesystem::Layered => LinkCounts::Stored,
            Filesystem::Unknown => LinkCounts::Guessed,
        }
    }
}

impl HardLinks {
    pub(crate) fn new(memory_limit: usize) -> Self {
        HardLinks { first: HashMap::new(), remaining: memory_limit }
    }

    /// Counts a name of the inode, and returns the inode's first name if one was remembered.
    pub(crate) fn first_name(&mut self, stat: &Stat, counts: LinkCounts) -> Option<Arc<[u8]>> {
        if has_one_name(stat, counts) {
            return None;
        }
        let Slot::Occupied(mut slot) = self.first.entry(key(stat, counts)) else { return None };
        let first = slot.get_mut();
        let target = Arc::clone(&first.path);
        if counts == LinkCounts::Guessed {
            return (first.awaited > 0 || stat.links > 1).then_some(target);
        }
        first.awaited = first.awaited.saturating_sub(1);
        if first.awaited == 0 {
            self.remaining += target.len() + OVERHEAD;
            slot.remove();
        }
        Some(target)
    }

    /// Remembers `path` as the first name of an inode that has none yet.
    pub(crate) fn remember(&mut self, stat: &Stat, counts: LinkCounts, path: &[u8]) -> Result<(), TooManyLinks> {
        if has_one_name(stat, counts) {
            return Ok(());
        }
        if let Slot::Vacant(slot) = self.first.entry(key(stat, counts)) {
            self.remaining = self.remaining.checked_sub(path.len() + OVERHEAD).ok_or(TooManyLinks)?;
            slot.insert(First { path: path.into(), awaited: stat.links.saturating_sub(1) });
        }
        Ok(())
    }
}

fn has_one_name(stat: &Stat, counts: LinkCounts) -> bool {
    counts == LinkCounts::Stored && stat.links < 2
}

fn key(stat: &Stat, counts: LinkCounts) -> Key {
    let metadata = match counts {
        LinkCounts::Stored => 0,
        LinkCounts::Guessed => {
            let mut hasher = DefaultHasher::new();
            (stat.mode, stat.uid, stat.gid, stat.size, stat.device, stat.modified, stat.changed).hash(&mut hasher);
            hasher.finish()
        }
    };
    (stat.identity.device, stat.identity.inode, metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with two names.
    fn linked() -> (tempfile::TempDir, Stat) {
        let place = tempfile::tempdir().unwrap();
        let (one, other) = (place.path().join("one"), place.path().join("other"));
        std::fs::write(&one, "").unwrap();
        std::fs::hard_link(&one, &other).unwrap();
        let stat = Stat::look(rustix::fs::CWD, one.as_os_str().as_encoded_bytes()).unwrap();
        (place, stat)
    }

    /// Meets a name as the walk does.
    fn meet(
        links: &mut HardLinks,
        stat: &Stat,
        counts: LinkCounts,
        path: &[u8],
    ) -> Result<Option<Arc<[u8]>>, TooManyLinks> {
        let first = links.first_name(stat, counts);
        if first.is_none() {
            links.remember(stat, counts, path)?;
        }
        Ok(first)
    }

    #[test]
    fn memory_is_given_back_when_the_last_name_is_met() {
        let (_place, stat) = linked();
        let mut links = HardLinks::new(OVERHEAD + 4);
        for _ in 0..3 {
            assert_eq!(meet(&mut links, &stat, LinkCounts::Stored, b"name"), Ok(None));
            assert_eq!(
                meet(&mut links, &stat, LinkCounts::Stored, b"further name").unwrap().as_deref(),
                Some(&b"name"[..])
            );
        }
    }

    #[test]
    fn names_that_never_come_stay_within_the_limit() {
        let (_place, mut stat) = linked();
        let mut links = HardLinks::new(100 * (OVERHEAD + 4));
        for inode in 0..100 {
            stat.identity.inode = inode;
            assert_eq!(meet(&mut links, &stat, LinkCounts::Stored, b"name"), Ok(None));
        }
        stat.identity.inode = 100;
        assert_eq!(meet(&mut links, &stat, LinkCounts::Stored, b"name"), Err(TooManyLinks));
    }

    /// What each name is a link to, of looks that have link counts, sizes and inode numbers.
    fn firsts(counts: LinkCounts, looks: &[(&str, u32, u64, u64)]) -> Vec<Option<String>> {
        let (_place, stat) = linked();
        let mut links = HardLinks::new(MEMORY_LIMIT);
        let first = |&(name, count, size, inode): &(&str, u32, u64, u64)| {
            let mut stat = Stat { links: count, size, ..stat };
            stat.identity.inode = inode;
            let first = meet(&mut links, &stat, counts, name.as_bytes()).unwrap();
            first.map(|path| String::from_utf8_lossy(&path).into_owned())
        };
        looks.iter().map(first).collect()
    }

    #[test]
    fn a_count_that_grows_loses_no_name() {
        let a = Some("a".to_owned());
        for looks in [
            &[("a", 1, 7, 5), ("b", 2, 7, 5), ("c", 3, 7, 5)],
            &[("a", 2, 7, 5), ("b", 2, 7, 5), ("c", 3, 7, 5)],
            // The filesystem forgot the first name.
            &[("a", 2, 7, 5), ("b", 1, 7, 5), ("c", 2, 7, 5)],
            &[("a", 3, 7, 5), ("b", 3, 7, 5), ("c", 3, 7, 5)],
        ] {
            assert_eq!(firsts(LinkCounts::Guessed, looks), [None, a.clone(), a.clone()], "{looks:?}");
        }
    }

    #[test]
    fn two_files_with_one_number_are_two() {
        for looks in
            [[("a", 1, 7, 5), ("b", 1, 7, 5)], [("a", 2, 7, 5), ("b", 2, 8, 5)], [("a", 2, 7, 5), ("b", 2, 7, 6)]]
        {
            assert_eq!(firsts(LinkCounts::Guessed, &looks), [None, None], "{looks:?}");
        }
    }

    #[test]
    fn files_with_guessed_counts_stay_within_the_limit() {
        let (_place, mut stat) = linked();
        stat.links = 1;
        let mut links = HardLinks::new(100 * (OVERHEAD + 4));
        for inode in 0..101 {
            stat.identity.inode = inode;
            let expected = if inode < 100 { Ok(None) } else { Err(TooManyLinks) };
            assert_eq!(meet(&mut links, &stat, LinkCounts::Guessed, b"name"), expected);
        }
    }
}
