//! Whether the gate on time can be trusted on a class of machine: tried there before it may block anything.
//!
//! A build is compared with itself, again and again: the gate must never call it slower. In between a build that was slowed by a
//! fifth is compared with it, and the gate must see that. Cases take turns, and so do the two ways of the gate: beside two passes
//! with a ratio that was accepted first, and beside one stream of another build.

use std::fs;
use std::path::Path;
use std::time::Duration;

use packer::Strategy;
use serde::{Deserialize, Serialize};

use super::decision::{Ruling, is_narrow};
use super::paired_trial::{Builds, Contest, ROUNDS, Timed};
use crate::error::{Error, Result};
use crate::plan::Case;
use crate::progress::Progress;
use crate::record::{Diary, Journal, Label, read};
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The day it began.
    pub date: String,
    /// The end of the directory's name.
    pub topic: String,
    /// The machine and the tools. Its class is what the calibration is for.
    pub environment: Environment,
    /// The tree.
    pub subject: String,
    /// What was packed, and how.
    pub cases: Vec<Case>,
    /// Pairs of a batch.
    pub pairs: usize,
    /// What everything was shuffled with.
    pub seed: u64,
    /// How many comparisons of each kind were asked for: the same build, the slowed one.
    pub wanted: [usize; 2],
    /// Of each case the ratio to two passes that was accepted before anything was compared.
    pub accepted: Vec<Timed>,
    /// What was compared, in that order.
    pub comparisons: Vec<Comparison>,
    /// Whether all that was asked for was run.
    pub complete: bool,
}

/// A comparison of two builds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What was compared.
    pub kind: Kind,
    /// What it was compared with.
    pub beside: Beside,
    /// What the gate saw.
    pub timed: Timed,
}

/// What is compared with a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The build itself.
    Same,
    /// One that takes a fifth longer.
    Slowed,
}

/// What one stream stands beside: the two ways in which the gate can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beside {
    /// Two passes; the ratio is compared with the accepted one.
    TwoPass,
    /// One stream of another build; nothing should have changed.
    Base,
}

impl Beside {
    /// Both.
    pub const ALL: [Beside; 2] = [Beside::TwoPass, Beside::Base];

    /// How the reference packs.
    fn strategy(self) -> Strategy {
        match self {
            Beside::TwoPass => Strategy::TwoPass,
            Beside::Base => Strategy::SingleStream,
        }
    }
}

impl Kind {
    /// Its name in samples.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Same => "same",
            Kind::Slowed => "slowed",
        }
    }
}

/// What packs in a calibration.
pub struct Subjects<'a> {
    /// The build, to be compared with.
    pub base: &'a mut dyn Runner,
    /// The same one.
    pub same: &'a mut dyn Runner,
    /// The slowed one.
    pub slowed: &'a mut dyn Runner,
}

/// How often the gate said what of one kind.
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
    pub fn run(&mut self, subjects: Subjects<'_>, journal: &mut Journal, audience: &mut dyn Progress) -> Result<()> {
        journal.replace("calibration.json", self)?;
        let mut notes = Diary::of(journal);
        let Subjects { base, same, slowed } = subjects;
        let trials = self.trials();
        let all = trials.len();
        self.accepted =
            self.accept(same, base, &mut notes, &mut Numbered { audience: &mut *audience, before: 0, all })?;
        for (number, Trial { kind, beside, case }) in trials.into_iter().enumerate() {
            let subject = match kind {
                Kind::Same => &mut *same,
                Kind::Slowed => &mut *slowed,
            };
            let mut builds =
                Builds { subject, called: kind.name(), reference: &mut *base, strategy: beside.strategy() };
            let expected = match beside {
                Beside::TwoPass => self.accepted[case].ratio.filter(is_narrow).map(|ratio| ratio.value),
                Beside::Base => Some(1.0),
            };
            // The first seeds are of what was accepted.
            let seed = self.seed + ROUNDS * (number as u64 + 1);
            let contest = self.contest(vec![(self.cases[case].clone(), expected)], seed);
            let mut note = |label: Label, outcome: &Outcome| {
                let case = format!("comparison {}: {}", number + 1, label.case);
                notes.note(Label { case, ..label }, outcome)
            };
            let mut told = Numbered { audience: &mut *audience, before: number, all };
            let timed = contest.run(&mut builds, &mut note, &mut told)?.into_iter().next();
            let timed = timed.ok_or_else(|| Error::run("a comparison", "it has no case"))?;
            self.comparisons.push(Comparison { kind, beside, timed });
            notes.journal().replace("calibration.json", self)?;
        }
        self.complete = true;
        notes.journal().replace("calibration.json", self)
    }

    /// What is to be compared, in which order: of each kind, all cases in both ways as often as each other.
    fn trials(&self) -> Vec<Trial> {
        let ways: Vec<(Beside, usize)> =
            (0..self.cases.len()).flat_map(|case| Beside::ALL.map(|beside| (beside, case))).collect();
        let of =
            |kind, wanted| ways.iter().cycle().take(wanted).map(move |&(beside, case)| Trial { kind, beside, case });
        let [same, slowed] = self.wanted;
        let mut trials: Vec<Trial> = of(Kind::Same, same).chain(of(Kind::Slowed, slowed)).collect();
        Random::new(self.seed).shuffle(&mut trials);
        trials
    }

    /// The ratios of one stream to two passes, measured as the gate does whose ratios are accepted.
    fn accept(
        &self,
        same: &mut dyn Runner,
        base: &mut dyn Runner,
        notes: &mut Diary<'_>,
        audience: &mut dyn Progress,
    ) -> Result<Vec<Timed>> {
        let cases = self.cases.iter().map(|case| (case.clone(), None)).collect();
        let mut builds =
            Builds { subject: same, called: Kind::Same.name(), reference: base, strategy: Strategy::TwoPass };
        let mut note = |label: Label, outcome: &Outcome| {
            let case = format!("accepted: {}", label.case);
            notes.note(Label { case, ..label }, outcome)
        };
        self.contest(cases, self.seed).run(&mut builds, &mut note, audience)
    }

    fn contest(&self, cases: Vec<(Case, Option<f64>)>, seed: u64) -> Contest {
        Contest { cases, pairs: self.pairs, seed, limit: Duration::MAX }
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

    /// What the gate said of one kind.
    #[must_use]
    pub fn counts(&self, kind: Kind) -> Counts {
        self.counts_of(|comparison| comparison.kind == kind)
    }

    /// What the gate said of some comparisons.
    #[must_use]
    pub fn counts_of(&self, wanted: impl Fn(&Comparison) -> bool) -> Counts {
        let mut counts = Counts::default();
        for comparison in self.comparisons.iter().filter(|comparison| wanted(comparison)) {
            match comparison.timed.ruling {
                Some(Ruling::Passed) => counts.passed += 1,
                Some(Ruling::Slower) => counts.slower += 1,
                Some(Ruling::Inconclusive) | None => counts.inconclusive += 1,
            }
        }
        counts
    }

    /// Whether so much was compared that something follows.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.complete && self.counts(Kind::Same).all() >= SAME && self.counts(Kind::Slowed).all() >= SLOWED
    }

    /// Whether the gate may fail on this class of machine.
    #[must_use]
    pub fn permits(&self) -> bool {
        let slowed = self.counts(Kind::Slowed);
        self.is_enough() && self.counts(Kind::Same).slower == 0 && slowed.slower * 10 >= slowed.all() * CAUGHT
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
    kind: Kind,
    beside: Beside,
    /// The number of the case.
    case: usize,
}

/// Tells an audience which comparison it is.
struct Numbered<'a> {
    audience: &'a mut dyn Progress,
    before: usize,
    all: usize,
}

impl Progress for Numbered<'_> {
    fn progress(&mut self, _: usize, _: usize, name: &str, left: Option<Duration>) {
        self.audience.progress(self.before, self.all, name, left);
    }
}
