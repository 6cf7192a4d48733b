//! Changes of the tree during a pack: the first one fails the pack, or, with a live tree, they are listed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result, escape_path};

/// An entry that changed while it was packed; a directory also if names in it came or went.
///
/// The archive has exactly as many bytes of it as its header says, with zeros for those that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Change {
    /// The path of the entry, the path of the tree included.
    pub path: PathBuf,
    /// What happened to it, as a clause: `it grew`, `it vanished`, …
    pub what: &'static str,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` changed while it was packed: {}", escape_path(&self.path), self.what)
    }
}

/// The policy for changes, and those that were found.
#[derive(Debug)]
pub(crate) enum Changes {
    /// The first one fails the pack.
    Fatal,
    /// The changes of the first entries are listed, and the others are counted.
    Listed(Mutex<ChangeList>),
}

/// The most entries whose changes are listed: a list is for people, and an unpacked archive can change all of a tree.
const MAX_LISTED: usize = 1_000;

/// The changes of a live tree.
#[derive(Debug, Default)]
pub(crate) struct ChangeList {
    /// Of each entry, the first.
    first: BTreeMap<PathBuf, &'static str>,
    /// How many changes of other entries there were.
    further: u64,
}

impl ChangeList {
    fn add(&mut self, path: &Path, what: &'static str) {
        let has_room = self.first.len() < MAX_LISTED;
        match self.first.entry(path.to_owned()) {
            Entry::Occupied(_) => {}
            Entry::Vacant(place) if has_room => {
                place.insert(what);
            }
            Entry::Vacant(_) => self.further += 1,
        }
    }
}

impl Changes {
    pub(crate) fn new(live: bool) -> Self {
        if live { Changes::Listed(Mutex::default()) } else { Changes::Fatal }
    }

    /// An empty list with the same policy.
    pub(crate) fn anew(&self) -> Self {
        Changes::new(matches!(self, Changes::Listed(_)))
    }

    /// Lists the error and returns `Ok` if it is a change and changes are listed; returns it otherwise.
    pub(crate) fn tolerate(&self, error: Error) -> Result<()> {
        match (self, error.change()) {
            (Changes::Listed(list), Some((path, what))) => {
                list.lock().unwrap_or_else(PoisonError::into_inner).add(path, what);
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// The listed changes of the tree at `top`, one for each entry, sorted by path; and how many there were beside them.
    pub(crate) fn below(self, top: &Path) -> (Vec<Change>, u64) {
        let Changes::Listed(list) = self else { return (Vec::new(), 0) };
        let ChangeList { first, further } = list.into_inner().unwrap_or_else(PoisonError::into_inner);
        let located = |(path, what)| Change { path: top.join(path), what };
        (first.into_iter().map(located).collect(), further)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_an_end_and_the_rest_is_counted() {
        let changes = Changes::new(true);
        let change =
            |name: usize, what| changes.tolerate(Error::changed(format!("{name:05}").as_bytes(), what)).unwrap();
        (0..MAX_LISTED + 7).rev().for_each(|name| change(name, "it grew"));
        // A later change of an entry adds nothing to what is listed of it.
        change(MAX_LISTED, "it shrank");
        let (listed, further) = changes.below(Path::new("top"));
        assert_eq!((listed.len(), further), (MAX_LISTED, 7));
        let path = |name: usize| PathBuf::from(format!("top/{name:05}"));
        assert_eq!((&listed[0].path, &listed[MAX_LISTED - 1].path), (&path(7), &path(MAX_LISTED + 6)));
        assert!(listed.iter().all(|change| change.what == "it grew"));
    }
}
