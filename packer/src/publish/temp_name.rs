//! Temporary names, and the removal of those that dead processes left.
//!
//! A file with a temporary name is locked (`flock`) by the process that writes it. The kernel drops the lock when the process ends,
//! however it ends. So a file that can be locked belongs to no process and is removed. Where a filesystem has no locks, nothing is
//! removed.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RawDir};
use rustix::io::Errno;

const PREFIX: &str = ".onepass-";
const SUFFIX: &str = ".tmp";

/// Hexadecimal digits between them.
const DIGITS: usize = 16;

/// A temporary name in a directory. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct TempName {
    directory: Arc<OwnedFd>,
    pub(crate) name: String,
}

impl TempName {
    /// A name that nobody else uses: 64 random bits.
    pub(crate) fn new(directory: &Arc<OwnedFd>) -> Self {
        // Each `RandomState` has keys of its own.
        let random = RandomState::new().build_hasher().finish();
        TempName {
            directory: Arc::clone(directory),
            name: format!("{PREFIX}{random:0width$x}{SUFFIX}", width = DIGITS),
        }
    }
}

impl Drop for TempName {
    fn drop(&mut self) {
        // A file that was renamed to its final name is not there any more.
        let _ = rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty());
    }
}

/// A directory with a temporary name. Dropping it removes it with its tracked files, unless it is [kept](Self::keep).
#[derive(Debug)]
pub(crate) struct TempDirectory {
    parent: Arc<OwnedFd>,
    pub(crate) handle: Arc<OwnedFd>,
    pub(crate) name: String,
    /// The files in it.
    files: Vec<String>,
}

impl TempDirectory {
    /// A new one in `parent`, locked, mode 0700.
    pub(crate) fn create(parent: &Arc<OwnedFd>) -> rustix::io::Result<Self> {
        loop {
            let TempName { name, .. } = &TempName::new(parent);
            match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
                Ok(()) => {}
                Err(Errno::EXIST) => continue,
                Err(error) => return Err(error),
            }
            // A process that removes leftovers may have removed it meanwhile.
            match open_locked(parent, name) {
                Ok(Some(handle)) => {
                    let (parent, handle) = (Arc::clone(parent), Arc::new(handle));
                    return Ok(TempDirectory { parent, handle, name: name.clone(), files: Vec::new() });
                }
                Ok(None) => {}
                Err(error) => {
                    let _ = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
                    return Err(error);
                }
            }
        }
    }

    /// A file of this name was added to it.
    pub(crate) fn track(&mut self, file: String) {
        self.files.push(file);
    }

    /// Lets it stay, because it has its final name.
    pub(crate) fn keep(mut self) {
        self.name.clear();
    }

    /// Lets it stay, because it has its final name, and removes the directory that has the temporary one in exchange: `expected`, or one
    /// that took its place before. Files of the same names are removed, and no others.
    pub(crate) fn remove_exchanged(mut self, expected: &OwnedFd) -> rustix::io::Result<()> {
        let name = std::mem::take(&mut self.name);
        let remove =
            |handle: &OwnedFd| remove_directory(&self.parent, handle, &*name, self.files.iter().map(|file| &**file));
        match remove(expected) {
            Err(Errno::EXIST | Errno::NOTEMPTY) => {
                remove(&rustix::fs::openat(&self.parent, &*name, DIRECTORY, Mode::empty())?)
            }
            removed => removed,
        }
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = remove_directory(&self.parent, &self.handle, &*self.name, self.files.iter().map(|file| &**file));
        }
    }
}

/// Opens and locks the directory `name` in `parent`; `None` if it is gone.
fn open_locked(parent: &OwnedFd, name: &str) -> rustix::io::Result<Option<OwnedFd>> {
    let handle = match rustix::fs::openat(parent, name, DIRECTORY, Mode::empty()) {
        Ok(handle) => handle,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    lock(&handle);
    Ok(is_at(&handle, parent, name)?.then_some(handle))
}

/// How a directory is opened.
pub(crate) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Unlinks those of `files` that are inside `handle`, then removes the directory `name` in `parent`, which must be the same directory.
pub(crate) fn remove_directory<Name: rustix::path::Arg>(
    parent: &OwnedFd,
    handle: &OwnedFd,
    name: impl rustix::path::Arg,
    files: impl IntoIterator<Item = Name>,
) -> rustix::io::Result<()> {
    for file in files {
        match rustix::fs::unlinkat(handle, file, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// The names in a directory, but for `.` and `..`.
pub(crate) fn names(directory: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let listing = rustix::fs::openat(directory, c".", DIRECTORY, Mode::empty())?;
    let (mut names, mut buffer) = (Vec::new(), Vec::with_capacity(32 << 10));
    let mut entries = RawDir::new(listing, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        names.push(entry?.file_name().to_owned());
    }
    names.retain(|name| ![c".", c".."].contains(&&**name));
    Ok(names)
}

/// A new file with a temporary name in `directory`, locked, mode 0600.
pub(crate) fn create(directory: &Arc<OwnedFd>) -> rustix::io::Result<(File, TempName)> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    loop {
        let name = TempName::new(directory);
        match rustix::fs::openat(directory, &name.name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => {
                lock(&file);
                // A process that removes leftovers may have removed it meanwhile.
                if is_at(&file, directory, &name.name)? {
                    return Ok((file.into(), name));
                }
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Locks a file of this process. A failure does not matter: where there are no locks, nothing is removed.
pub(crate) fn lock(file: impl AsFd) {
    let _ = rustix::fs::flock(file, FlockOperation::LockExclusive);
}

/// Removes the temporary files and directories of dead processes. A failure to remove one is ignored.
pub(crate) fn sweep(directory: &OwnedFd) {
    for name in names(directory).unwrap_or_default() {
        if is_temporary(&name) {
            let _ = remove_if_dead(directory, &name);
        }
    }
}

fn remove_if_dead(directory: &OwnedFd, name: &CStr) -> rustix::io::Result<()> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let (file, is_directory) = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Err(Errno::ISDIR) => (rustix::fs::openat(directory, name, DIRECTORY, Mode::empty())?, true),
        file => (file?, false),
    };
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    // Between opening and locking it may have got its final name, and something else this one.
    match (is_at(&file, directory, name)?, is_directory) {
        (false, _) => Ok(()),
        (true, false) => rustix::fs::unlinkat(directory, name, AtFlags::empty()),
        (true, true) => remove_directory(directory, &file, name, names(&file)?),
    }
}

pub(crate) fn is_temporary(name: &CStr) -> bool {
    let digits = name.to_bytes().strip_prefix(PREFIX.as_bytes()).and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    digits.is_some_and(|digits| digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit))
}

/// Whether an open file is what `name` stands for.
fn is_at(file: impl AsFd, directory: &OwnedFd, name: impl rustix::path::Arg) -> rustix::io::Result<bool> {
    let open = rustix::fs::fstat(file)?;
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((open.st_dev, open.st_ino) == (named.st_dev, named.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, Arc<OwnedFd>) {
        let place = tempfile::tempdir().unwrap();
        let handle = Arc::new(File::open(place.path()).unwrap().into());
        (place, handle)
    }

    fn names(place: &tempfile::TempDir) -> usize {
        std::fs::read_dir(place.path()).unwrap().count()
    }

    #[test]
    fn what_a_dead_process_left_goes_and_what_a_live_one_writes_stays() {
        let (place, handle) = directory();
        let (file, name) = create(&handle).unwrap();
        sweep(&handle);
        assert_eq!(names(&place), 1, "the file of a live process was removed");
        // As if the process had been killed: the handle is closed and the name stays.
        drop(file);
        sweep(&handle);
        assert_eq!(names(&place), 0);
        drop(name);
    }

    #[test]
    fn directories_go_with_their_files_unless_they_are_in_use() {
        let (place, handle) = directory();
        let mut left = TempDirectory::create(&handle).unwrap();
        std::fs::write(place.path().join(&left.name).join("file"), "").unwrap();
        left.track("file".to_owned());
        sweep(&handle);
        assert_eq!(names(&place), 1, "the directory of a live process was removed");
        let other = place.path().join(".onepass-0123456789abcdef.tmp");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("file"), "").unwrap();
        sweep(&handle);
        assert!(!other.exists(), "what a dead process left stays");
        drop(left);
        assert_eq!(names(&place), 0);
    }

    #[test]
    fn nothing_else_is_touched() {
        let (place, handle) = directory();
        let others =
            [".onepass-1.tmp", ".onepass-0123456789abcdeg.tmp", "0123456789abcdef.tmp", ".onepass-0123456789abcdef"];
        for name in others {
            std::fs::write(place.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(others[0], place.path().join(".onepass-0123456789abcdef.tmp")).unwrap();
        // A pack's own directory holds files only.
        std::fs::create_dir_all(place.path().join(".onepass-0123456789abcde0.tmp/directory")).unwrap();
        sweep(&handle);
        assert_eq!(names(&place), others.len() + 2);
    }
}
