//! The command `onepass`: the library, with arguments, a clock and a terminal.

#[path = "command/arguments.rs"]
mod arguments;
#[path = "command/bytes.rs"]
mod bytes;
#[path = "command/documents.rs"]
mod documents;
#[path = "command/format.rs"]
mod format;
#[path = "command/pack.rs"]
mod pack;
#[path = "command/record.rs"]
mod record;
#[path = "command/signals.rs"]
mod signals;
#[path = "command/stream.rs"]
mod stream;
#[path = "command/watcher.rs"]
mod watcher;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use arguments::{Arguments, Command, VerifyArguments};

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to be done if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "onepass: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// The library's errors name their cause themselves; others have it behind them.
fn told(error: &anyhow::Error) -> String {
    error.downcast_ref::<packer::Error>().map_or_else(|| format!("{error:#}"), ToString::to_string)
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Pack(arguments) => pack::run(&arguments),
        Command::Verify(arguments) => verify(&arguments),
        Command::Completions(arguments) => documents::completions(&arguments),
        Command::Man(arguments) => documents::man(&arguments),
    }
}

fn verify(arguments: &VerifyArguments) -> Result<ExitCode> {
    let verified = packer::verify(&arguments.image)?;
    say(&format!(
        "{}: sound ({} bytes; {} entries in a tar of {} bytes, diffID sha256:{})",
        arguments.image.display(),
        verified.size,
        verified.entries,
        verified.tar_size,
        verified.diff_id
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// A line on standard output.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot write to standard output")
}

/// A line on standard error.
fn remark(line: &str) -> Result<()> {
    writeln!(std::io::stderr(), "{line}").context("cannot write to standard error")
}
