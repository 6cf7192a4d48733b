//! `cargo xtask accept`: what the gates compare with from now on.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use harness::gate::Ratios;
use harness::gate::gate_run::GateRun;

use crate::cli::print;
use crate::gate_trees::{expected, expected_path};

/// Accept what a run of the gates has found – image sizes and ratios – as what is expected from now on
///
/// Writes harness/expected.txt and prints the rows that are others now. A ratio that was accepted before stays unless it is asked
/// for: a slower packer is not to be accepted by the way. A run that was cut short, or with a law that does not hold, is refused.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The directory that `cargo xtask gate` has named
    record: PathBuf,
    /// Take over the ratios of times, too, where others were accepted before
    #[arg(long)]
    ratios: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let run = GateRun::read(&arguments.record)?;
    let mut expected = expected()?;
    let ratios = if arguments.ratios { Ratios::All } else { Ratios::New };
    let changes = expected
        .accept(&run, ratios)
        .map_err(|why| anyhow!("{} is not accepted: {why}", arguments.record.display()))?;
    let path = expected_path();
    fs::write(&path, expected.to_string()).with_context(|| format!("cannot write `{}`", path.display()))?;
    changes.iter().try_for_each(print)?;
    print(if changes.is_empty() {
        "Nothing has changed."
    } else {
        "harness/expected.txt has changed: commit it with the reason."
    })?;
    Ok(ExitCode::SUCCESS)
}
