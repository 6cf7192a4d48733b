//! Wrong use that clap's definition of the arguments cannot express. It is reported as clap reports its own findings.

use std::fmt;
use std::process::ExitCode;

use clap::Command;
use clap::error::ErrorKind;

use crate::exit_code;
use crate::messages::format_error;

/// Arguments that cannot be used, or not together.
#[derive(Debug)]
pub(crate) struct WrongUse {
    kind: ErrorKind,
    message: String,
}

impl WrongUse {
    /// Two arguments, or an argument and where it is to be used, exclude each other.
    pub(crate) fn conflict(message: impl Into<String>) -> anyhow::Error {
        WrongUse { kind: ErrorKind::ArgumentConflict, message: message.into() }.into()
    }

    /// The value of an argument cannot be used.
    pub(crate) fn value(message: impl Into<String>) -> anyhow::Error {
        WrongUse { kind: ErrorKind::ValueValidation, message: message.into() }.into()
    }

    /// The wrong use that an error stands for, if it does; the library finds some, too.
    pub(crate) fn find(error: &anyhow::Error) -> Option<Self> {
        if let Some(library) = error.downcast_ref::<packer::Error>()
            && library.kind() == packer::ErrorKind::InvalidOptions
        {
            return Some(WrongUse { kind: ErrorKind::ArgumentConflict, message: format_error(error) });
        }
        error.downcast_ref().map(|WrongUse { kind, message }| WrongUse { kind: *kind, message: message.clone() })
    }

    /// Prints the message with the usage of a subcommand of `command`.
    pub(crate) fn report(self, mut command: Command, subcommand: &str) -> ExitCode {
        // Subcommands know their whole name, `onepass pack`, once the command is built.
        command.build();
        let mut command = command.find_subcommand(subcommand).cloned().unwrap_or(command);
        // Nothing is left to be done if even this cannot be written.
        let _ = command.error(self.kind, self.message).print();
        ExitCode::from(exit_code::WRONG_USE)
    }
}

impl fmt::Display for WrongUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for WrongUse {}
