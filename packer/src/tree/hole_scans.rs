//! Searches for holes, each made once for a file: whatever names it has, and however many walks meet it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::tree::hard_links::LinkCounts;
use crate::tree::holes::Extents;
use crate::tree::stat::{Identity, Stat, Timestamp};

/// The results of searches that may be asked for again. Each is of a file that is large enough for holes, so they take no more than a
/// few bytes for each 256 KiB of the tree.
#[derive(Debug, Default)]
pub(crate) struct HoleScans {
    results: Mutex<HashMap<Key, Arc<Mutex<Option<ScanResult>>>>>,
    /// Whether a second walk meets every file.
    walks_twice: bool,
    bytes_read: AtomicU64,
}

/// `None` if leaving out the holes is not worthwhile.
type ScanResult = Option<Extents>;

/// A file as it was listed.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    file: File,
    stat: (u64, Timestamp, Timestamp),
}

/// What tells files apart.
#[derive(Debug, PartialEq, Eq, Hash)]
enum File {
    Numbers { device: (u32, u32), inode: u64 },
    Path(Box<[u8]>),
}

impl HoleScans {
    /// For a tree that is walked twice at the same time.
    pub(crate) fn for_two_walks() -> Self {
        HoleScans { walks_twice: true, ..HoleScans::default() }
    }

    /// The bytes that were read by all searches.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// The extents of the file at `path`, by an earlier search or by `scan`, which adds up the bytes that it reads. A search that fails
    /// is made again.
    pub(crate) fn extents(
        &self,
        stat: &Stat,
        counts: LinkCounts,
        path: &[u8],
        scan: impl FnOnce(&AtomicU64) -> Result<ScanResult>,
    ) -> Result<ScanResult> {
        let has_names = counts == LinkCounts::Stored && stat.links > 1;
        if !self.walks_twice && !has_names {
            return scan(&self.bytes_read);
        }
        let Identity { device, inode, .. } = stat.identity;
        let file = if counts == LinkCounts::Stored { File::Numbers { device, inode } } else { File::Path(path.into()) };
        let key = Key { file, stat: (stat.size, stat.modified, stat.changed) };
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let result = Arc::clone(results.entry(key).or_default());
        drop(results);
        // The other walk waits for a search that is under way.
        let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
        match &*result {
            Some(found) => Ok(found.clone()),
            None => Ok(result.insert(scan(&self.bytes_read)?).clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of searches for these names, as link count and inode.
    fn searches(scans: &HoleScans, counts: LinkCounts, names: &[(&str, u32, u64)]) -> usize {
        let stat = Stat::look(rustix::fs::CWD, b"/").unwrap();
        let mut searches = 0;
        for (name, links, inode) in names {
            let mut stat = Stat { links: *links, ..stat };
            stat.identity.inode = *inode;
            let scan = |_: &AtomicU64| {
                searches += 1;
                Ok(Some(Extents::new(Vec::new(), *inode)))
            };
            let found = scans.extents(&stat, counts, name.as_bytes(), scan).unwrap();
            assert_eq!(found.unwrap().file_size(), *inode);
        }
        searches
    }

    #[test]
    fn one_search_serves_all_names_and_both_walks() {
        let names = [("a", 2, 1), ("b", 2, 1), ("c", 1, 3), ("d", 1, 4), ("c", 1, 3)];
        assert_eq!(searches(&HoleScans::default(), LinkCounts::Stored, &names), 4);
        assert_eq!(searches(&HoleScans::for_two_walks(), LinkCounts::Stored, &names), 3);
        // Where one number may stand for two files, only the path tells them apart.
        assert_eq!(searches(&HoleScans::default(), LinkCounts::Guessed, &names), 5);
        assert_eq!(searches(&HoleScans::for_two_walks(), LinkCounts::Guessed, &names), 4);
    }

    #[test]
    fn a_search_that_fails_is_made_again() {
        let (scans, stat) = (HoleScans::for_two_walks(), Stat::look(rustix::fs::CWD, b"/").unwrap());
        let fails = |_: &AtomicU64| Err(crate::error::Error::cancelled());
        assert!(scans.extents(&stat, LinkCounts::Stored, b"", fails).is_err());
        assert_eq!(scans.extents(&stat, LinkCounts::Stored, b"", |_| Ok(None)).unwrap(), None);
    }
}
