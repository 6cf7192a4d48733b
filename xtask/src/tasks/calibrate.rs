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
use crate::cli::{ProgressLine, display_path, print, print_verdict, repository, today, topic};
use crate::gate_trees::{GateTrees, SPIN, TIMED, timed};

/// Test the gate on time on this class of machine
///
/// Compares the packer with itself forty times, and ten times with one that takes a fifth longer. The gate on time may
/// fail on a class of machine – processor, number of cores, filesystem – only if it never calls the same packer slower
/// there, and calls the slowed one slower nine times of ten. Cases take turns, and so do both modes of the gate:
/// against two passes, and against another build. Takes up to two hours; run nothing else meanwhile. Exits with 1 if
/// the gate must not fail here.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo xtask calibrate --scratch /mnt/fast")]
pub(crate) struct Arguments {
    /// Comparisons with itself; at least 40 are needed
    #[arg(long, value_name = "N", default_value_t = SAME)]
    same: usize,
    /// Comparisons with the slowed packer; at least 10 are needed
    #[arg(long, value_name = "N", default_value_t = SLOWED)]
    slowed: usize,
    /// Seed of every order
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Parent of the scratch directory, which needs 1 GB [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Parent of the record's directory [default: results]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Name of the record, after the date
    #[arg(long, value_name = "NAME", default_value = "calibration", value_parser = topic)]
    topic: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    // All arms are one binary: only one option differs.
    let trees = GateTrees::take(builds::with_faults()?, arguments.scratch.as_deref())?;
    let (subject, mut base) = trees.tree(TIMED, &[])?;
    let [(_, mut same), (_, mut slowed)] = [trees.tree(TIMED, &[])?, trees.tree(TIMED, &SPIN)?];
    let date = today()?;
    // The gate reads calibrations there, and nowhere else.
    let results = arguments.results.clone().unwrap_or_else(|| repository().join("results"));
    let mut journal = Journal::create(&results, &date, &arguments.topic)?;
    let mut calibration = Calibration {
        schema: SCHEMA,
        date,
        topic: arguments.topic.clone(),
        environment: Environment::detect(trees.places())?,
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
