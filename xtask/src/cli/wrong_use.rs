//! Wrong use of a task, beyond what the parser of the command line sees.

use std::fmt;

/// Arguments that make no sense together, or with what is on the disk. The exit code is 2.
#[derive(Debug)]
pub(crate) struct WrongUse(pub(crate) String);

impl fmt::Display for WrongUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUse {}
