//! Defaults from the tree, for values of an image's metadata that the caller does not set.

use crate::error::{Error, Result};
use crate::format::architecture::Architecture;
use crate::format::os_release;
use crate::tree::Tree;

/// The given architecture, or the one that the tree's programs were built for.
pub(super) fn architecture(given: Option<Architecture>, tree: &Tree<'_>) -> Result<Architecture> {
    let found = match given {
        Some(given) => Some(given),
        None => os_release::architecture(tree).map_err(|error| error.below(tree.path()))?,
    };
    found.ok_or_else(|| {
        Error::invalid_input(tree.path(), "has no shell that would tell its architecture, which has to be given then")
    })
}

/// The given creation date, or the modification time of the tree's top directory, in seconds since 1970.
pub(super) fn created(given: Option<i64>, tree: &Tree<'_>) -> i64 {
    given.unwrap_or_else(|| tree.modified().seconds)
}
