//! Changes of the tree during a pack: the first one fails the pack, or, with a live tree, all of them are listed.

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
    /// Every change is listed.
    Listed(Mutex<Vec<Change>>),
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
                let change = Change { path: path.to_owned(), what };
                list.lock().unwrap_or_else(PoisonError::into_inner).push(change);
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// The listed changes of the tree at `top`, sorted by path. Of several changes of one entry only the first is kept.
    pub(crate) fn below(self, top: &Path) -> Vec<Change> {
        let Changes::Listed(list) = self else { return Vec::new() };
        let mut list = list.into_inner().unwrap_or_else(PoisonError::into_inner);
        // The sort is stable, so the first change of an entry stays the first.
        list.sort_by(|one, other| one.path.cmp(&other.path));
        list.dedup_by(|later, first| later.path == first.path);
        list.iter_mut().for_each(|change| change.path = top.join(&change.path));
        list
    }
}
