//! `cargo xtask accept`: accepts the results of a run of the gates.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use harness::gate::Accepted;
use harness::gate::gate_run::GateRun;

use crate::cli::{print, require_record};
use crate::gate_trees::{expected, expected_path};

/// Accept the image sizes of a run of the gates as the expected ones
///
/// Writes harness/expected.txt and prints the changed rows. With --base, the revision of the run becomes the one that the
/// time of main is compared with, and what it costs beside the base before is printed; without it that stays, so that small
/// losses add up in sight. A run that is incomplete, that breaks a gate other than sizes, or that was made from a changed
/// tree is refused.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo xtask accept target/gate/2026-11-28-gate")]
pub(crate) struct Arguments {
    /// The directory that `cargo xtask gate` printed
    record: PathBuf,
    /// Accept its speed as well: compare the time of main with this revision from now on
    #[arg(long)]
    base: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    require_record(&arguments.record, &["gate.json"])?;
    let run = GateRun::read(&arguments.record)?;
    let mut expected = expected()?;
    let accepted = if arguments.base { Accepted::SizesAndBase } else { Accepted::Sizes };
    let changes = expected
        .accept(&run, accepted)
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
