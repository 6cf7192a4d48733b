//! `cargo xtask compare`: two recorded runs side by side.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use harness::record::Record;
use harness::report::Compared;

use crate::say;

/// Compare two recorded runs, case by case
///
/// Says what cannot be compared, and why: another tree, another class of machine, a run that was cut short. Two runs of different days
/// are no pairs: to decide whether a change costs time, use `cargo xtask gate --base REV`.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// A directory with run.json, as below results/
    first: PathBuf,
    /// The one that is compared with it
    second: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Compared { remarks, table } =
        Compared::new(&Record::read(&arguments.first)?, &Record::read(&arguments.second)?);
    say(table.text().trim_end())?;
    remarks.iter().try_for_each(say)?;
    Ok(ExitCode::SUCCESS)
}
