//! The split directory: two files that stand together or not at all, in a directory that gets its name once both are in it.

use std::ffi::CString;
use std::os::fd::OwnedFd;
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
    exchange: Exchange,
}

/// Exchanges two names of a directory atomically. Not every filesystem can.
type Exchange = fn(&OwnedFd, &str, &str) -> rustix::io::Result<()>;

fn exchange(directory: &OwnedFd, one: &str, other: &str) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(directory, one, directory, other, RenameFlags::EXCHANGE)
}

impl SplitDirectory {
    pub(crate) fn new(directory: Arc<OutputDir>, rootfs: Compression) -> Self {
        let name = |what: &str, compression: Compression| format!("{what}{}", compression.extension());
        let files =
            [(Role::Metadata, name("metadata", rootfs.metadata_compression())), (Role::Rootfs, name("rootfs", rootfs))];
        SplitDirectory { directory, files, sealed: SealedParts::default(), exchange }
    }

    /// Gives the directory its name. A directory of that name that holds the same stays; the remains of a crash are replaced; anything
    /// else is an error.
    fn publish(&self, name: &str, fingerprint: &Fingerprint, cancel: &CancelToken) -> Result<Outcome> {
        let path = self.directory.path().join(name);
        let mut temporary = TempDirectory::create(self.directory.handle())
            .map_err(|error| Error::io("create a directory in", self.directory.path(), error))?;
        let inside = self.directory.subdirectory(Arc::clone(&temporary.handle), name);
        for (role, name) in &self.files {
            self.sealed.take(*role)?.file.publish(&inside, fingerprint, name, cancel)?;
            temporary.track(name.clone());
        }
        inside.set_own_permissions()?;
        inside.sync()?;
        let outcome = self.place(temporary, name, fingerprint, cancel)?;
        self.directory.sync_published(&path)?;
        Ok(outcome)
    }

    /// Gives the complete directory its name, or removes it if another has the name. Another pack may do the same meanwhile: whatever
    /// it leaves is looked at anew.
    fn place(
        &self,
        temporary: TempDirectory,
        name: &str,
        fingerprint: &Fingerprint,
        cancel: &CancelToken,
    ) -> Result<Outcome> {
        let failed = |error: Errno| Error::io("publish", self.directory.path().join(name), error);
        loop {
            cancel.check()?;
            match self.rename(&temporary, name) {
                Ok(()) => {
                    temporary.keep();
                    return Ok(Outcome::Published);
                }
                Err(Errno::EXIST | Errno::NOTEMPTY) => {}
                Err(error) => return Err(failed(error)),
            }
            let Some(existing) = self.existing(name)? else { continue };
            if let Some(files) = self.matching(&existing, fingerprint, cancel)? {
                files.iter().try_for_each(ExistingFile::sync)?;
                existing.sync()?;
                return Ok(Outcome::AlreadyThere);
            }
            let Some(remains) = self.remains(&existing)? else { continue };
            match (self.exchange)(self.directory.handle(), &temporary.name, name) {
                Ok(()) => {
                    // What cannot be removed has a temporary name now: the next pack removes it.
                    let _ = temporary.remove_exchanged(existing.handle());
                    return Ok(Outcome::Published);
                }
                // Another pack has removed the remains.
                Err(Errno::NOENT) => {}
                // Remains are no image, so none is missing meanwhile.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    match temp_name::remove_directory(self.directory.handle(), existing.handle(), name, &remains) {
                        // Another pack has removed them, or an image has the name now.
                        Ok(()) | Err(Errno::NOENT | Errno::EXIST | Errno::NOTEMPTY) => {}
                        Err(error) => return Err(failed(error)),
                    }
                }
                Err(error) => return Err(failed(error)),
            }
        }
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

    /// The directory that has the name; `None` if it is gone.
    fn existing(&self, name: &str) -> Result<Option<OutputDir>> {
        let path = self.directory.path().join(name);
        match rustix::fs::openat(self.directory.handle(), name, DIRECTORY, Mode::empty()) {
            Ok(handle) => Ok(Some(self.directory.subdirectory(Arc::new(handle), name))),
            Err(Errno::NOENT) => Ok(None),
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

    /// The names in a directory that is no whole image, and so what a crash left: those of an image's files, and no others. `None` if the
    /// directory is gone.
    fn remains(&self, existing: &OutputDir) -> Result<Option<Vec<CString>>> {
        let found = match temp_name::names(existing.handle()) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(Error::io("read", existing.path(), error)),
        };
        let is_ours = |found: &CString| self.files.iter().any(|(_, name)| name.as_bytes() == found.as_bytes());
        if found.iter().all(is_ours) {
            return Ok(Some(found));
        }
        Err(Error::output_exists(existing.path(), "stands where the image should, and holds something else"))
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::buffer::Buffer;
    use crate::publish::permissions::Permissions;

    const PARTS: [(Role, &[u8]); 2] = [(Role::Metadata, b"meta"), (Role::Rootfs, b"root")];

    fn sha256(bytes: &[u8]) -> Fingerprint {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// An image that is to be committed.
    fn sealed(directory: &Path, exchange: Exchange) -> SplitDirectory {
        let directory = OutputDir::open(directory, Permissions::from_file_mode(0o600)).unwrap();
        let destination = SplitDirectory { exchange, ..SplitDirectory::new(directory, Compression::None) };
        for (role, bytes) in PARTS {
            let mut piece = Buffer::default();
            piece.append(bytes);
            destination.upload(role, piece, &sha256(bytes)).unwrap();
        }
        destination
    }

    thread_local! {
        /// The pack that comes between, if it has not yet.
        static OTHER: RefCell<Option<SplitDirectory>> = const { RefCell::new(None) };
    }

    fn let_other_commit() {
        if let Some(other) = OTHER.take() {
            other.commit(&sha256(b"metaroot"), &CancelToken::NEVER).unwrap();
        }
    }

    /// Commits an image over the remains of a crash; another pack commits the same at question `at`, or else just before names are
    /// exchanged. False if there are no more questions.
    fn two_packs(exchanges: [Exchange; 2], at: usize) -> bool {
        let place = tempfile::tempdir().unwrap();
        let fingerprint = sha256(b"metaroot");
        let image = place.path().join(format!("{fingerprint}.split"));
        fs::create_dir(&image).unwrap();
        fs::write(image.join("metadata.tar"), "meta").unwrap();
        fs::write(image.join("rootfs.tar"), "ro").unwrap();
        let [one, other] = exchanges.map(|exchange| sealed(place.path(), exchange));
        OTHER.set(Some(other));
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let token = CancelToken::when(move || {
            if count.fetch_add(1, Ordering::SeqCst) == at {
                let_other_commit();
            }
            false
        });
        one.commit(&fingerprint, &token).unwrap_or_else(|error| panic!("question {at}: {error:#}"));
        let names: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(names, std::slice::from_ref(&image), "question {at}");
        for (name, bytes) in [("metadata.tar", PARTS[0].1), ("rootfs.tar", PARTS[1].1)] {
            assert_eq!(fs::read(image.join(name)).unwrap(), bytes, "question {at}");
        }
        asked.load(Ordering::SeqCst) > at
    }

    /// Each of two packs over the remains of a crash publishes its image or removes it.
    #[test]
    fn two_packs_over_remains_leave_one_image() {
        let late: Exchange = |directory, one, other| {
            let_other_commit();
            exchange(directory, one, other)
        };
        let unknown: Exchange = |_, _, _| {
            let_other_commit();
            Err(Errno::INVAL)
        };
        for exchanges in [[late, exchange], [unknown, unknown], [late, unknown], [unknown, exchange]] {
            let questions = (0..).take_while(|at| two_packs(exchanges, *at)).count();
            assert!(questions > 3, "{questions}");
        }
    }
}
