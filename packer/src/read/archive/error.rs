//! What is wrong with an image, found where nobody knows which file it is in.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, escape_path};

/// Why something cannot be read as what it should be.
#[derive(Debug)]
pub(crate) enum Flaw {
    /// The system, or a decoder, gave an error.
    Io(io::Error),
    /// No reader could agree with it.
    Unsound(String),
    /// Other readers may know what to do with it. Begins with a verb: `holds …`.
    Beyond(String),
}

impl Flaw {
    /// The failure of the file at `path`.
    pub(crate) fn of(self, path: &Path) -> Error {
        match self {
            Flaw::Io(error) if error.raw_os_error().is_some() => Error::io("read", path, error),
            // A decoder says so of what it was given.
            Flaw::Io(error) => Error::image(path, error),
            Flaw::Unsound(what) => Error::image(path, what),
            Flaw::Beyond(what) => Error::unfit(path, what),
        }
    }

    /// The same, told of a part of the whole.
    pub(crate) fn within(self, part: &str) -> Self {
        match self {
            Flaw::Io(error) if error.raw_os_error().is_some() => Flaw::Io(error),
            Flaw::Io(error) => Flaw::Unsound(format!("{part}: {error}")),
            Flaw::Unsound(what) => Flaw::Unsound(format!("{part}: {what}")),
            Flaw::Beyond(what) => Flaw::Beyond(format!("{what} ({part})")),
        }
    }
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        Flaw::Io(error)
    }
}

/// The most of a name that a message has room for, in bytes.
const ROOM: usize = 400;

/// A name as it stands in messages. Of one that is longer than names are, the beginning.
pub(crate) fn quoted(name: &[u8]) -> String {
    let (kept, more) = if name.len() > ROOM { (&name[..ROOM], "…") } else { (name, "") };
    format!("`{}{more}`", escape_path(Path::new(OsStr::from_bytes(kept))))
}
