//! `cargo xtask gate`: the requirements on every change. Exact quantities first, time last.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use harness::gate::ExactFindings;
use harness::gate::calibration::Calibration;
use harness::gate::decision::PAIRS;
use harness::gate::expected::Expected;
use harness::gate::gate_run::{Against, GateRun, SCHEMA, TimeGate, TimeMeasurement};
use harness::gate::paired_trial::{BuildArms, PairedTrial, StrategyArms, TrialArms};
use harness::plan::Case;
use harness::record::{Journal, Label, SampleLog};
use harness::run::{Environment, Outcome, Processes};
use packer::Strategy;

use crate::builds::{self, Base};
use crate::cli::{ProgressLine, display_path, print, repository, today};
use crate::gate_trees::{self, Depth, GateTrees, TIMED, timed};

/// Check the requirements on every change: same bytes, disk, I/O, image sizes, memory, time
///
/// Builds the packer and takes at most 8 minutes on two cores. Without a calibration of this class of machine, the gate
/// on time only warns.
///
/// Exit codes: 0 everything holds; 1 an exact gate is broken, or a regression is confirmed; 2 something could not be
/// measured, or wrong use; 3 the times vary too much.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo xtask gate --base main")]
pub(crate) struct Arguments {
    /// Compare the time with this revision, which is built too, instead of with the accepted ratio to two passes
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Only the exact gates
    #[arg(long, conflicts_with = "base")]
    without_time: bool,
    /// Time only if a calibration lets it fail on this class of machine
    #[arg(long, conflicts_with = "without_time")]
    time_if_calibrated: bool,
    /// Seed of the order of the timed runs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Parent of the scratch directory, which needs 2 GB [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Parent of the record's directory [default: `gate` in cargo's target directory]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// The time limit of the whole run.
const LIMIT: Duration = Duration::from_secs(8 * 60);

/// The part of it that is reserved for the end.
const RESERVE: Duration = Duration::from_secs(10);

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let result = gate(arguments);
    result.unwrap_or_else(|error| {
        // The exit code says it as well if this line cannot be written.
        let _ = print(format!("NOT MEASURED: {error:#}"));
        ExitCode::from(2)
    })
}

fn gate(arguments: &Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    let trees = GateTrees::take(builds::release()?, arguments.scratch.as_deref())?;
    let base = arguments.base.as_ref().map(|revision| Base::build(revision, trees.scratch())).transpose()?;
    let expected = gate_trees::expected()?;
    let mut run = planned(arguments.seed, &trees)?;
    let results = arguments.results.clone().map_or_else(|| builds::target().map(|target| target.join("gate")), Ok)?;
    let mut journal = Journal::create(&results, &run.date, &run.topic)?;
    let directory = journal.directory().to_owned();
    run.save(&journal)?;
    let mut log = SampleLog::of(&mut journal);
    ExactFindings { findings: run.findings, sizes: run.sizes } = trees.exact(Depth::Whole, &[], &expected, &mut log)?;
    run.findings.iter().try_for_each(|finding| print(finding.line()))?;
    let machine = run.environment.class();
    let uncalibrated = arguments.time_if_calibrated && calibration(&machine)?.is_none();
    if uncalibrated {
        print("Time is skipped: no calibration lets it fail on this class of machine.")?;
    }
    if !arguments.without_time && !uncalibrated {
        let limit = LIMIT.saturating_sub(started.elapsed()).saturating_sub(RESERVE);
        let clock = Clock { base: base.as_ref(), expected: &expected, machine, limit };
        let timing = clock.time(&trees, run.seed, &mut log);
        run.time = timing.map_or_else(|error| TimeGate::Failed(format!("{error:#}")), TimeGate::Measured);
    }
    run.complete = true;
    run.save(&journal)?;
    print(run.time.line())?;
    print(format!("Record: {}", display_path(&directory)))?;
    print(run.verdict())?;
    Ok(ExitCode::from(run.conclusion().code()))
}

/// A run of which nothing is known yet.
fn planned(seed: u64, trees: &GateTrees) -> Result<GateRun> {
    Ok(GateRun {
        schema: SCHEMA,
        date: today()?,
        topic: "gate".into(),
        seed,
        environment: Environment::detect(trees.places())?,
        findings: Vec::new(),
        sizes: Vec::new(),
        time: TimeGate::NotAsked,
        complete: false,
    })
}

/// The reference of the times.
struct Clock<'a> {
    base: Option<&'a Base>,
    expected: &'a Expected,
    machine: String,
    limit: Duration,
}

impl Clock<'_> {
    /// Runs the gate on time.
    fn time(&self, trees: &GateTrees, seed: u64, log: &mut SampleLog<'_>) -> Result<TimeMeasurement> {
        let (subject, mut new) = trees.tree(TIMED, &[])?;
        let expected = |case: &Case| match self.base {
            Some(_) => Some(1.0),
            None => self.expected.ratio(&subject, &case.name(), &self.machine),
        };
        let cases = timed().map(|case| (case.clone(), expected(&case))).to_vec();
        let trial = PairedTrial { cases, pairs: PAIRS, seed, limit: self.limit };
        let mut note = |label: Label, outcome: &Outcome| {
            let case = format!("{subject}, {}", label.case);
            log.append(Label { case, ..label }, outcome)
        };
        let mut run = |arms: &mut dyn TrialArms| trial.run(arms, &mut note, &mut ProgressLine::new());
        let (timed, against) = match self.base {
            None => (run(&mut StrategyArms(&mut new))?, Against::TwoPass),
            Some(base) => {
                let (rootfs, scratch) = (new.rootfs.clone(), new.scratch.clone());
                let onepass = base.onepass.clone();
                let mut reference = Processes { onepass, rootfs, scratch, ..Processes::default() };
                let strategy = Strategy::SingleStream;
                let mut arms = BuildArms { candidate: &mut new, called: "new", reference: &mut reference, strategy };
                (run(&mut arms)?, Against::Base(base.revision.clone()))
            }
        };
        Ok(TimeMeasurement { subject, against, calibration: calibration(&self.machine)?, timed })
    }
}

/// The record that lets the gate on time fail on a class of machine.
fn calibration(machine: &str) -> Result<Option<String>> {
    let newest = Calibration::newest(&repository().join("results"), machine)?;
    Ok(newest.filter(|(_, calibration)| calibration.permits()).map(|(name, _)| name))
}
