//! Why an archive cannot be read: malformed or unsupported. The path of the file is added later.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, escape_path};
use crate::read::context::{Cancelled, is_cancelled};

/// Why bytes cannot be read as the archive or document that they should be, or are not read to the end.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The operating system or a decoder failed.
    Io(io::Error),
    /// A cancellation token ended the work.
    Cancelled,
    /// The input violates its format, or readers are known to disagree on it.
    Malformed(String),
    /// The input may be fine, but is not supported here. The text begins with a verb: `holds …`.
    Unsupported(String),
}

impl ReadError {
    /// The public error, about the file at `path`.
    pub(crate) fn at(self, path: &Path) -> Error {
        match self {
            ReadError::Io(error) if error.raw_os_error().is_some() => Error::io("read", path, error),
            // A decoder's error is about its input.
            ReadError::Io(error) => Error::image(path, error),
            ReadError::Cancelled => Error::cancelled(),
            ReadError::Malformed(what) => Error::image(path, what),
            ReadError::Unsupported(what) => Error::unfit(path, what),
        }
    }

    /// The same error with the name of the part that it is about.
    pub(crate) fn in_part(self, part: &str) -> Self {
        match self {
            ReadError::Io(error) if error.raw_os_error().is_some() => ReadError::Io(error),
            ReadError::Io(error) => ReadError::Malformed(format!("{part}: {error}")),
            ReadError::Cancelled => ReadError::Cancelled,
            ReadError::Malformed(what) => ReadError::Malformed(format!("{part}: {what}")),
            ReadError::Unsupported(what) => ReadError::Unsupported(format!("{what} ({part})")),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if is_cancelled(&error) { ReadError::Cancelled } else { ReadError::Io(error) }
    }
}

impl From<Cancelled> for ReadError {
    fn from(Cancelled: Cancelled) -> Self {
        ReadError::Cancelled
    }
}

/// Names in messages are cut to this many bytes.
const QUOTED_LIMIT: usize = 400;

/// A name as messages show it: escaped, between backquotes, cut if it is very long.
pub(crate) fn quoted(name: &[u8]) -> String {
    let (kept, more) = if name.len() > QUOTED_LIMIT { (&name[..QUOTED_LIMIT], "…") } else { (name, "") };
    format!("`{}{more}`", escape_path(Path::new(OsStr::from_bytes(kept))))
}
