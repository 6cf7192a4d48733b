//! A program's version, as the program tells it.

use std::io;
use std::process::Stdio;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::sink::program::child_guard::ChildGuard;
use crate::sink::program::command::{command, not_started};
use crate::sink::program::pipe::listen;
use crate::sink::program::timings::ProgramTimings;

/// The first line that the program prints of its version.
pub(crate) fn version(name: &'static str, timings: &ProgramTimings, cancel: &CancelToken) -> Result<String> {
    let failed = |error: io::Error| Error::compressor(name, format!("cannot be asked for its version: {error}"));
    let (from, to) = io::pipe().map_err(failed)?;
    let mut command = command(name);
    // pigz before 2.7 and bzip2 print their version on standard error.
    command.arg("--version").stdin(Stdio::null()).stdout(to.try_clone().map_err(failed)?).stderr(to);
    let _child = ChildGuard::new(command.spawn().map_err(|error| not_started(name, &error))?);
    // It holds the writing ends.
    drop(command);
    rustix::io::ioctl_fionbio(&from, true).map_err(|error| failed(error.into()))?;
    let text = listen(from, timings.turn, || if cancel.check().is_ok() { timings.patience } else { 0 });
    cancel.check()?;
    Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned())
}
