//! Hard links: which names share an inode, and which of them stands first in the archive.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use crate::tree::stat::Stat;

/// Inodes with more than one name, by (filesystem, inode number). An inode is forgotten once all its names have been met.
#[derive(Debug)]
pub(crate) struct HardLinks {
    first: HashMap<((u32, u32), u64), First>,
    /// How many more bytes of memory the table may take.
    remaining: usize,
}

/// Memory that the table may take, in bytes: about two million files whose other names stand far away or outside the tree.
pub(crate) const MEMORY_LIMIT: usize = 256 << 20;

/// Memory for an inode beside the bytes of its path: its slot in a table that is half full, and its path's own header.
const OVERHEAD: usize = 2 * size_of::<(((u32, u32), u64), First)>() + 32;

/// The table would exceed its memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyLinks;

#[derive(Debug)]
struct First {
    path: Arc<[u8]>,
    /// How many of its names have not been met yet.
    awaited: u32,
}

impl HardLinks {
    pub(crate) fn new(memory_limit: usize) -> Self {
        HardLinks { first: HashMap::new(), remaining: memory_limit }
    }

    /// Records `path` as a name of the inode, and returns the inode's first name if this is a further one.
    pub(crate) fn first_name(&mut self, stat: &Stat, path: &[u8]) -> Result<Option<Arc<[u8]>>, TooManyLinks> {
        if stat.links < 2 {
            return Ok(None);
        }
        match self.first.entry((stat.identity.device, stat.identity.inode)) {
            Slot::Vacant(slot) => {
                self.remaining = self.remaining.checked_sub(path.len() + OVERHEAD).ok_or(TooManyLinks)?;
                slot.insert(First { path: path.into(), awaited: stat.links - 1 });
                Ok(None)
            }
            Slot::Occupied(mut slot) => {
                let first = slot.get_mut();
                first.awaited = first.awaited.saturating_sub(1);
                let target = Arc::clone(&first.path);
                if first.awaited == 0 {
                    self.remaining += target.len() + OVERHEAD;
                    slot.remove();
                }
                Ok(Some(target))
            }
        }
    }
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

    #[test]
    fn memory_is_given_back_when_the_last_name_is_met() {
        let (_place, stat) = linked();
        let mut links = HardLinks::new(OVERHEAD + 4);
        for _ in 0..3 {
            assert_eq!(links.first_name(&stat, b"name"), Ok(None));
            assert_eq!(links.first_name(&stat, b"further name").unwrap().as_deref(), Some(&b"name"[..]));
        }
    }

    #[test]
    fn names_that_never_come_stay_within_the_limit() {
        let (_place, mut stat) = linked();
        let mut links = HardLinks::new(100 * (OVERHEAD + 4));
        for inode in 0..100 {
            stat.identity.inode = inode;
            assert_eq!(links.first_name(&stat, b"name"), Ok(None));
        }
        stat.identity.inode = 100;
        assert_eq!(links.first_name(&stat, b"name"), Err(TooManyLinks));
    }
}
