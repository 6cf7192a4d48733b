//! The command `onepass`: the library, with arguments, a clock and a terminal.

#[path = "command/arguments.rs"]
mod arguments;
#[path = "command/bytes.rs"]
mod bytes;
#[path = "command/diff.rs"]
mod diff;
#[path = "command/documents.rs"]
mod documents;
#[path = "command/format.rs"]
mod format;
#[path = "command/inspect.rs"]
mod inspect;
#[path = "command/json.rs"]
mod json;
#[path = "command/pack.rs"]
mod pack;
#[path = "command/reading.rs"]
mod reading;
#[path = "command/record.rs"]
mod record;
#[path = "command/signals.rs"]
mod signals;
#[path = "command/stream.rs"]
mod stream;
#[path = "command/verify.rs"]
mod verify;
#[path = "command/watcher.rs"]
mod watcher;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let answers = !matches!(command, Command::Pack(_));
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to be done if even this cannot be written.
            let _ = remark(&format!("onepass: {}", told(&error)));
            let is_answer = error.downcast_ref().is_some_and(packer::Error::is_unsound);
            if answers && !is_answer { ExitCode::from(TROUBLE) } else { ExitCode::FAILURE }
        }
    }
}

/// What commands exit with that answer a question, as `diff` and `cmp` do: 1 is an answer, 2 means that there is none.
const DIFFERENT: u8 = 1;
const TROUBLE: u8 = 2;

/// The library's errors name their cause themselves; others have it behind them.
fn told(error: &anyhow::Error) -> String {
    error.downcast_ref::<packer::Error>().map_or_else(|| format!("{error:#}"), ToString::to_string)
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Pack(arguments) => pack::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Completions(arguments) => documents::completions(&arguments),
        Command::Man(arguments) => documents::man(&arguments),
    }
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
