//! `onepass completions` and `onepass man`: generated from the same definition as the help.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::args::{Arguments, CompletionsArguments, ManArguments};
use crate::messages::print;

pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "onepass", &mut text);
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(arguments: &ManArguments) -> Result<ExitCode> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    // Subcommands know their whole name, `onepass pack`, once the command is built.
    command.build();
    let page = arguments.command.as_ref().and_then(|name| command.find_subcommand(name)).unwrap_or(&command).clone();
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).context("cannot write the page")?;
    print(text)?;
    Ok(ExitCode::SUCCESS)
}
