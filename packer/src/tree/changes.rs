//! What becomes of a pack when an entry changes under it: it fails, or – a live tree – it goes on, and the entry is listed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result, escape_path};

/// An entry that changed while it was packed. The archive holds as many bytes of it as its header says: zeros where there
/// were none to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Change {
    /// The entry, with the path of the tree before it.
    pub path: PathBuf,
    /// What happened: `it grew`, `it vanished`, …
    pub what: &'static str,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` changed while it was packed: {}", escape_path(&self.path), self.what)
    }
}

/// Where changes go.
#[derive(Debug)]
pub(crate) enum Changes {
    /// The first one fails the pack.
    Fatal,
    /// They are kept.
    Listed(Mutex<Vec<Change>>),
}

impl Changes {
    pub(crate) fn new(live: bool) -> Self {
        if live { Changes::Listed(Mutex::default()) } else { Changes::Fatal }
    }

    /// The same way of dealing with changes, with none of them yet.
    pub(crate) fn anew(&self) -> Self {
        Changes::new(matches!(self, Changes::Listed(_)))
    }

    /// Takes note of a failure that is a change, if changes are listed; any other failure remains one.
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

    /// What was listed: each entry of the tree at `top` once, sorted.
    pub(crate) fn below(self, top: &Path) -> Vec<Change> {
        let Changes::Listed(list) = self else { return Vec::new() };
        let mut list = list.into_inner().unwrap_or_else(PoisonError::into_inner);
        // What was seen first of an entry is what is told of it.
        list.sort_by(|one, other| one.path.cmp(&other.path));
        list.dedup_by(|later, first| later.path == first.path);
        list.iter_mut().for_each(|change| change.path = top.join(&change.path));
        list
    }
}
