//! `cargo xtask compare`: two recorded runs side by side.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use harness::record::Record;
use harness::report::{Agreement, RunComparison};

use crate::cli::{WrongUse, display_path, print, require_record};

/// Compare two recorded runs, case by case
///
/// Reports the figures that cannot be compared, and why: another tree, another class of machine, an incomplete run.
/// A run from a tree with changes that no commit has is refused.
/// Runs of different days are not paired: to decide whether a change costs time, use `cargo xtask gate --base REV`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo xtask compare results/2026-11-26-debian results/2026-11-27-debian")]
pub(crate) struct Arguments {
    /// A directory with run.json, such as one below results/
    first: PathBuf,
    /// Another one
    second: PathBuf,
    /// Instead: check that two trees, a real one and a fixture, lead to the same conclusions; exit with 1 if one
    /// differs
    #[arg(long)]
    conclusions: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    for directory in [&arguments.first, &arguments.second] {
        require_record(directory, &["run.json"])?;
    }
    let (first, second) = (Record::read(&arguments.first)?, Record::read(&arguments.second)?);
    for (record, directory) in [(&first, &arguments.first), (&second, &arguments.second)] {
        let clean = record.run.environment.require_clean(display_path(directory));
        clean.map_err(|refusal| WrongUse(refusal.to_string()))?;
    }
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
            return Err(WrongUse(format!("the {which} run did not come to its end, and has no conclusions")).into());
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
