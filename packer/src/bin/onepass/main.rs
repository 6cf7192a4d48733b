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
            let kind = error.downcast_ref().map(packer::Error::kind);
            let is_answer = kind == Some(packer::ErrorKind::Malformed);
            if answers && !is_answer { ExitCode::from(TROUBLE) } else { ExitCode::FAILURE }
        }
    }
}

/// What commands exit with that answer a question, as `diff` and `cmp` do: 1 is an answer, 2 means that there is none.
const DIFFERENT: u8 = 1;
const TROUBLE: u8 = 2;

/// One line with the cause. The library's own `{:#}` prints causes in lower case and without the error number.
fn told(error: &anyhow::Error) -> String {
    error.downcast_ref::<packer::Error>().map_or_else(|| format!("{error:#}"), |error| format!("{error:#}"))
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
