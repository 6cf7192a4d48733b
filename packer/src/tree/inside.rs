//! Whether a directory is part of the tree. What is published there would be in the next image, and so would the directory's new time.
//!
//! This is known before the pack, by the way up from the directory. A mount hides that way; [`outputs`](crate::tree::outputs) then ends the pack.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags};

use crate::error::{Error, Result};
use crate::tree::Tree;
use crate::tree::directory::fstat;
use crate::tree::filter::escaped;

/// A directory on the way up is looked at, not read.
const LOOK: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Tree<'_> {
    /// Refuses an output directory that is an entry of the archive. `path` is its path, for messages.
    pub(crate) fn check_outside(&self, output: impl AsFd, path: &Path) -> Result<()> {
        let Some(depth) = self.depth_of(output.as_fd(), path)? else { return Ok(()) };
        if depth == 0 {
            return Err(Error::invalid_input(path, "is the tree itself, so the next image would hold this one"));
        }
        let whole = path.canonicalize().map_err(|error| Error::io("resolve", path, error))?;
        let names: Vec<&[u8]> = whole
            .components()
            .filter_map(|component| if let Component::Normal(name) = component { Some(name.as_bytes()) } else { None })
            .collect();
        let below = &names[names.len().saturating_sub(depth)..];
        let leads = (1..=below.len()).any(|length| self.exclusions.matches(&below[..length].join(&b'/')));
        if leads {
            return Ok(());
        }
        let glob = escaped(&OsStr::from_bytes(&below.join(&b'/')).to_string_lossy());
        let what = format!("is in the tree, so the next image would hold this one: exclude `{glob}`");
        Err(Error::invalid_input(path, what))
    }

    /// How many levels below the top the directory is; `None` if it is no entry.
    fn depth_of(&self, directory: BorrowedFd<'_>, path: &Path) -> Result<Option<usize>> {
        let failed = |error| Error::io("look above", path, error);
        let top = self.stat.identity;
        let mut handle = directory.try_clone_to_owned().map_err(|error| Error::io("look above", path, error))?;
        let mut identity = fstat(&handle).map_err(failed)?.identity;
        for depth in 0.. {
            if identity.is_same_inode(&top) {
                return Ok(Some(depth));
            }
            // Above a directory that cannot be searched nothing can be known, and no walk comes from there.
            let Ok(parent) = rustix::fs::openat(&handle, c"..", LOOK, Mode::empty()) else { return Ok(None) };
            let above = fstat(&parent).map_err(failed)?.identity;
            let is_root = above.is_same(&identity);
            // A mount point is an entry, and what is below it is not.
            let is_below_mount_point = depth > 0 && !above.is_on_mount_of(&identity) && !self.rules.cross_mounts;
            if is_root || is_below_mount_point {
                return Ok(None);
            }
            (handle, identity) = (parent, above);
        }
        Ok(None)
    }
}
