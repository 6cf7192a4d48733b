//! Errors that prevent checks.

use std::io;
use std::path::{Path, PathBuf};

/// The reason why checks could not be made. A failure of a client is no error: it is a
/// [`ClientResult`](crate::ClientResult).
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Failure>);

/// The result of most functions here.
pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot {operation} `{}`: {cause}", .path.display())]
    Io { operation: &'static str, path: PathBuf, cause: io::Error },
    #[error("{what} failed: {cause}")]
    Run { what: &'static str, cause: String },
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: impl AsRef<Path>, cause: io::Error) -> Self {
        Error(Box::new(Failure::Io { operation, path: path.as_ref().to_owned(), cause }))
    }

    pub(crate) fn run(what: &'static str, cause: impl ToString) -> Self {
        Error(Box::new(Failure::Run { what, cause: cause.to_string() }))
    }
}
