//! Where the record of `pack --json` goes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use packer::escape_path;

use crate::messages::print_line;
use crate::stdout::STANDARD_STREAM;

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

    pub(crate) fn write(&mut self, record: &str) -> Result<()> {
        match self {
            RecordOutput::None => Ok(()),
            RecordOutput::StandardOutput => print_line(record),
            RecordOutput::File(file) => file.write(record),
        }
    }
}

/// A file for the record. An earlier record in it stays until the new one is written; a new file goes with this value until then.
pub(crate) struct RecordFile {
    file: File,
    path: PathBuf,
    remove: bool,
}

impl RecordFile {
    fn open(path: &Path) -> Result<Self> {
        let (file, remove) = match OpenOptions::new().write(true).create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                (OpenOptions::new().write(true).create(true).truncate(false).open(path), false)
            }
            created => (created, true),
        };
        let file = file.with_context(|| format!("cannot create `{}` for the record", escape_path(path)))?;
        Ok(RecordFile { file, path: path.to_owned(), remove })
    }

    fn write(&mut self, record: &str) -> Result<()> {
        let written = self.empty().and_then(|()| writeln!(self.file, "{record}"));
        written.with_context(|| format!("cannot write the record to `{}`", escape_path(&self.path)))?;
        self.remove = false;
        Ok(())
    }

    /// Empties a regular file; pipes and devices have no length.
    fn empty(&self) -> io::Result<()> {
        if self.file.metadata()?.is_file() { self.file.set_len(0) } else { Ok(()) }
    }
}

impl Drop for RecordFile {
    fn drop(&mut self) {
        if self.remove {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
