//! Hard links: which names share an inode, and which of them comes first in the archive.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use crate::tree::entry::Stat;

/// The inodes with further names, by (filesystem, inode); forgotten once every name has been met.
#[derive(Debug)]
pub(crate) struct Links {
    first: HashMap<((u32, u32), u64), First>,
    /// How many more bytes of memory this may take.
    room: usize,
}

/// The most that links may take, in bytes: some two million files whose other names stand far away, or nowhere in the tree.
pub(crate) const ROOM: usize = 256 << 20;

/// What an inode takes beside the bytes of its path: its place in a table that is half full, and its path's own header.
const OVERHEAD: usize = 2 * size_of::<(((u32, u32), u64), First)>() + 32;

/// There are more links than [`ROOM`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

#[derive(Debug)]
struct First {
    path: Arc<[u8]>,
    /// Names that have not been met yet.
    awaited: u32,
}

impl Links {
    pub(crate) fn new(room: usize) -> Self {
        Links { first: HashMap::new(), room }
    }

    /// The first name of the file whose name is `path` now, if this is a further one.
    pub(crate) fn earlier(&mut self, stat: &Stat, path: &[u8]) -> Result<Option<Arc<[u8]>>, TooMany> {
        if stat.links < 2 {
            return Ok(None);
        }
        match self.first.entry((stat.identity.device, stat.identity.inode)) {
            Slot::Vacant(slot) => {
                self.room = self.room.checked_sub(path.len() + OVERHEAD).ok_or(TooMany)?;
                slot.insert(First { path: path.into(), awaited: stat.links - 1 });
                Ok(None)
            }
            Slot::Occupied(mut slot) => {
                let first = slot.get_mut();
                first.awaited = first.awaited.saturating_sub(1);
                let target = Arc::clone(&first.path);
                if first.awaited == 0 {
                    self.room += target.len() + OVERHEAD;
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

    /// Looks at a file of two names in the current directory.
    fn linked() -> (tempfile::TempDir, Stat) {
        let place = tempfile::tempdir().unwrap();
        let (one, other) = (place.path().join("one"), place.path().join("other"));
        std::fs::write(&one, "").unwrap();
        std::fs::hard_link(&one, &other).unwrap();
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let stat = rustix::fs::statx(rustix::fs::CWD, &one, flags, Stat::WANTED).unwrap().into();
        (place, stat)
    }

    #[test]
    fn room_comes_back_when_the_last_name_is_met() {
        let (_place, stat) = linked();
        let mut links = Links::new(OVERHEAD + 4);
        for _ in 0..3 {
            assert_eq!(links.earlier(&stat, b"name"), Ok(None));
            assert_eq!(links.earlier(&stat, b"further name").unwrap().as_deref(), Some(&b"name"[..]));
        }
    }

    #[test]
    fn names_that_never_come_take_no_more_than_the_room() {
        let (_place, mut stat) = linked();
        let mut links = Links::new(100 * (OVERHEAD + 4));
        for inode in 0..100 {
            stat.identity.inode = inode;
            assert_eq!(links.earlier(&stat, b"name"), Ok(None));
        }
        stat.identity.inode = 100;
        assert_eq!(links.earlier(&stat, b"name"), Err(TooMany));
    }
}
