//! Hard links: which names share an inode, and which of them comes first in the archive.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use crate::entry::Stat;

/// The inodes with further names, by (filesystem, inode); forgotten once every name has been met.
#[derive(Debug, Default)]
pub(crate) struct Links {
    first: HashMap<((u32, u32), u64), First>,
}

#[derive(Debug)]
struct First {
    path: Arc<[u8]>,
    /// Names that have not been met yet.
    awaited: u32,
}

impl Links {
    /// The first name of the file that is met at `path` now, if this is a further one.
    pub(crate) fn earlier(&mut self, stat: &Stat, path: &[u8]) -> Option<Arc<[u8]>> {
        if stat.links < 2 {
            return None;
        }
        match self.first.entry((stat.identity.device, stat.identity.inode)) {
            Slot::Vacant(slot) => {
                slot.insert(First { path: path.into(), awaited: stat.links - 1 });
                None
            }
            Slot::Occupied(mut slot) => {
                let first = slot.get_mut();
                first.awaited = first.awaited.saturating_sub(1);
                let target = Arc::clone(&first.path);
                if first.awaited == 0 {
                    slot.remove();
                }
                Some(target)
            }
        }
    }
}
