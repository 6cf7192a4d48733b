//! The calibration of the gate on time for a class of machine, without which the gate must not fail there.
//!
//! A build is compared with itself, again and again: the gate must never call it slower. In between it is compared with
//! a build that is slowed by a fifth, and the gate must see that. Cases take turns, and so do both modes of the
//! gate: against two passes with a ratio that was accepted first, and against one stream of another build.

use std::fs;
use std::path::Path;
use std::time::Duration;

use packer::Strategy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decision::{Decision, is_narrow};
use super::paired_trial::{BuildArms, PairedTrial, ROUNDS, TimedCase};
use crate::error::{Error, Result};
use crate::plan::Case;
use crate::progress::Progress;
use crate::record::{Journal, Label, SampleLog, read};
use crate::run::{Environment, Outcome, Runner};
use fixtures::Random;

/// The version of the schema of `calibration.json`.
pub const SCHEMA: u32 = 1;

/// Comparisons of a build with itself that are needed; none may be called slower.
pub const SAME: usize = 40;

/// Comparisons with the slowed build that are needed.
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
    /// The cases.
    pub cases: Vec<Case>,
    /// Pairs of a batch.
    pub pairs: usize,
    /// The seed of every order.
    pub seed: u64,
    /// The planned number of comparisons: with the same build, with the slowed one.
    pub wanted: [usize; 2],
    /// Of each case the ratio to two passes that was accepted before anything was compared.
    pub accepted: Vec<TimedCase>,
    /// The comparisons, in order.
    pub comparisons: Vec<BuildComparison>,
    /// Whether the whole plan was run.
    pub complete: bool,
}

/// A comparison of two builds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BuildComparison {
    /// The build under test.
    pub kind: TestedBuild,
    /// The reference.
    pub beside: ReferenceKind,
    /// The measurements and the decision of the gate.
    pub timed: TimedCase,
}

/// The build under test of a calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TestedBuild {
    /// The build itself.
    Same,
    /// One that takes a fifth longer.
    Slowed,
}

/// The reference of one stream: the two modes of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReferenceKind {
    /// Two passes; the ratio is compared with the accepted one.
    TwoPass,
    /// One stream of another build; nothing should have changed.
    Base,
}

impl ReferenceKind {
    /// Both.
    pub const ALL: [ReferenceKind; 2] = [ReferenceKind::TwoPass, ReferenceKind::Base];

    /// How the reference packs.
    fn strategy(self) -> Strategy {
        match self {
            ReferenceKind::TwoPass => Strategy::TwoPass,
            ReferenceKind::Base => Strategy::SingleStream,
        }
    }
}

impl TestedBuild {
    /// Its name in samples.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TestedBuild::Same => "same",
            TestedBuild::Slowed => "slowed",
        }
    }
}

/// The builds of a calibration.
pub struct CalibrationBuilds<'a> {
    /// The build, to be compared with.
    pub base: &'a mut dyn Runner,
    /// The same one.
    pub same: &'a mut dyn Runner,
    /// The slowed one.
    pub slowed: &'a mut dyn Runner,
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
    /// All comparisons of the kind.
    #[must_use]
    pub fn all(self) -> usize {
        self.passed + self.slower + self.inconclusive
    }
}

impl Calibration {
    /// Runs all comparisons, slowed ones among the others. Everything is in the journal as soon as it is there.
    ///
    /// # Errors
    ///
    /// If a run fails, or the record cannot be written.
    pub fn run(
        &mut self,
        subjects: CalibrationBuilds<'_>,
        journal: &mut Journal,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        journal.replace("calibration.json", self)?;
        let mut log = SampleLog::of(journal);
        let CalibrationBuilds { base, same, slowed } = subjects;
        let trials = self.trials();
        let all = trials.len();
        self.accepted =
            self.accept(same, base, &mut log, &mut Numbered { progress: &mut *progress, before: 0, all })?;
        for (number, Trial { kind, beside, case }) in trials.into_iter().enumerate() {
            let subject = match kind {
                TestedBuild::Same => &mut *same,
                TestedBuild::Slowed => &mut *slowed,
            };
            let mut builds = BuildArms {
                candidate: subject,
                called: kind.name(),
                reference: &mut *base,
                strategy: beside.strategy(),
            };
            let expected = match beside {
                ReferenceKind::TwoPass => self.accepted[case].ratio.filter(is_narrow).map(|ratio| ratio.value),
                ReferenceKind::Base => Some(1.0),
            };
            // The first seeds belong to the accepted ratios.
            let seed = self.seed + ROUNDS * (number as u64 + 1);
            let trial = self.trial(vec![(self.cases[case].clone(), expected)], seed);
            let mut note = |label: Label, outcome: &Outcome| {
                let case = format!("comparison {}: {}", number + 1, label.case);
                log.append(Label { case, ..label }, outcome)
            };
            let mut told = Numbered { progress: &mut *progress, before: number, all };
            let timed = trial.run(&mut builds, &mut note, &mut told)?.into_iter().next();
            let timed = timed.ok_or_else(|| Error::run("a comparison", "it has no case"))?;
            self.comparisons.push(BuildComparison { kind, beside, timed });
            log.journal().replace("calibration.json", self)?;
        }
        self.complete = true;
        log.journal().replace("calibration.json", self)
    }

    /// The planned comparisons in order: each build in all cases and both modes equally often.
    fn trials(&self) -> Vec<Trial> {
        let ways: Vec<(ReferenceKind, usize)> =
            (0..self.cases.len()).flat_map(|case| ReferenceKind::ALL.map(|beside| (beside, case))).collect();
        let of =
            |kind, wanted| ways.iter().cycle().take(wanted).map(move |&(beside, case)| Trial { kind, beside, case });
        let [same, slowed] = self.wanted;
        let mut trials: Vec<Trial> = of(TestedBuild::Same, same).chain(of(TestedBuild::Slowed, slowed)).collect();
        Random::new(self.seed).shuffle(&mut trials);
        trials
    }

    /// The ratios of one stream to two passes, measured as the gate does whose ratios are accepted.
    fn accept(
        &self,
        same: &mut dyn Runner,
        base: &mut dyn Runner,
        log: &mut SampleLog<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<TimedCase>> {
        let cases = self.cases.iter().map(|case| (case.clone(), None)).collect();
        let mut builds = BuildArms {
            candidate: same,
            called: TestedBuild::Same.name(),
            reference: base,
            strategy: Strategy::TwoPass,
        };
        let mut note = |label: Label, outcome: &Outcome| {
            let case = format!("accepted: {}", label.case);
            log.append(Label { case, ..label }, outcome)
        };
        self.trial(cases, self.seed).run(&mut builds, &mut note, progress)
    }

    fn trial(&self, cases: Vec<(Case, Option<f64>)>, seed: u64) -> PairedTrial {
        PairedTrial { cases, pairs: self.pairs, seed, limit: Duration::MAX }
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
    /// comparisons than are needed, or that was cut short, is none.
    ///
    /// # Errors
    ///
    /// If a record cannot be read.
    pub fn newest(results: &Path, machine: &str) -> Result<Option<(String, Self)>> {
        let listing = fs::read_dir(results).map_err(|error| Error::io("read directory", results, error))?;
        let mut newest: Option<(String, Self)> = None;
        for entry in listing {
            let entry = entry.map_err(|error| Error::io("read directory", results, error))?;
            if !entry.path().join("calibration.json").is_file() {
                continue;
            }
            let calibration = Calibration::read(&entry.path())?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let later = newest.as_ref().is_none_or(|(other, _)| order(other) < order(&name));
            if calibration.environment.class() == machine && calibration.is_enough() && later {
                newest = Some((name, calibration));
            }
        }
        Ok(newest)
    }

    /// The decisions about one kind of build.
    #[must_use]
    pub fn counts(&self, kind: TestedBuild) -> Counts {
        self.counts_of(|comparison| comparison.kind == kind)
    }

    /// The decisions about some comparisons.
    #[must_use]
    pub fn counts_of(&self, wanted: impl Fn(&BuildComparison) -> bool) -> Counts {
        let mut counts = Counts::default();
        for comparison in self.comparisons.iter().filter(|comparison| wanted(comparison)) {
            match comparison.timed.ruling {
                Some(Decision::Passed) => counts.passed += 1,
                Some(Decision::Slower) => counts.slower += 1,
                Some(Decision::Inconclusive) | None => counts.inconclusive += 1,
            }
        }
        counts
    }

    /// Whether so much was compared that something follows.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.complete
            && self.counts(TestedBuild::Same).all() >= SAME
            && self.counts(TestedBuild::Slowed).all() >= SLOWED
    }

    /// Whether the gate may fail on this class of machine.
    #[must_use]
    pub fn permits(&self) -> bool {
        let slowed = self.counts(TestedBuild::Slowed);
        self.is_enough() && self.counts(TestedBuild::Same).slower == 0 && slowed.slower * 10 >= slowed.all() * CAUGHT
    }
}

/// Orders `2026-11-24-calibration`, `…-2`, `…-10` as they were made.
fn order(name: &str) -> (String, u64) {
    match name.rsplit_once('-') {
        Some((before, number)) if number.parse::<u64>().is_ok() => (before.to_owned(), number.parse().unwrap_or(0)),
        _ => (name.to_owned(), 1),
    }
}

/// A comparison that is to be made.
#[derive(Clone, Copy, Debug)]
struct Trial {
    kind: TestedBuild,
    beside: ReferenceKind,
    /// The number of the case.
    case: usize,
}

/// Reports progress by comparisons.
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
