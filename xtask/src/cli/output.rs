//! Output of the tasks.

use std::fmt::Display;
use std::io::Write;

use anyhow::Result;

/// Prints a line to standard output.
pub(crate) fn print(line: impl Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// Prints the sentences of a report's verdict.
pub(crate) fn print_verdict(sentences: &[String]) -> Result<()> {
    sentences.iter().try_for_each(|sentence| print(format!("* {sentence}")))
}

/// Prints a line to standard error. The task goes on if that fails: the line is a remark, not a result.
pub(crate) fn warn(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
