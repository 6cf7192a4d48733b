//! Studies: many points, each run a few times in shuffled rounds. A curve of the levels, or how cost grows with the work.
//!
//! A study compares points with each other by their medians. What two strategies cost is the bench's matter, with pairs.

mod points;

use std::path::Path;

use packer::Strategy;
use serde::{Deserialize, Serialize};

use crate::bench::{Audience, length};
use crate::cases::Case;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::peers::Maker;
use crate::record::{self, Journal, Role, Sample, Subject};
use crate::runner::{Label, Runner, Work};
use crate::schedule::{Step, schedule};
use crate::statistics;

pub use points::{CODECS, curve, scaling};

/// The version of the schema of `study.json`.
pub const SCHEMA: u32 = 1;

/// What a study is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Size against speed, over the levels of ours and of other tools.
    Curve,
    /// Cost against the size of the tree.
    Scaling,
}

/// `study.json`, and the samples that are kept beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Study {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What it is about.
    pub kind: Kind,
    /// The day it began, as `2026-11-24`.
    pub date: String,
    /// The end of the directory's name.
    pub topic: String,
    /// What was asked for, with `$ROOTFS` and the like for places; empty in records that are older than this field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// How often each point is run.
    pub rounds: usize,
    /// What the order is shuffled with.
    pub seed: u64,
    /// The machine and the tools.
    pub environment: Environment,
    /// The trees.
    pub subjects: Vec<Subject>,
    /// What is run, in the order of the tables.
    pub points: Vec<Point>,
    /// Whether all that was planned was run.
    pub complete: bool,
    /// What was run.
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

/// One thing that is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Its name in the samples; no other has it.
    pub name: String,
    /// The line that it is a part of.
    pub series: String,
    /// The number of its tree in [`Study::subjects`].
    pub subject: usize,
    /// What does it.
    pub tool: Tool,
}

/// What packs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// Ours, in one stream.
    Onepass(Case),
    /// What bash runs; `$ROOTFS` is the tree, `$OUT` the scratch directory.
    Script(String),
}

/// A point with its figures.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The point.
    pub point: &'a Point,
    /// Its tree.
    pub subject: &'a Subject,
    /// The median, the least and the most time in nanoseconds.
    pub wall: [f64; 3],
    /// The size of the image in bytes.
    pub size: u64,
    /// The most memory in bytes, if the tool says it.
    pub memory: Option<u64>,
}

impl Study {
    /// Runs all of it; `runners` has one for each tree. Every sample is in the journal as soon as it is there.
    ///
    /// # Errors
    ///
    /// If a run fails.
    pub fn run(
        &mut self,
        runners: &mut [impl Runner],
        journal: &mut Journal,
        audience: &mut dyn Audience,
    ) -> Result<()> {
        journal.replace("study.json", self)?;
        let plain = Case { compression: "none".into(), threads: self.environment.cores };
        let steps = schedule(0, 0, self.points.len(), self.rounds, self.seed);
        for (subject, runner) in runners.iter_mut().enumerate() {
            audience.progress(0, steps.len(), &format!("warming up {}", self.subjects[subject].name), None);
            let work = Work::Pack(&plain, Strategy::SingleStream);
            let outcome = runner.run(work)?;
            let tree = &mut self.subjects[subject];
            if let Some(pack) = &outcome.pack {
                // Without compression the fingerprint is the tar's own.
                (tree.tar_size, tree.entries, tree.diff_id) = (pack.tar_size, pack.entries, pack.fingerprint.clone());
            }
            let name = tree.name.clone();
            let label = Label { role: Role::Verify, case: name, arm: work.arm(), pair: 0 };
            self.keep(journal, outcome.sample(self.samples.len(), label))?;
        }
        journal.replace("study.json", self)?;
        let mut lengths = vec![None; self.points.len()];
        for (number, step) in steps.iter().enumerate() {
            let Step::Other { other, round } = *step else { continue };
            let point = self.points[other].clone();
            let left = steps[number..].iter().map(|step| match step {
                Step::Other { other, .. } => lengths[*other],
                Step::Arm { .. } => None,
            });
            audience.progress(number, steps.len(), &point.name, left.sum());
            let work = match &point.tool {
                Tool::Onepass(case) => Work::Pack(case, Strategy::SingleStream),
                Tool::Script(script) => Work::Peer { name: &point.name, script, maker: Maker::Pipeline },
            };
            let runner = runners.get_mut(point.subject).ok_or_else(|| Error::run(&point.name, "it has no tree"))?;
            let outcome = runner.run(work)?;
            lengths[other] = Some(length(&outcome));
            let label = Label { role: Role::Measure, case: point.name.clone(), arm: work.arm(), pair: round };
            self.keep(journal, outcome.sample(self.samples.len(), label))?;
        }
        self.complete = true;
        journal.replace("study.json", self)
    }

    fn keep(&mut self, journal: &mut Journal, sample: Sample) -> Result<()> {
        journal.add(&sample)?;
        self.samples.push(sample);
        Ok(())
    }

    /// Reads a study from its directory.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is of another version.
    pub fn read(directory: &Path) -> Result<Self> {
        let mut study: Study = record::read(&directory.join("study.json"), SCHEMA)?;
        study.samples = record::samples(directory)?;
        Ok(study)
    }

    /// The points that were run, in order.
    #[must_use]
    pub fn measured(&self) -> Vec<Measured<'_>> {
        let measured = |point| self.measure(point);
        self.points.iter().filter_map(measured).collect()
    }

    fn measure<'a>(&'a self, point: &'a Point) -> Option<Measured<'a>> {
        let of = || self.samples.iter().filter(|sample| sample.role == Role::Measure && sample.case == point.name);
        let walls: Vec<f64> = of().map(|sample| sample.wall_ns as f64).collect();
        let least = walls.iter().copied().fold(f64::MAX, f64::min);
        let most = walls.iter().copied().fold(0.0, f64::max);
        Some(Measured {
            point,
            subject: self.subjects.get(point.subject)?,
            wall: [statistics::median(&walls)?.value, least, most],
            size: of().map(|sample| sample.image_size).max()?,
            memory: of().filter_map(|sample| sample.memory.or_else(|| sample.pack.as_ref()?.vm_hwm)).max(),
        })
    }
}
