//! `cargo xtask …`: one file per task. Tasks call the other crates; they do not measure.

mod fixtures;
mod rootfs;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own tasks
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Fixtures(fixtures::Arguments),
    Rootfs(rootfs::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Fixtures(arguments) => fixtures::run(&arguments),
        Task::Rootfs(arguments) => rootfs::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to be done if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line to standard output.
fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
