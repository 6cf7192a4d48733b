//! `onepass completions` and `onepass man`: generated from the same definition as the help.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::args::{Arguments, CompletionsArguments, ManArguments};

pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "onepass", &mut text);
    write(&text)
}

pub(crate) fn man(arguments: &ManArguments) -> Result<ExitCode> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    // Subcommands know their whole name, `onepass pack`, once the command is built.
    command.build();
    let page = arguments.command.as_ref().and_then(|name| command.find_subcommand(name)).unwrap_or(&command).clone();
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).context("cannot write the page")?;
    write(&text)
}

fn write(text: &[u8]) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
