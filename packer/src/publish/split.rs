//! The split directory: two files that stand together or not at all, in a directory that gets its name once both are in it.

use std::ffi::CStr;
use std::sync::Arc;

use rustix::fs::{Mode, RenameFlags};
use rustix::io::Errno;

use crate::cancel::CancelToken;
use crate::codec::Compression;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Hasher};
use crate::publish::local_upload::SealedParts;
use crate::publish::output_dir::{ExistingFile, OutputDir};
use crate::publish::pending_file::PendingFile;
use crate::publish::temp_name::{self, DIRECTORY, TempDirectory};
use crate::sink::destination::{Committed, Destination, Outcome, Role, ScratchFile, Upload};

/// An image that becomes the directory `<fingerprint>.split`. The fingerprint is the sha256 of its files one behind the other.
#[derive(Debug)]
pub(crate) struct SplitDirectory {
    directory: Arc<OutputDir>,
    /// The files in their order.
    files: [(Role, String); 2],
    sealed: SealedParts,
}

impl SplitDirectory {
    pub(crate) fn new(directory: Arc<OutputDir>, rootfs: Compression) -> Self {
        let name = |what: &str, compression: Compression| format!("{what}{}", compression.extension());
        let files =
            [(Role::Metadata, name("metadata", rootfs.metadata_compression())), (Role::Rootfs, name("rootfs", rootfs))];
        SplitDirectory { directory, files, sealed: SealedParts::default() }
    }

    /// Gives the directory its name. A directory of that name that holds the same stays; the remains of a crash are replaced; anything
    /// else is an error.
    fn publish(&self, name: &str, fingerprint: &Fingerprint, cancel: &CancelToken) -> Result<Outcome> {
        let path = self.directory.path().join(name);
        let failed = |error: Errno| Error::io("publish", &path, error);
        let mut temporary = TempDirectory::create(self.directory.handle())
            .map_err(|error| Error::io("create a directory in", self.directory.path(), error))?;
        let inside = self.directory.subdirectory(Arc::clone(&temporary.handle), name);
        for (role, name) in &self.files {
            self.sealed.take(*role)?.file.publish(&inside, fingerprint, name, cancel)?;
            temporary.track(name.clone());
        }
        inside.set_own_permissions()?;
        inside.sync()?;
        cancel.check()?;
        match self.rename(&temporary, name) {
            Ok(()) => temporary.keep(),
            Err(Errno::EXIST | Errno::NOTEMPTY) => {
                let existing = self.existing(name)?;
                if let Some(files) = self.matching(&existing, fingerprint, cancel)? {
                    files.iter().try_for_each(ExistingFile::sync)?;
                    existing.sync()?;
                    self.directory.sync_published(&path)?;
                    return Ok(Outcome::AlreadyThere);
                }
                self.replace(temporary, name, &existing)?;
            }
            Err(error) => return Err(failed(error)),
        }
        self.directory.sync_published(&path)?;
        Ok(Outcome::Published)
    }

    /// Gives the directory a name that nothing has.
    fn rename(&self, temporary: &TempDirectory, name: &str) -> rustix::io::Result<()> {
        let handle = self.directory.handle();
        match rustix::fs::renameat_with(handle, &temporary.name, handle, name, RenameFlags::NOREPLACE) {
            // Without the flag a directory replaces only an empty one, which is just as well.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                rustix::fs::renameat_with(handle, &temporary.name, handle, name, RenameFlags::empty())
            }
            result => result,
        }
    }

    /// The directory that has the name.
    fn existing(&self, name: &str) -> Result<OutputDir> {
        let path = self.directory.path().join(name);
        match rustix::fs::openat(self.directory.handle(), name, DIRECTORY, Mode::empty()) {
            Ok(handle) => Ok(self.directory.subdirectory(Arc::new(handle), name)),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                Err(Error::output_exists(path, "stands where the image should, and is not a directory"))
            }
            Err(error) => Err(Error::io("open", path, error)),
        }
    }

    /// The files in a directory, if they hash to `fingerprint` one behind the other.
    fn matching(
        &self,
        existing: &OutputDir,
        fingerprint: &Fingerprint,
        cancel: &CancelToken,
    ) -> Result<Option<Vec<ExistingFile>>> {
        let (mut hasher, mut files) = (Hasher::default(), Vec::new());
        for (_, name) in &self.files {
            match existing.hash_file(name, hasher, cancel) {
                Ok((continued, file)) => {
                    hasher = continued;
                    files.push(file);
                }
                Err(error) if error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok((hasher.finish() == *fingerprint).then_some(files))
    }

    /// Replaces the remains of a crash, atomically where the filesystem can exchange two names.
    fn replace(&self, temporary: TempDirectory, name: &str, existing: &OutputDir) -> Result<()> {
        let failed = |error: Errno| Error::io("publish", existing.path(), error);
        let ours = |found: &CStr| self.files.iter().any(|(_, name)| name.as_bytes() == found.to_bytes());
        let found = temp_name::names(existing.handle()).map_err(failed)?;
        if !found.iter().all(|found| ours(found)) {
            return Err(Error::output_exists(
                existing.path(),
                "stands where the image should, and holds something else",
            ));
        }
        let handle = self.directory.handle();
        match rustix::fs::renameat_with(handle, &temporary.name, handle, name, RenameFlags::EXCHANGE) {
            // The remains now have the temporary name. If they cannot be removed, the next pack removes them.
            Ok(()) => drop(temp_name::remove_directory(handle, existing.handle(), &*temporary.name, &found)),
            // Remains are no image, so none is missing meanwhile.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                temp_name::remove_directory(handle, existing.handle(), name, &found).map_err(failed)?;
                self.rename(&temporary, name).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        temporary.keep();
        Ok(())
    }
}

impl Destination for SplitDirectory {
    fn begin(&self, role: Role) -> Result<Box<dyn Upload + '_>> {
        self.sealed.begin(&self.directory, role)
    }

    fn scratch_file(&self) -> Result<ScratchFile> {
        Ok(PendingFile::create(&self.directory)?.into_scratch())
    }

    fn commit(&self, fingerprint: &Fingerprint, cancel: &CancelToken) -> Result<Committed> {
        let name = format!("{fingerprint}.split");
        let outcome = self.publish(&name, fingerprint, cancel)?;
        Ok(Committed { outcome, path: Some(self.directory.path().join(name)) })
    }
}
