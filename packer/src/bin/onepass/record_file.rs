//! Where the record of `pack --json` goes.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use packer::escape_path;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::messages::print_line;
use crate::stdout::STANDARD_STREAM;

/// The most symbolic links that are followed to a file, as in Linux.
const MAX_LINKS: usize = 40;

/// Where the record goes.
pub(crate) enum RecordOutput {
    None,
    StandardOutput,
    File(RecordFile),
}

impl RecordOutput {
    /// Opens a file at once, so that a long pack does not fail for it at its end.
    pub(crate) fn open(json: Option<&Path>) -> Result<Self> {
        match json {
            None => Ok(RecordOutput::None),
            Some(path) if path == Path::new(STANDARD_STREAM) => Ok(RecordOutput::StandardOutput),
            Some(path) => RecordFile::open(path).map(RecordOutput::File),
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(self, RecordOutput::None)
    }

    /// The open file that the record is written to, and the directory that gets a new one.
    pub(crate) fn outputs(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            RecordOutput::None | RecordOutput::StandardOutput => Vec::new(),
            RecordOutput::File(RecordFile { target: Target::Write(file), .. }) => vec![file.as_fd()],
            RecordOutput::File(RecordFile { target: Target::Replace { file, directory, .. }, .. }) => {
                file.iter().map(AsFd::as_fd).chain([directory.as_fd()]).collect()
            }
        }
    }

    pub(crate) fn write(&self, record: &str) -> Result<()> {
        match self {
            RecordOutput::None => Ok(()),
            RecordOutput::StandardOutput => print_line(record),
            RecordOutput::File(file) => file.write(record),
        }
    }
}

/// A file for the record. An earlier record in it stays until the new one is complete.
pub(crate) struct RecordFile {
    /// As the caller gave it; for messages.
    path: PathBuf,
    target: Target,
}

enum Target {
    /// A regular file, or nothing yet: a complete file is renamed over it. What nothing can be renamed over, such as a mount point, is
    /// written to.
    Replace {
        path: PathBuf,
        file: Option<File>,
        /// The directory that it is in.
        directory: OwnedFd,
    },
    /// A pipe, a device, an inherited handle (`/dev/fd/3`), or a file in a directory that cannot be written to.
    Write(File),
}

impl RecordFile {
    fn open(path: &Path) -> Result<Self> {
        let target =
            Target::find(path).with_context(|| format!("cannot create `{}` for the record", escape_path(path)))?;
        Ok(RecordFile { path: path.to_owned(), target })
    }

    fn write(&self, record: &str) -> Result<()> {
        let written = match &self.target {
            Target::Replace { path, file, .. } => replace(path, record).or_else(|error| match file {
                Some(file) if error.raw_os_error().is_some_and(|code| NOT_REPLACEABLE.contains(&code)) => {
                    overwrite(file, record)
                }
                _ => Err(error),
            }),
            Target::Write(file) => overwrite(file, record),
        };
        written.with_context(|| format!("cannot write the record to `{}`", escape_path(&self.path)))
    }
}

impl Target {
    fn find(path: &Path) -> io::Result<Self> {
        let open = || OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let Some(real) = replaceable(path) else { return open().map(Target::Write) };
        let exists = real.symlink_metadata().is_ok();
        // Nobody may replace what they must not write to.
        let file = if exists { Some(open()?) } else { None };
        match (TemporaryFile::create(&real), file) {
            (Ok(_), file) => directory_of(&real).map(|directory| Target::Replace { path: real, file, directory }),
            (Err(_), Some(file)) => Ok(Target::Write(file)),
            (Err(error), None) => Err(error),
        }
    }
}

/// The directory that a file is in, to be looked at.
fn directory_of(path: &Path) -> io::Result<OwnedFd> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    Ok(rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The path behind all symbolic links, if a regular file or nothing is there. None for an inherited handle: its holder reads from
/// the file that is open. None for the name of a directory, which opening it refuses.
fn replaceable(path: &Path) -> Option<PathBuf> {
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return None;
    }
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = fs::canonicalize(parent).ok()?;
        if directory.starts_with("/proc") {
            return None;
        }
        path = directory.join(path.file_name()?);
        match path.symlink_metadata() {
            Ok(found) if found.is_symlink() => path = directory.join(fs::read_link(&path).ok()?),
            Ok(found) => return found.is_file().then_some(path),
            Err(error) => return (error.kind() == io::ErrorKind::NotFound).then_some(path),
        }
    }
    None
}

/// Writes a file beside `path` and renames it to that. It has the permissions of the one that it replaces.
fn replace(path: &Path, record: &str) -> io::Result<()> {
    let temporary = TemporaryFile::create(path)?;
    if let Ok(found) = path.metadata() {
        temporary.file.set_permissions(found.permissions())?;
    }
    writeln!(&temporary.file, "{record}")?;
    // Without it, some filesystems have neither record after a power cut.
    temporary.file.sync_data()?;
    temporary.rename(path)
}

/// What rename says of a mount point, and of another user's file in a directory such as `/tmp`.
const NOT_REPLACEABLE: [i32; 3] =
    [Errno::BUSY.raw_os_error(), Errno::PERM.raw_os_error(), Errno::ACCESS.raw_os_error()];

fn overwrite(file: &File, record: &str) -> io::Result<()> {
    empty(file)?;
    writeln!(&*file, "{record}")
}

/// Empties a regular file; pipes and devices have no length.
fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}

/// A file that is removed with this value, unless it was renamed. It exists for a moment only, so a killed pack hardly ever leaves one.
struct TemporaryFile {
    file: File,
    /// Its name; none once it was renamed.
    path: Option<PathBuf>,
}

impl TemporaryFile {
    /// Creates one beside `path`.
    fn create(path: &Path) -> io::Result<Self> {
        loop {
            // Each `RandomState` has keys of its own. In containers all processes may have one number.
            let random = RandomState::new().build_hasher().finish();
            let path = path.with_file_name(format!(".onepass-record-{random:016x}.tmp"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(|file| TemporaryFile { file, path: Some(path) }),
            }
        }
    }

    fn rename(mut self, to: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs::rename(path, to)?;
        }
        // The name may be another process's by now.
        self.path = None;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = self.path.take().map(fs::remove_file);
    }
}
