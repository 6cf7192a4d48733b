//! `cargo xtask …`: one file per task. Tasks call the other crates; they do not measure.

mod accept;
mod bench;
mod builds;
mod calibrate;
mod compare;
mod fixtures;
mod floor;
mod gate;
mod ground;
mod interop;
mod planted;
mod report;
mod rootfs;
mod study;
mod trees;

use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
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
    Accept(accept::Arguments),
    Bench(bench::Arguments),
    Calibrate(calibrate::Arguments),
    Compare(compare::Arguments),
    Fixtures(fixtures::Arguments),
    #[command(hide = true)]
    Floor(floor::Arguments),
    Gate(gate::Arguments),
    Interop(interop::Arguments),
    Planted(planted::Arguments),
    Report(report::Arguments),
    Rootfs(rootfs::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Accept(arguments) => accept::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Calibrate(arguments) => calibrate::run(&arguments),
        Task::Compare(arguments) => compare::run(&arguments),
        Task::Fixtures(arguments) => fixtures::run(&arguments),
        Task::Floor(arguments) => floor::run(&arguments),
        Task::Gate(arguments) => Ok(gate::run(&arguments)),
        Task::Interop(arguments) => interop::run(&arguments),
        Task::Planted(arguments) => planted::run(&arguments),
        Task::Report(arguments) => report::run(&arguments),
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

/// The top of the repository.
fn repository() -> &'static std::path::Path {
    std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The day, as records have it.
fn today() -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(harness::record::date(now))
}

/// Prints a line to standard output.
fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
