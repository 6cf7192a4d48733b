//! A file that gets its name only once it is complete and on the disk.
//!
//! It has no name while it is written (`O_TMPFILE`; where the filesystem cannot do that, a [temporary](crate::publish::temp_name)
//! one), so a pack that ends early, however that comes about, leaves nothing behind. Then: permissions, fsync, link under the final name without
//! replacing anything, fsync of the directory.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Hasher};
use crate::publish::output_dir::OutputDir;
use crate::publish::temp_name::{self, TempName};
use crate::sink::destination::{Outcome, ScratchFile};

/// A file that has no final name yet. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct PendingFile {
    directory: Arc<OutputDir>,
    file: File,
    name: Option<TempName>,
}

impl PendingFile {
    /// Creates an empty file without a name, mode 0600.
    pub(crate) fn create(directory: &Arc<OutputDir>) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let (file, name) = match rustix::fs::openat(directory.handle(), c".", flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok((file.into(), None)),
            // The answers of filesystems without nameless files (NFS, FAT, old overlays), and of kernels without the flag.
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::ISDIR | Errno::NOSYS) => {
                temp_name::create(directory.handle()).map(|(file, name)| (file, Some(name)))
            }
            Err(error) => Err(error),
        }
        .map_err(|error| Error::io("create a file in", directory.path(), error))?;
        Ok(PendingFile { directory: Arc::clone(directory), file, name })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Turns it into a file that never gets a name. A temporary name that it has is removed at once.
    pub(crate) fn into_scratch(self) -> ScratchFile {
        ScratchFile { directory: self.directory().to_owned(), file: self.file }
    }

    /// The directory that it is in; for messages.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Gives the complete file its permissions, and brings everything to the disk.
    pub(crate) fn seal(&self) -> Result<()> {
        let permitted = self.directory.permissions().set_on_file(&self.file);
        permitted.map_err(|error| Error::io("set the permissions of the image in", self.directory(), error))?;
        retry_on_intr(|| rustix::fs::fsync(&self.file))
            .map_err(|error| Error::io("sync the image in", self.directory(), error))
    }

    /// Gives the sealed file its name in `to`, a directory of the same filesystem. A whole file that has the name already stays, and
    /// a broken one, which a crash left, is replaced; anything else of that name is an error. The content is on the disk then, also
    /// that of a file that stays; the name is not before the directory is [synced](OutputDir::sync).
    pub(crate) fn publish(
        self,
        to: &OutputDir,
        fingerprint: &Fingerprint,
        name: &str,
        cancel: &CancelToken,
    ) -> Result<Naming> {
        match self.link_new(to, name) {
            Ok(()) => Ok(Naming::New),
            Err(Errno::EXIST) => {
                let (hasher, existing) = to.hash_file(name, Hasher::default(), cancel)?;
                if hasher.finish() == *fingerprint {
                    existing.sync().map(|()| Naming::Found)
                } else {
                    self.replace(to, name).map(|()| Naming::Replaced)
                }
            }
            Err(error) => Err(Error::io("publish", to.path().join(name), error)),
        }
    }

    /// Gives the sealed file its name in `to` atomically, whatever file has the name.
    pub(crate) fn replace(&self, to: &OutputDir, name: &str) -> Result<()> {
        self.rename_over(to, name).map_err(|error| Error::io("publish", to.path().join(name), error))
    }

    /// Gives the file a name in `to` that nothing has.
    fn link_new(&self, to: &OutputDir, name: &str) -> rustix::io::Result<()> {
        let (from, to) = (self.directory.handle(), to.handle());
        let Some(temporary) = &self.name else { return self.link(to, name) };
        rename_new(from, &temporary.name, to, name)
    }

    /// Gives a file without a name one in `directory` that nothing has.
    fn link(&self, directory: &OwnedFd, name: &str) -> rustix::io::Result<()> {
        // By way of its handle. `AT_EMPTY_PATH` says so directly but wants a capability.
        let by_handle = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        match rustix::fs::linkat(rustix::fs::CWD, by_handle, directory, name, AtFlags::SYMLINK_FOLLOW) {
            Err(Errno::NOENT) => rustix::fs::linkat(&self.file, c"", directory, name, AtFlags::EMPTY_PATH),
            result => result,
        }
    }

    fn rename_over(&self, to: &OutputDir, name: &str) -> rustix::io::Result<()> {
        let from = self.directory.handle();
        let linked;
        let temporary = match &self.name {
            Some(temporary) => temporary,
            None => {
                // Locked before it has a name, so that no other process removes it as a leftover.
                temp_name::lock(&self.file);
                linked = TempName::new(from);
                self.link(from, &linked.name)?;
                &linked
            }
        };
        rustix::fs::renameat_with(from, &temporary.name, to.handle(), name, RenameFlags::empty())
    }
}

/// Gives a file with a temporary name one in `to` that nothing has. The filesystem decides at once whether something has it, where it
/// knows the flag of rename or hard links. Where it knows neither (exFAT over FUSE, mounted object stores), there is a look before the
/// rename, and what another process names between the two is replaced.
fn rename_new(from: &OwnedFd, temporary: &str, to: &OwnedFd, name: &str) -> rustix::io::Result<()> {
    match rustix::fs::renameat_with(from, temporary, to, name, RenameFlags::NOREPLACE) {
        // NFS, most filesystems over FUSE.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        result => return result,
    }
    match rustix::fs::linkat(from, temporary, to, name, AtFlags::empty()) {
        Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        result => return result,
    }
    match rustix::fs::statat(to, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => rustix::fs::renameat_with(from, temporary, to, name, RenameFlags::empty()),
        Err(error) => Err(error),
    }
}

/// How a file came by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Nothing had the name.
    New,
    /// The same file has it already, and stays.
    Found,
    /// A broken file had it, which a crash left.
    Replaced,
}

impl From<Naming> for Outcome {
    fn from(naming: Naming) -> Self {
        match naming {
            Naming::New | Naming::Replaced => Outcome::Published,
            Naming::Found => Outcome::AlreadyThere,
        }
    }
}
