//! The command `onepass`: the library, with arguments, a clock and a terminal.

mod args;
mod completions;
mod diff;
mod inspect;
mod json_path;
mod pack;
mod progress;
mod record;
mod signals;
mod size;
mod stdout;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use args::{Arguments, Command};

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
        Command::Completions(arguments) => completions::completions(&arguments),
        Command::Man(arguments) => completions::man(&arguments),
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
