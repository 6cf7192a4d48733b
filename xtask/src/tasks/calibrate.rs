//! `cargo xtask calibrate`: whether the gate on time can be trusted on this class of machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use harness::gate::calibration::{Build, Calibration, SAME, SCHEMA, SLOWED};
use harness::record::{self, Journal};
use harness::report::CalibrationReport;
use harness::run::{Environment, Processes, Runner};

use crate::builds::{self, Base};
use crate::cli::{ProgressLine, display_path, print, print_verdict, repository, require_record, today, topic};
use crate::gate_trees::{GateTrees, SLOW_DOWNS, TIMED, injecting, timed};

/// Test the gate on time on this class of machine
///
/// Runs the gate on time again and again: on a build beside another of the same revision until 40 decisions are made, and in
/// between on builds that waste a fifth more time in one step until 10 are. The gate may fail on a class of machine – processor, number of
/// cores, filesystem – only if it never calls the same build slower there, and calls the slowed one slower nine times of ten.
/// Takes about an hour; run nothing else meanwhile. What was interrupted goes on with --resume. Exits with 1 if the gate must
/// not fail here.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo xtask calibrate --scratch /mnt/fast")]
pub(crate) struct Arguments {
    /// Runs of the gate on a build beside itself; each makes two decisions
    #[arg(long, value_name = "N", default_value_t = SAME / 2)]
    same: usize,
    /// Runs of the gate on a slowed build
    #[arg(long, value_name = "N", default_value_t = SLOWED / 2)]
    slowed: usize,
    /// Go on with this record, which was cut short on this class of machine
    #[arg(long, value_name = "RECORD", conflicts_with_all = ["same", "slowed", "seed", "results", "topic"])]
    resume: Option<PathBuf>,
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
    let slowed = builds::with_faults()?;
    let trees = GateTrees::take(builds::release()?, arguments.scratch.as_deref())?;
    let (subject, unchanged) = trees.tree(TIMED, &[])?;
    let environment = builds::environment(trees.places())?;
    ensure!(
        !environment.is_dirty(),
        "the tree is changed: commit the change, because the base is built from the revision"
    );
    let revision = environment.revision.clone();
    let (mut calibration, mut journal, samples) = match &arguments.resume {
        Some(record) => resumed(record, &environment)?,
        None => (planned(arguments, subject, environment)?, begin(arguments)?, 0),
    };
    // As for a change: the base is built from a checkout of its own.
    let base = Base::build(&revision, trees.scratch())?;
    let mut builds = |build: Build<'_>| {
        let Processes { onepass: same, rootfs, scratch, .. } = &unchanged;
        let (onepass, fault) = match build {
            Build::Base => (&base.onepass, None),
            Build::Same => (same, None),
            Build::Slowed(fault) => (&slowed, Some(fault)),
        };
        let options = fault.into_iter().flat_map(injecting).map(String::from).collect();
        let (onepass, rootfs, scratch) = (onepass.clone(), rootfs.clone(), scratch.clone());
        Box::new(Processes { onepass, rootfs, scratch, options, ..Processes::default() }) as Box<dyn Runner>
    };
    calibration.run(&revision, &mut builds, &mut journal, samples, &mut ProgressLine::new())?;
    let report = CalibrationReport::new(&calibration, &record::samples(journal.directory())?);
    report.write(journal.directory())?;
    print_verdict(&report.verdict)?;
    print(format!("Report: {}", display_path(&journal.directory().join("report.html"))))?;
    Ok(if calibration.permits() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn planned(arguments: &Arguments, subject: String, environment: Environment) -> Result<Calibration> {
    Ok(Calibration {
        schema: SCHEMA,
        date: today()?,
        topic: arguments.topic.clone(),
        environment,
        subject,
        cases: timed().to_vec(),
        faults: SLOW_DOWNS.map(String::from).to_vec(),
        seed: arguments.seed,
        wanted: [arguments.same, arguments.slowed],
        runs: Vec::new(),
        complete: false,
    })
}

fn begin(arguments: &Arguments) -> Result<Journal> {
    // The gate reads calibrations there, and nowhere else.
    let results = arguments.results.clone().unwrap_or_else(|| repository().join("results"));
    Ok(Journal::create(&results, &today()?, &arguments.topic)?)
}

/// A calibration that was cut short, with how many samples it has.
fn resumed(record: &Path, here: &Environment) -> Result<(Calibration, Journal, usize)> {
    require_record(record, &["calibration.json"])?;
    let calibration = Calibration::read(record)?;
    let class = calibration.environment.class();
    ensure!(class == here.class(), "`{}` was begun on {class}, and this is {}", record.display(), here.class());
    let samples = record::samples(record).context("cannot read its samples")?;
    let kept = calibration.finished_samples(&samples);
    Ok((calibration, Journal::resume(record, kept)?, kept))
}
