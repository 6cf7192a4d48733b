//! The tasks: one file each.

mod accept;
mod bench;
mod calibrate;
mod compare;
mod fixtures;
mod floor;
mod gate;
mod interop;
mod launch;
mod planted;
mod report;
mod rootfs;
mod studies;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// A task and its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    Accept(accept::Arguments),
    Bench(bench::Arguments),
    Calibrate(calibrate::Arguments),
    Compare(compare::Arguments),
    Fixtures(fixtures::Arguments),
    #[command(hide = true)]
    Floor(floor::Arguments),
    Gate(gate::Arguments),
    Interop(interop::Arguments),
    #[command(hide = true)]
    Launch(launch::Arguments),
    Planted(planted::Arguments),
    Report(report::Arguments),
    Rootfs(rootfs::Arguments),
    Test(test::Arguments),
}

impl Task {
    /// Runs the task.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match self {
            Task::Accept(arguments) => accept::run(arguments),
            Task::Bench(arguments) => bench::run(arguments),
            Task::Calibrate(arguments) => calibrate::run(arguments),
            Task::Compare(arguments) => compare::run(arguments),
            Task::Fixtures(arguments) => fixtures::run(arguments),
            Task::Floor(arguments) => floor::run(arguments),
            Task::Gate(arguments) => Ok(gate::run(arguments)),
            Task::Interop(arguments) => interop::run(arguments),
            Task::Launch(arguments) => launch::run(arguments),
            Task::Planted(arguments) => planted::run(arguments),
            Task::Report(arguments) => report::run(arguments),
            Task::Rootfs(arguments) => rootfs::run(arguments),
            Task::Test(arguments) => test::run(arguments),
        }
    }
}
