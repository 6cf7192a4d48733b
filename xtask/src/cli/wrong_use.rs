//! Wrong use of a task that the parser of the command line cannot see.

use std::fmt;

/// Arguments that contradict each other or the disk. The exit code is 2.
#[derive(Debug)]
pub(crate) struct WrongUse(pub(crate) String);

impl fmt::Display for WrongUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUse {}
