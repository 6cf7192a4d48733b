//! `cargo xtask …`: one file per task. Tasks call the other crates; they do not measure.

mod build_flags;
mod builds;
mod cli;
mod fidelity;
mod gate_trees;
mod tasks;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cli::WrongUse;
use tasks::Task;

/// Tasks of the onepass project: benches, gates, fixtures, reports
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    max_term_width = 100,
    after_help = "Exit codes: 0 success, 1 failure, 2 wrong use; `gate` has its own.\n\n\
                  Example:\n  cargo xtask bench --suite smoke    Check in a minute that everything works"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

fn main() -> ExitCode {
    Arguments::parse().task.run().unwrap_or_else(|error| {
        // There is no other place to report that standard error is closed.
        let _ = writeln!(std::io::stderr(), "xtask: {error:#}");
        if error.is::<WrongUse>() { ExitCode::from(2) } else { ExitCode::FAILURE }
    })
}
