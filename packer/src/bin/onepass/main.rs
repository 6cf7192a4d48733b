//! The command `onepass`: the library, with arguments, signals and a terminal.

mod args;
mod closed_streams;
mod diff;
mod documents;
mod dry_run;
mod examples;
mod exit_code;
mod fakeroot;
mod inherited;
mod inspect;
mod json_path;
mod messages;
mod pack;
mod progress;
mod record;
mod record_file;
mod signals;
mod stdout;
mod verify;
mod wrong_use;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use packer::ErrorKind;

use args::{Arguments, Command};
use messages::{eprint_line, format_error};
use pack::Late;
use wrong_use::WrongUse;

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    inherited::amend();
    match run(&command) {
        Ok(code) => code,
        Err(error) => report(&command, &error),
    }
}

fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Pack(arguments) => pack::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Completions(arguments) => documents::completions(arguments),
        Command::Man(arguments) => documents::man(arguments),
    }
}

/// Prints an error; the exit code that it ends the command with.
fn report(command: &Command, error: &anyhow::Error) -> ExitCode {
    if let Some(wrong_use) = WrongUse::find(error) {
        return wrong_use.report(Arguments::command(), command.name());
    }
    // Nothing is left to be done if even this cannot be written.
    let _ = eprint_line(format!("onepass: {}", format_error(error)));
    if Late::is(error) {
        return ExitCode::from(exit_code::FAILED_LATE);
    }
    let is_answer = error.downcast_ref().map(packer::Error::kind) == Some(ErrorKind::Malformed);
    ExitCode::from(if command.answers() && !is_answer { exit_code::WRONG_USE } else { exit_code::FAILED })
}
