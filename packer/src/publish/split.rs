//! Files that stand together or not at all: a directory that gets its name once all of them are in it.

use std::ffi::CStr;
use std::sync::Arc;

use rustix::fs::{Mode, RenameFlags};
use rustix::io::Errno;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Hasher};
use crate::publish::directory::{Outcome, Shelf, Staged};
use crate::publish::temp_name::{self, DIRECTORY, TemporaryDirectory};

/// One of the files.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) staged: Staged,
}

/// Publishes synced files as a directory `name` whose fingerprint is the sha256 of all of them, one behind the other. A
/// directory of that name that holds the same stays; the remains of a crash are replaced; anything else is an error.
pub(crate) fn publish(
    shelf: &Arc<Shelf>,
    name: &str,
    pages: Vec<Page>,
    fingerprint: &Fingerprint,
    cancel: &CancelToken,
) -> Result<Outcome> {
    let path = shelf.path().join(name);
    let failed = |error: Errno| Error::io("publish", &path, error);
    let names: Vec<_> = pages.iter().map(|page| page.name.clone()).collect();
    let mut temporary = TemporaryDirectory::create(shelf.handle())
        .map_err(|error| Error::io("create a directory in", shelf.path(), error))?;
    let inside = Shelf::of(Arc::clone(&temporary.handle), path.clone());
    for Page { name, staged } in pages {
        staged.publish(&inside, fingerprint, &name, cancel)?;
        temporary.holds(name);
    }
    inside.sync()?;
    cancel.check()?;
    let outcome = match name_it(shelf, &temporary, name) {
        Ok(()) => {
            temporary.keep();
            Outcome::Published
        }
        Err(Errno::EXIST | Errno::NOTEMPTY) => {
            let standing = standing(shelf, name)?;
            if holds(&standing, &names, fingerprint, cancel)? {
                return Ok(Outcome::AlreadyThere);
            }
            replace(shelf, temporary, name, &standing, &names)?;
            Outcome::Published
        }
        Err(error) => return Err(failed(error)),
    };
    shelf.sync()?;
    Ok(outcome)
}

/// Gives the directory a name that nothing has.
fn name_it(shelf: &Shelf, temporary: &TemporaryDirectory, name: &str) -> rustix::io::Result<()> {
    let handle = shelf.handle();
    match rustix::fs::renameat_with(handle, &temporary.name, handle, name, RenameFlags::NOREPLACE) {
        // Without the flag a directory takes the place of an empty one only, which is as well.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            rustix::fs::renameat_with(handle, &temporary.name, handle, name, RenameFlags::empty())
        }
        result => result,
    }
}

/// The directory that has the name.
fn standing(shelf: &Shelf, name: &str) -> Result<Shelf> {
    let path = shelf.path().join(name);
    match rustix::fs::openat(shelf.handle(), name, DIRECTORY, Mode::empty()) {
        Ok(handle) => Ok(Shelf::of(Arc::new(handle), path)),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            Err(Error::output_exists(path, "stands where the image should, and is not a directory"))
        }
        Err(error) => Err(Error::io("open", path, error)),
    }
}

/// Whether the files in a directory hash to `fingerprint`, one behind the other.
fn holds(standing: &Shelf, names: &[String], fingerprint: &Fingerprint, cancel: &CancelToken) -> Result<bool> {
    let mut hasher = Hasher::default();
    for name in names {
        hasher = match standing.hashed(name, hasher, cancel) {
            Ok(hasher) => hasher,
            Err(error) if error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
    }
    Ok(hasher.finish() == *fingerprint)
}

/// Puts the directory in the place of the remains of a crash, at one moment.
fn replace(shelf: &Shelf, temporary: TemporaryDirectory, name: &str, standing: &Shelf, names: &[String]) -> Result<()> {
    let failed = |error: Errno| Error::io("publish", standing.path(), error);
    let ours = |found: &CStr| names.iter().any(|name| name.as_bytes() == found.to_bytes());
    let found = temp_name::names(standing.handle()).map_err(failed)?;
    if !found.iter().all(|found| ours(found)) {
        return Err(Error::output_exists(standing.path(), "stands where the image should, and holds something else"));
    }
    let handle = shelf.handle();
    rustix::fs::renameat_with(handle, &temporary.name, handle, name, RenameFlags::EXCHANGE).map_err(failed)?;
    // What stays is a leftover, which the next pack removes.
    let _ = temp_name::remove(handle, standing.handle(), &*temporary.name, &found);
    temporary.keep();
    Ok(())
}
