//! Errors of verifying, measuring and recording.

use std::io;
use std::path::{Path, PathBuf};

/// Why something could not be verified, measured or recorded.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Failure>);

/// The result of most functions here.
pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot {operation} `{}`: {source}", .path.display())]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("{what} failed: {cause}")]
    Run { what: String, cause: String },
    #[error("`{}` is no record: {cause}", .path.display())]
    Record { path: PathBuf, cause: String },
    #[error("`{record}` was made from a tree with changes that no commit has: make it again from a clean tree")]
    Dirty { record: String },
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Error(Box::new(Failure::Io { operation, path: path.as_ref().to_owned(), source: source.into() }))
    }

    /// A failed run.
    pub fn run(what: impl ToString, cause: impl ToString) -> Self {
        Error(Box::new(Failure::Run { what: what.to_string(), cause: cause.to_string() }))
    }

    pub(crate) fn dirty(record: impl ToString) -> Self {
        Error(Box::new(Failure::Dirty { record: record.to_string() }))
    }

    pub(crate) fn record(path: impl AsRef<Path>, cause: impl ToString) -> Self {
        Error(Box::new(Failure::Record { path: path.as_ref().to_owned(), cause: cause.to_string() }))
    }
}
