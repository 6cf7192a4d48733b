//! The calibration of the gate on time for a class of machine, without which the gate must not fail there.
//!
//! The gate is run again and again as it is run for a change: on a build beside another of the same revision, which it must never call
//! slower, and in between on a build that wastes a fifth more time in one of its steps, which it must call slower. A calibration that was cut
//! short goes on where it stopped.

use std::fs;
use std::path::Path;
use std::time::Duration;

use fixtures::Random;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decision::Decision;
use super::paired_trial::{ROUNDS, TimedCase};
use super::time::{LIMIT, TimeTrial, TimedBuild};
use crate::error::{Error, Result};
use crate::plan::Case;
use crate::progress::Progress;
use crate::record::{Journal, Sample, SampleLog, read};
use crate::run::{Environment, Runner};

/// The version of the schema of `calibration.json`.
pub const SCHEMA: u32 = 2;

/// Decisions about a build beside itself that are needed; none may be "slower".
pub const SAME: usize = 40;

/// Decisions about the slowed build that are needed.
pub const SLOWED: usize = 10;

/// How many of ten slowed ones must be caught.
const CAUGHT: usize = 9;

/// `calibration.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The day it began.
    pub date: String,
    /// The end of the directory's name.
    pub topic: String,
    /// The machine and the tools. The calibration is valid for its class.
    pub environment: Environment,
    /// The tree.
    pub subject: String,
    /// The cases of the gate: each run of it decides about every one.
    pub cases: Vec<Case>,
    /// The faults that slow a step down. Runs on a slowed build take turns with them.
    pub faults: Vec<String>,
    /// The seed of every order.
    pub seed: u64,
    /// The planned runs of the gate: on the same build, on a slowed one.
    pub wanted: [usize; 2],
    /// The runs of the gate, in order.
    pub runs: Vec<CalibrationRun>,
    /// Whether the whole plan was run.
    pub complete: bool,
}

/// One run of the gate on a build of which the truth is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationRun {
    /// The fault that slows the build down; none if it is the base itself.
    pub fault: Option<String>,
    /// The revision that was built for both sides.
    pub revision: String,
    /// The measurements and the decisions of the gate.
    pub timed: Vec<TimedCase>,
}

/// The decisions about one kind of build, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not slower.
    pub passed: usize,
    /// Slower.
    pub slower: usize,
    /// Nothing.
    pub inconclusive: usize,
}

impl Counts {
    /// All decisions of the kind.
    #[must_use]
    pub fn all(self) -> usize {
        self.passed + self.slower + self.inconclusive
    }
}

/// A build of the revision that the calibration is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build<'a> {
    /// The base, built as the base of a change is.
    Base,
    /// The build under test, as it is for a change.
    Same,
    /// The build under test with a fault.
    Slowed(&'a str),
}

/// Gives a build.
pub type Builds<'a> = &'a mut dyn FnMut(Build<'_>) -> Box<dyn Runner>;

impl Calibration {
    /// Runs the gate as often as planned, on slowed builds among the others, and skips what [`Calibration::runs`] has already.
    /// Everything is in the journal as soon as it is there; `samples` is how many it has from before.
    ///
    /// # Errors
    ///
    /// If a run fails, or the record cannot be written.
    pub fn run(
        &mut self,
        revision: &str,
        builds: Builds<'_>,
        journal: &mut Journal,
        samples: usize,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        journal.replace("calibration.json", self)?;
        let mut log = SampleLog::after(journal, samples);
        let planned = self.planned();
        let all = planned.len();
        for (number, fault) in planned.into_iter().enumerate().skip(self.runs.len()) {
            let (called, build) =
                fault.as_deref().map_or(("same", Build::Same), |fault| ("slowed", Build::Slowed(fault)));
            let trial = TimeTrial {
                subject: &format!("{}{}", run_name(number), self.subject),
                tree: None,
                cases: &self.cases,
                candidate: (called, &mut *builds(build)),
                base: &mut *builds(Build::Base),
                seed: self.seed + ROUNDS * number as u64,
                limit: LIMIT,
            };
            let mut progress = Numbered { progress: &mut *progress, before: number, all };
            let TimedBuild { cases: timed, images } = trial.run(&mut log, &mut progress)?;
            if !images.verdict.holds() {
                return Err(Error::run("the gate", images.line()));
            }
            self.runs.push(CalibrationRun { fault, revision: revision.to_owned(), timed });
            log.journal().replace("calibration.json", self)?;
        }
        self.complete = true;
        log.journal().replace("calibration.json", self)
    }

    /// How many of the samples are of runs that came to their end. The samples of the run that was cut short are the last ones.
    #[must_use]
    pub fn finished_samples(&self, samples: &[Sample]) -> usize {
        let next = run_name(self.runs.len());
        samples.iter().take_while(|sample| !sample.case.starts_with(&next)).count()
    }

    /// The planned runs in order, by the fault of the build: each fault equally often.
    fn planned(&self) -> Vec<Option<String>> {
        let [same, slowed] = self.wanted;
        let faults = self.faults.iter().cycle().take(slowed).cloned().map(Some);
        let mut planned: Vec<Option<String>> = std::iter::repeat_n(None, same).chain(faults).collect();
        Random::new(self.seed).shuffle(&mut planned);
        planned
    }

    /// Reads a calibration from its directory.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is of another version.
    pub fn read(directory: &Path) -> Result<Self> {
        read(&directory.join("calibration.json"), SCHEMA)
    }

    /// The newest calibration of a class of machine below `results`, with the name of its directory. One of fewer
    /// decisions than are needed, that was cut short, or that was made from a changed tree, is none.
    ///
    /// # Errors
    ///
    /// If a record cannot be read.
    pub fn newest(results: &Path, machine: &str) -> Result<Option<(String, Self)>> {
        let listing = fs::read_dir(results).map_err(|error| Error::io("read directory", results, error))?;
        let mut newest: Option<(String, Self)> = None;
        for entry in listing {
            let entry = entry.map_err(|error| Error::io("read directory", results, error))?;
            // The directory of the schemas has no samples.
            if !["calibration.json", "samples.jsonl"].iter().all(|name| entry.path().join(name).is_file()) {
                continue;
            }
            let calibration = Calibration::read(&entry.path())?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let later = newest.as_ref().is_none_or(|(other, _)| order(other) < order(&name));
            let counts = calibration.is_enough() && !calibration.environment.is_dirty();
            if calibration.environment.class() == machine && counts && later {
                newest = Some((name, calibration));
            }
        }
        Ok(newest)
    }

    /// The decisions about builds without a fault, or with one.
    #[must_use]
    pub fn counts(&self, slowed: bool) -> Counts {
        self.counts_of(|run, _| run.fault.is_some() == slowed)
    }

    /// The selected decisions.
    #[must_use]
    pub fn counts_of(&self, wanted: impl Fn(&CalibrationRun, &TimedCase) -> bool) -> Counts {
        let mut counts = Counts::default();
        for run in &self.runs {
            for timed in run.timed.iter().filter(|timed| wanted(run, timed)) {
                match timed.ruling {
                    Decision::Passed => counts.passed += 1,
                    Decision::Slower => counts.slower += 1,
                    Decision::Inconclusive | Decision::OutOfTime => counts.inconclusive += 1,
                }
            }
        }
        counts
    }

    /// In how many runs a case was called slower, of all runs on builds without a fault, or with one. The cases of a run take turns and
    /// share its minutes, so runs are independent of each other, and decisions are not.
    #[must_use]
    pub fn runs_called_slower(&self, slowed: bool) -> [usize; 2] {
        let of_kind = self.runs.iter().filter(|run| run.fault.is_some() == slowed);
        let is_slower = |run: &&CalibrationRun| run.timed.iter().any(|timed| timed.ruling == Decision::Slower);
        [of_kind.clone().filter(is_slower).count(), of_kind.count()]
    }

    /// Whether so much was decided that something follows.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.complete && self.counts(false).all() >= SAME && self.counts(true).all() >= SLOWED
    }

    /// Whether the gate may fail on this class of machine.
    #[must_use]
    pub fn permits(&self) -> bool {
        let [same, slowed] = [false, true].map(|slowed| self.counts(slowed));
        // A gate that is never sure calls nothing slower, and shows nothing.
        let is_mostly_sure = same.passed * 2 >= same.all();
        self.is_enough() && same.slower == 0 && is_mostly_sure && slowed.slower * 10 >= slowed.all() * CAUGHT
    }
}

/// The beginning of the names of a run's samples.
fn run_name(number: usize) -> String {
    format!("run {}: ", number + 1)
}

/// Orders `2026-11-24-calibration`, `…-2`, `…-10` as they were made.
fn order(name: &str) -> (String, u64) {
    match name.rsplit_once('-') {
        Some((before, number)) if number.parse::<u64>().is_ok() => (before.to_owned(), number.parse().unwrap_or(0)),
        _ => (name.to_owned(), 1),
    }
}

/// Reports progress by runs of the gate.
struct Numbered<'a> {
    progress: &'a mut dyn Progress,
    before: usize,
    all: usize,
}

impl Progress for Numbered<'_> {
    fn update(&mut self, _: usize, _: usize, name: &str, left: Option<Duration>) {
        self.progress.update(self.before, self.all, name, left);
    }
}
