//! `cargo xtask compare`: two recorded runs side by side.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use harness::record::Record;
use harness::report::{Agreement, RunComparison};

use crate::cli::print;

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
    /// Instead: whether two trees, a real one and a fixture, lead to the same conclusions. Exits with 1 if one differs
    #[arg(long)]
    conclusions: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (first, second) = (Record::read(&arguments.first)?, Record::read(&arguments.second)?);
    if arguments.conclusions {
        return conclusions(&first, &second);
    }
    let RunComparison { remarks, table } = RunComparison::new(&first, &second);
    print(table.text().trim_end())?;
    remarks.iter().try_for_each(print)?;
    Ok(ExitCode::SUCCESS)
}

fn conclusions(first: &Record, second: &Record) -> Result<ExitCode> {
    for (record, which) in [(first, "first"), (second, "second")] {
        if !record.run.complete {
            bail!("the {which} run did not come to its end, and has no conclusions");
        }
    }
    let found = Agreement::new(first, second);
    print(found.table.text().trim_end())?;
    found.remarks.iter().try_for_each(print)?;
    print(match (found.agree(), found.differ()) {
        (true, _) => "Both lead to the same conclusions.",
        (false, true) => "They do not lead to the same conclusions.",
        (false, false) => "No conclusion can be compared.",
    })?;
    Ok(if found.agree() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
