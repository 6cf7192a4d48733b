//! What a pack adds to a layout, and its removal if the pack fails.

use std::sync::Arc;

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::publish::local_upload::SealedPart;
use crate::publish::output_dir::OutputDir;
use crate::publish::pending_file::Naming;
use crate::publish::temp_name::DIRECTORY;

/// Names that were added to a layout. Dropping it removes them, unless they are [kept](Self::keep).
#[derive(Default)]
pub(super) struct Rollback {
    /// A blob replaced a broken one. It stays, because an image may refer to it.
    replaced: bool,
    names: Vec<(Arc<OutputDir>, String, AtFlags)>,
}

impl Rollback {
    /// Opens the directory `name` in `parent`, creating it if need be. Its name is on the disk then.
    pub(super) fn directory(&mut self, parent: &Arc<OutputDir>, name: &str) -> Result<Arc<OutputDir>> {
        let path = parent.path().join(name);
        let is_new = match rustix::fs::mkdirat(parent.handle(), name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(Error::io("create directory", path, error)),
        };
        if is_new {
            self.names.push((Arc::clone(parent), name.to_owned(), AtFlags::REMOVEDIR));
        }
        let handle = rustix::fs::openat(parent.handle(), name, DIRECTORY, Mode::empty())
            .map_err(|error| Error::io("open", &path, error))?;
        let directory = Arc::new(parent.subdirectory(Arc::new(handle), name));
        if is_new {
            directory.set_own_permissions()?;
        }
        // Also a directory that another process made may have a name in memory only.
        parent.sync()?;
        Ok(directory)
    }

    /// Names a blob by its digest.
    pub(super) fn blob(&mut self, blobs: &Arc<OutputDir>, blob: SealedPart, cancel: &CancelToken) -> Result<()> {
        let name = blob.digest.to_string();
        match blob.file.publish(blobs, &blob.digest, &name, cancel)? {
            Naming::New => self.track_file(blobs, &name),
            Naming::Replaced => self.replaced = true,
            Naming::Found => {}
        }
        Ok(())
    }

    /// A file of this name was added.
    pub(super) fn track_file(&mut self, directory: &Arc<OutputDir>, name: &str) {
        self.names.push((Arc::clone(directory), name.to_owned(), AtFlags::empty()));
    }

    /// Whether nothing was added or replaced.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.replaced
    }

    /// Lets all names stay.
    pub(super) fn keep(mut self) {
        self.names.clear();
    }
}

impl Drop for Rollback {
    fn drop(&mut self) {
        for (directory, name, flags) in self.names.drain(..).rev() {
            let _ = rustix::fs::unlinkat(directory.handle(), &*name, flags);
        }
    }
}
