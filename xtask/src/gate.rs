//! `cargo xtask gate`: what CI asks of every change. Exact quantities first, time last.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Args;
use fixtures::{Fixture, Profile};
use harness::cases::{self, Case};
use harness::environment::Environment;
use harness::gate::calibration::Calibration;
use harness::gate::contest::{Builds, Contest, Sides, Strategies};
use harness::gate::expected::Expected;
use harness::gate::record::{Against, GateRun, SCHEMA, Time, Timing};
use harness::gate::ruling::PAIRS;
use harness::gate::{Budget, Exact, Examined, Tree};
use harness::lease::Lease;
use harness::record::{self, Diary, Journal};
use harness::runner::{Label, Outcome, Processes};
use packer::Compression;

use crate::bench::{Line, shown};
use crate::builds::{self, Base};
use crate::{accept, repository, say, trees};

/// Check what must hold of every change: same bytes, disk, reading and writing, image sizes, memory; then time
///
/// Builds the packer and takes at most 8 minutes on two cores. Exits with 0 if everything holds, 1 if an exact gate is broken or a
/// regression was confirmed, 2 if something could not be measured, 3 if the times vary too much to say. The gate on time only
/// warns until it was calibrated on the same class of machine.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Compare the time with that of this revision, which is built too, instead of the accepted ratio to two passes
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Only what is exact
    #[arg(long, conflicts_with = "base")]
    without_time: bool,
    /// What the order of the timed runs is shuffled with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where images are written and removed; 2 GB [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Where the record goes [default: `gate` in cargo's target directory]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// What all of it may take.
const LIMIT: Duration = Duration::from_secs(8 * 60);

/// What is left of that for the end.
const RESERVE: Duration = Duration::from_secs(10);

/// The tree of the exact gates.
pub(crate) const EXACT: (Profile, &str) = (Profile::DebianBase, "0.4");

/// The tree of the further sizes.
pub(crate) const FURTHER: (Profile, &str) = (Profile::AlpineMini, "1");

/// The tree that is timed: one stream takes about two seconds with two threads.
pub(crate) const TIMED: (Profile, &str) = (Profile::DebianBase, "4");

/// A small input and a large one, 64 and 512 MiB.
const INPUTS: [(Profile, &str); 2] = [(Profile::OneBig, "0.125"), (Profile::OneBig, "1")];

/// How the further tree is compressed: levels from all over, of all codecs that are built in.
const LEVELS: [&str; 12] = [
    "none", "gzip:1", "gzip:5", "gzip:6", "gzip:9", "gzip:12", "zstd:1", "zstd:3", "zstd:9", "zstd:19", "xz:0", "xz:6",
];

/// What memory each compression may take with two threads, in MiB.
const BUDGETS: [(&str, u64); 3] = [("none", 64), ("gzip:5", 64), ("zstd:3", 128)];

/// Whoever made the trees, their images are the same.
const OPTIONS: &[&str] = &["--owner", "0:0"];

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let result = gate(arguments);
    result.unwrap_or_else(|error| {
        // Nobody is lost if this line cannot be written.
        let _ = say(format!("NOT MEASURED: {error:#}"));
        ExitCode::from(2)
    })
}

fn gate(arguments: &Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    let ground = Ground {
        onepass: builds::release()?,
        scratch: Lease::take(&arguments.scratch.clone().unwrap_or_else(std::env::temp_dir))?,
    };
    let base = arguments.base.as_ref().map(|revision| Base::build(revision, ground.scratch.path())).transpose()?;
    let expected = accept::expected()?;
    let mut run = planned(arguments.seed, &ground)?;
    let results = arguments.results.clone().map_or_else(|| builds::target().map(|target| target.join("gate")), Ok)?;
    let mut journal = Journal::create(&results, &run.date, &run.topic)?;
    let directory = journal.directory().to_owned();
    run.save(&journal)?;
    let mut diary = Diary::of(&mut journal);
    Examined { findings: run.findings, sizes: run.sizes } = ground.exact(&expected, &mut diary)?;
    run.findings.iter().try_for_each(|finding| say(finding.line()))?;
    if !arguments.without_time {
        let limit = LIMIT.saturating_sub(started.elapsed()).saturating_sub(RESERVE);
        let clock = Clock { base: base.as_ref(), expected: &expected, machine: run.environment.class(), limit };
        let timing = ground.time(&clock, run.seed, &mut diary);
        run.time = timing.map_or_else(|error| Time::Failed(format!("{error:#}")), Time::Measured);
    }
    run.complete = true;
    run.save(&journal)?;
    say(run.time.line())?;
    say(format!("Record: {}", shown(&directory)))?;
    say(run.verdict())?;
    Ok(ExitCode::from(run.conclusion().code()))
}

/// A run of which nothing is known yet.
fn planned(seed: u64, ground: &Ground) -> Result<GateRun> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(GateRun {
        schema: SCHEMA,
        date: record::date(now),
        topic: "gate".into(),
        seed,
        environment: Environment::look(ground.scratch.path(), repository()),
        findings: Vec::new(),
        sizes: Vec::new(),
        time: Time::NotAsked,
        complete: false,
    })
}

/// The cases that are timed: what most people run, on all cores, and another codec on one.
pub(crate) fn timed() -> [Case; 2] {
    [(Compression::GZIP, 2), (Compression::ZSTD, 1)]
        .map(|(compression, threads)| Case { compression: compression.to_string(), threads })
}

/// What is packed with, and where.
struct Ground {
    onepass: PathBuf,
    scratch: Lease,
}

/// What the times are compared with.
struct Clock<'a> {
    base: Option<&'a Base>,
    expected: &'a Expected,
    machine: String,
    limit: Duration,
}

impl Ground {
    /// Makes a tree; gives its name, and what packs it.
    fn tree(&self, (profile, scale): (Profile, &str), options: &'static [&'static str]) -> Result<(String, Processes)> {
        let fixture = Fixture::new(profile).scale(scale.parse()?);
        let name = fixture.to_string();
        let rootfs = self.scratch.path().join(name.replace(' ', "-"));
        trees::make(fixture, &rootfs)?;
        let onepass = self.onepass.clone();
        let (scratch, floor) = (self.scratch.path().to_owned(), PathBuf::new());
        Ok((name, Processes { onepass, rootfs, scratch, floor, options }))
    }

    /// Runs the exact gates.
    fn exact(&self, expected: &Expected, diary: &mut Diary<'_>) -> Result<Examined> {
        let mut trees = Vec::new();
        for tree in [EXACT, FURTHER].into_iter().chain(INPUTS) {
            trees.push(self.tree(tree, OPTIONS)?);
        }
        let mut trees =
            trees.iter_mut().map(|(name, runner)| Tree { name: name.clone(), rootfs: runner.rootfs.clone(), runner });
        let mut next = || trees.next().context("a gate has no tree");
        let exact = Exact {
            tree: next()?,
            cases: cases::of(&[Compression::None, Compression::GZIP, Compression::ZSTD], 2),
            further: next()?,
            compressions: LEVELS.map(String::from).to_vec(),
            inputs: [next()?, next()?],
            budgets: BUDGETS
                .map(|(compression, most)| Budget { compression: compression.into(), most: most << 20 })
                .to_vec(),
            expected,
        };
        Ok(exact.run(diary, &mut Line::new()))
    }

    /// Runs the gate on time.
    fn time(&self, clock: &Clock<'_>, seed: u64, diary: &mut Diary<'_>) -> Result<Timing> {
        let (subject, mut new) = self.tree(TIMED, &[])?;
        let expected = |case: &Case| match clock.base {
            Some(_) => Some(1.0),
            None => clock.expected.ratio(&subject, &case.name(), &clock.machine),
        };
        let cases = timed().map(|case| (case.clone(), expected(&case))).to_vec();
        let contest = Contest { cases, pairs: PAIRS, seed, limit: clock.limit };
        let mut note = |label: Label, outcome: &Outcome| {
            let case = format!("{subject}, {}", label.case);
            diary.note(Label { case, ..label }, outcome)
        };
        let mut run = |sides: &mut dyn Sides| contest.run(sides, &mut note, &mut Line::new());
        let (timed, against) = match clock.base {
            None => (run(&mut Strategies(&mut new))?, Against::TwoPass),
            Some(base) => {
                let (rootfs, scratch) = (new.rootfs.clone(), new.scratch.clone());
                let mut reference =
                    Processes { onepass: base.onepass.clone(), rootfs, scratch, floor: PathBuf::new(), options: &[] };
                let mut sides = Builds { subject: &mut new, called: "new", reference: &mut reference };
                (run(&mut sides)?, Against::Base(base.revision.clone()))
            }
        };
        let calibration = Calibration::newest(&repository().join("results"), &clock.machine)?;
        let calibration = calibration.filter(|(_, calibration)| calibration.permits()).map(|(name, _)| name);
        Ok(Timing { subject, against, calibration, timed })
    }
}
