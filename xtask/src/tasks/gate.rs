//! `cargo xtask gate`: the requirements on every change. Exact quantities first, time last.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use harness::gate::calibration::Calibration;
use harness::gate::expected::Expected;
use harness::gate::gate_run::{BaseOrigin, BaseRevision, GateRun, SCHEMA, TimeGate, TimeMeasurement};
use harness::gate::time::{LIMIT, TimeTrial, TimedBuild};
use harness::gate::{ExactFindings, Finding};
use harness::inspect::Listing;
use harness::record::{Journal, SampleLog};
use harness::run::{Build, Processes};

use crate::builds::{self, Base};
use crate::cli::{ProgressLine, display_path, print, repository, today};
use crate::gate_trees::{self, Depth, GateTrees, TIMED, injecting, timed};

/// Check the requirements on every change: same bytes, disk, I/O, image sizes, memory, time
///
/// Builds the packer, and the base that its time is compared with. The base is the merge base with main; of main itself it
/// is the accepted revision in harness/expected.txt. Without a calibration of this class of machine, the gate on time only
/// warns. The timed runs take at most 8 minutes on two cores, all else four.
///
/// Exit codes: 0 everything holds; 1 an exact gate is broken, or a regression is confirmed; 2 something could not be
/// measured, as when the time was too short, or wrong use; 3 the times vary too much.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo xtask gate --base v0.1.0")]
pub(crate) struct Arguments {
    /// Compare the time with this revision [default: the merge base with main; on main, the accepted revision]
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Only the exact gates
    #[arg(long, conflicts_with = "base")]
    without_time: bool,
    /// Time only if a calibration lets it fail on this class of machine, and the packer differs from the base
    #[arg(long, conflicts_with = "without_time")]
    time_if_calibrated: bool,
    /// Inject this fault into the packer under test, to see a gate turn red
    #[arg(long, value_name = "FAULT", hide = true)]
    inject_fault: Option<String>,
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

/// The branch that changes go to.
const MAIN: &str = "main";

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let result = gate(arguments);
    result.unwrap_or_else(|error| {
        // The exit code says it as well if this line cannot be written.
        let _ = print(format!("NOT MEASURED: {error:#}"));
        ExitCode::from(2)
    })
}

fn gate(arguments: &Arguments) -> Result<ExitCode> {
    let expected = gate_trees::expected()?;
    let base = base(arguments, &expected);
    if arguments.base.is_some() {
        // Wrong use is said before anything is built.
        base.as_ref().map_err(|error| anyhow!("{error:#}"))?;
    }
    let onepass = match arguments.inject_fault {
        None => builds::release()?,
        Some(_) => builds::with_faults()?,
    };
    let trees = GateTrees::take(onepass, arguments.scratch.as_deref())?;
    let fault: Vec<&str> = arguments.inject_fault.iter().flat_map(|fault| injecting(fault)).collect();
    let mut run = planned(arguments, &trees)?;
    let results = arguments.results.clone().map_or_else(|| builds::target().map(|target| target.join("gate")), Ok)?;
    let mut journal = Journal::create(&results, &run.date, &run.topic)?;
    let directory = journal.directory().to_owned();
    run.save(&journal)?;
    let mut log = SampleLog::of(&mut journal);
    ExactFindings { findings: run.findings, sizes: run.sizes } =
        trees.exact(Depth::Whole, &fault, &expected, &mut log)?;
    run.findings.iter().try_for_each(|finding| print(finding.line()))?;
    let machine = run.environment.class();
    let calibration = calibration(&machine)?;
    let uncalibrated = arguments.time_if_calibrated && calibration.is_none();
    if uncalibrated {
        print("Time is skipped: no calibration lets it fail on this class of machine.")?;
    }
    if !arguments.without_time && !uncalibrated {
        let same = base.as_ref().is_ok_and(|base| builds::has_same_packer(&base.revision));
        if arguments.time_if_calibrated && same {
            print("Time is skipped: the packer is that of the base.")?;
        } else {
            let timing = base.and_then(|base| {
                let built = Base::build(&base.revision, trees.scratch())?;
                let (subject, TimedBuild { cases: timed, images }) = time(&trees, &fault, &built, run.seed, &mut log)?;
                print(images.line())?;
                take(&mut run.findings, images);
                run.base_build = Some(Build::of(&built.onepass).context("cannot read the build of the base")?);
                Ok(TimeMeasurement { subject, base, calibration, timed })
            });
            run.time = timing.map_or_else(|error| TimeGate::Failed(format!("{error:#}")), TimeGate::Measured);
        }
    }
    run.complete = true;
    run.save(&journal)?;
    print(run.time.line())?;
    print(format!("Record: {}", display_path(&directory)))?;
    print(run.verdict())?;
    Ok(ExitCode::from(run.conclusion().code()))
}

/// A run of which nothing is known yet.
fn planned(arguments: &Arguments, trees: &GateTrees) -> Result<GateRun> {
    Ok(GateRun {
        schema: SCHEMA,
        date: today()?,
        topic: "gate".into(),
        seed: arguments.seed,
        fault: arguments.inject_fault.clone(),
        environment: builds::environment(trees.places())?,
        findings: Vec::new(),
        sizes: Vec::new(),
        base_build: None,
        time: TimeGate::NotAsked,
        complete: false,
    })
}

/// The revision that the time is compared with.
fn base(arguments: &Arguments, expected: &Expected) -> Result<BaseRevision> {
    if let Some(revision) = &arguments.base {
        return Ok(BaseRevision { revision: builds::commit(revision)?, origin: BaseOrigin::Named });
    }
    if let Some(revision) = builds::merge_base(MAIN)? {
        return Ok(BaseRevision { revision, origin: BaseOrigin::MergeBase });
    }
    let accepted = expected.base().context("no revision is accepted yet: `cargo xtask accept --base` accepts one")?;
    Ok(BaseRevision { revision: builds::commit(accepted)?, origin: BaseOrigin::Accepted })
}

/// Adds a finding to that of the same gate.
fn take(findings: &mut [Finding], more: Finding) {
    if let Some(finding) = findings.iter_mut().find(|finding| finding.gate == more.gate) {
        *finding = finding.clone().and(more);
    }
}

/// Runs the gate on time; returns the tree's name, and what was found.
fn time(
    trees: &GateTrees,
    fault: &[&str],
    base: &Base,
    seed: u64,
    log: &mut SampleLog<'_>,
) -> Result<(String, TimedBuild)> {
    let (subject, mut new) = trees.tree(TIMED, fault)?;
    let tree = Listing::of_tree(&new.rootfs).context("cannot read the tree")?;
    let (rootfs, scratch) = (new.rootfs.clone(), new.scratch.clone());
    let mut base = Processes { onepass: base.onepass.clone(), rootfs, scratch, ..Processes::default() };
    let trial = TimeTrial {
        subject: &subject,
        tree: Some(&tree),
        cases: &timed(),
        candidate: ("new", &mut new),
        base: &mut base,
        seed,
        limit: LIMIT,
    };
    let timed = trial.run(log, &mut ProgressLine::new())?;
    Ok((subject, timed))
}

/// The record that lets the gate on time fail on a class of machine.
fn calibration(machine: &str) -> Result<Option<String>> {
    let newest = Calibration::newest(&repository().join("results"), machine)?;
    Ok(newest.filter(|(_, calibration)| calibration.permits()).map(|(name, _)| name))
}
