//! Hard links: which names share an inode, and which of them stands first in the archive.
//!
//! Device and inode number say so, not the link count. A filesystem in user space may count only the names that somebody has looked up
//! (fuse-overlayfs), so that the first name of a file has the count 1, and any other too if the kernel has forgotten the first. Such a
//! filesystem may also give one number to two files, if it shows several others.

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
    /// Whether names may come that no link count counts. Then nothing is forgotten.
    crosses_mounts: bool,
}

/// What a filesystem's link counts are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkCounts {
    /// The filesystem keeps them on its disk. Files of one name are not remembered, and others are forgotten once all names have been met.
    Stored,
    /// They may change while names are looked up. Every file is remembered. Two names are one file if all of its metadata agrees, and
    /// the filesystem counts several names in at least one of both looks, or when both are looked at together.
    Guessed,
}

/// Memory that the table may take, in bytes: some one and a half million files whose other names stand far away or outside the tree,
/// or that have guessed counts.
pub(crate) const MEMORY_LIMIT: usize = 256 << 20;

/// Memory for an inode beside the bytes of its path: its slot in a table that is half full, and its path's own header.
const OVERHEAD: usize = 2 * size_of::<(Key, First)>() + 32;

/// The first name of an inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FirstName {
    pub(crate) path: Arc<[u8]>,
    /// `false` if either name was counted as the only one, which holds for two files with one number as well. Both have to be looked
    /// at together.
    pub(crate) is_certain: bool,
}

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
            Filesystem::Plain | Filesystem::Overlay | Filesystem::Nfs => LinkCounts::Stored,
            Filesystem::Unknown => LinkCounts::Guessed,
        }
    }
}

impl HardLinks {
    /// For a tree with mounts of several filesystems, or of one: each mount shows all names of a file once more.
    pub(crate) fn across_mounts(memory_limit: usize) -> Self {
        HardLinks { crosses_mounts: true, ..HardLinks::new(memory_limit) }
    }

    pub(crate) fn new(memory_limit: usize) -> Self {
        HardLinks { first: HashMap::new(), remaining: memory_limit, crosses_mounts: false }
    }

    /// Counts a name of the inode, and returns the inode's first name if one was remembered.
    pub(crate) fn first_name(&mut self, stat: &Stat, counts: LinkCounts) -> Option<FirstName> {
        if has_one_name(stat, counts) {
            return None;
        }
        let Slot::Occupied(mut slot) = self.first.entry(key(stat, counts)) else { return None };
        let first = slot.get_mut();
        let path = Arc::clone(&first.path);
        if counts == LinkCounts::Guessed {
            return Some(FirstName { path, is_certain: first.awaited > 0 || stat.links > 1 });
        }
        first.awaited = first.awaited.saturating_sub(1);
        if first.awaited == 0 && !self.crosses_mounts {
            self.remaining += path.len() + OVERHEAD;
            slot.remove();
        }
        Some(FirstName { path, is_certain: true })
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
    ) -> Result<Option<FirstName>, TooManyLinks> {
        let first = links.first_name(stat, counts);
        if first.is_none() {
            links.remember(stat, counts, path)?;
        }
        Ok(first)
    }

    fn certain(path: &str) -> Option<FirstName> {
        Some(FirstName { path: path.as_bytes().into(), is_certain: true })
    }

    #[test]
    fn memory_is_given_back_when_the_last_name_is_met() {
        let (_place, stat) = linked();
        let mut links = HardLinks::new(OVERHEAD + 4);
        for _ in 0..3 {
            assert_eq!(meet(&mut links, &stat, LinkCounts::Stored, b"name"), Ok(None));
            assert_eq!(meet(&mut links, &stat, LinkCounts::Stored, b"further name"), Ok(certain("name")));
        }
    }

    #[test]
    fn a_second_mount_shows_more_names_than_are_counted() {
        let (_place, stat) = linked();
        let mut links = HardLinks::across_mounts(OVERHEAD + 4);
        assert_eq!(meet(&mut links, &stat, LinkCounts::Stored, b"name"), Ok(None));
        for further in ["further name", "mounted/name", "mounted/further name"] {
            assert_eq!(
                meet(&mut links, &stat, LinkCounts::Stored, further.as_bytes()),
                Ok(certain("name")),
                "{further}"
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

    /// The first name of the file of each name, of looks that have link counts, sizes and inode numbers.
    fn firsts(counts: LinkCounts, looks: &[(&str, u32, u64, u64)]) -> Vec<Option<FirstName>> {
        let (_place, stat) = linked();
        let mut links = HardLinks::new(MEMORY_LIMIT);
        let first = |&(name, count, size, inode): &(&str, u32, u64, u64)| {
            let mut stat = Stat { links: count, size, ..stat };
            stat.identity.inode = inode;
            meet(&mut links, &stat, counts, name.as_bytes()).unwrap()
        };
        looks.iter().map(first).collect()
    }

    #[test]
    fn a_count_that_grows_loses_no_name() {
        let a = certain("a");
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
        for looks in [[("a", 2, 7, 5), ("b", 2, 8, 5)], [("a", 2, 7, 5), ("b", 2, 7, 6)]] {
            assert_eq!(firsts(LinkCounts::Guessed, &looks), [None, None], "{looks:?}");
        }
    }

    #[test]
    fn two_names_that_were_counted_alone_have_to_be_looked_at_together() {
        let uncertain = certain("a").map(|first| FirstName { is_certain: false, ..first });
        assert_eq!(firsts(LinkCounts::Guessed, &[("a", 1, 7, 5), ("b", 1, 7, 5)]), [None, uncertain]);
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
