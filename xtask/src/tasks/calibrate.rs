//! `cargo xtask calibrate`: whether the gate on time can be trusted on this class of machine.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use harness::gate::calibration::{Calibration, CalibrationBuilds, SAME, SCHEMA, SLOWED};
use harness::gate::decision::PAIRS;
use harness::record::{self, Journal};
use harness::report::CalibrationReport;
use harness::run::Environment;

use crate::builds;
use crate::cli::{ProgressLine, display_path, print, print_verdict, repository, results_or_default, today};
use crate::gate_trees::{GateTrees, SPIN, TIMED, timed};

/// Compare the packer with itself forty times, and ten times with one that takes a fifth longer
///
/// The gate on time may fail on a class of machine – the processor and the number of cores – only if it never called the same packer
/// slower there, and the slowed one nine times of ten. Cases take turns, as do both ways of the gate: beside two passes, and beside
/// another build. Takes up to two hours, in which nothing else should run. Exits with 1 if the gate is not to be trusted
/// here.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Comparisons with itself; fewer than 40 show nothing
    #[arg(long, value_name = "N", default_value_t = SAME)]
    same: usize,
    /// Comparisons with the slowed one; fewer than 10 show nothing
    #[arg(long, value_name = "N", default_value_t = SLOWED)]
    slowed: usize,
    /// What the order of everything is shuffled with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where images are written and removed; 1 GB [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Where the record goes [default: results]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// The end of the record's name
    #[arg(long, default_value = "calibration")]
    topic: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    // All arms are one binary: what differs is one option.
    let trees = GateTrees::take(builds::with_faults()?, arguments.scratch.as_deref())?;
    let (subject, mut base) = trees.tree(TIMED, &[])?;
    let [(_, mut same), (_, mut slowed)] = [trees.tree(TIMED, &[])?, trees.tree(TIMED, &SPIN)?];
    let date = today()?;
    let results = results_or_default(arguments.results.as_deref());
    let mut journal = Journal::create(&results, &date, &arguments.topic)?;
    let mut calibration = Calibration {
        schema: SCHEMA,
        date,
        topic: arguments.topic.clone(),
        environment: Environment::detect(trees.scratch(), repository()),
        subject,
        cases: timed().to_vec(),
        pairs: PAIRS,
        seed: arguments.seed,
        wanted: [arguments.same, arguments.slowed],
        accepted: Vec::new(),
        comparisons: Vec::new(),
        complete: false,
    };
    let subjects = CalibrationBuilds { base: &mut base, same: &mut same, slowed: &mut slowed };
    calibration.run(subjects, &mut journal, &mut ProgressLine::new())?;
    let report = CalibrationReport::new(&calibration, &record::samples(journal.directory())?);
    report.write(journal.directory())?;
    print_verdict(&report.verdict)?;
    print(format!("Report: {}", display_path(&journal.directory().join("report.html"))))?;
    Ok(if calibration.permits() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
