//! The record of a bench: `run.json`, and the samples beside it.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::comparison::StrategyComparison;
use super::peer::{PeerComparison, PeerRecord};
use super::read::{read, samples};
use super::sample::{SCHEMA, Sample};
use crate::error::Result;
use crate::plan::{Case, Suite};
use crate::run::Environment;

/// `run.json`: everything about a run but its samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The day it began, as `2026-11-24`.
    pub date: String,
    /// The topic: the end of the directory's name.
    pub topic: String,
    /// The suite.
    pub suite: Suite,
    /// The command, with `$ROOTFS` and the like for paths; empty in older records.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// Pairs for each case.
    pub pairs: usize,
    /// The seed of the schedule.
    pub seed: u64,
    /// The tree.
    pub subject: PackedTree,
    /// If it is a fixture: its figures beside those of the real tree; empty if they were not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub likeness: Vec<FidelityFigure>,
    /// The machine and the tools.
    pub environment: Environment,
    /// The comparisons, in order.
    pub cases: Vec<Case>,
    /// The peers, in order.
    pub peers: Vec<PeerRecord>,
    /// The invariants that were checked before anything was timed, and what was checked of the timed runs.
    pub checks: Vec<Check>,
    /// Whether all that was planned was run.
    pub complete: bool,
    /// The comparisons; empty until the run is complete.
    pub comparisons: Vec<StrategyComparison>,
    /// Ours beside each peer; empty until the run is complete, and in older records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peer_comparisons: Vec<PeerComparison>,
}

/// The tree that was packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackedTree {
    /// A fixture, such as `debian-base x1 seed 1`, or the user's name for their tree.
    pub name: String,
    /// Members of the archive.
    pub entries: u64,
    /// The size of the tar in bytes.
    pub tar_size: u64,
    /// The sha256 of the tar: equal for equal trees.
    pub diff_id: String,
    /// Whether a fixture is the tree that is locked for its name; `None` of other trees and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
}

/// A figure of a fixture beside that of a real tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FidelityFigure {
    /// The name, such as `elf-shared: ratio by gzip -6`.
    pub what: String,
    /// How it is in the real tree.
    pub real: String,
    /// How it is in the fixture.
    pub fixture: String,
    /// Whether they are as near as they are to be.
    pub near: bool,
}

/// Something that must hold whatever the speed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The law, as a sentence.
    pub law: String,
    /// Whether it held.
    pub holds: bool,
    /// The figures.
    pub detail: String,
}

/// A record that was read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The run.
    pub run: Run,
    /// Its samples, in order.
    pub samples: Vec<Sample>,
}

impl Run {
    /// Whether all that was planned was run, and every check holds, those after the timed runs included.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.complete && self.checks.iter().all(|check| check.holds)
    }
}

impl Record {
    /// Reads a directory below `results/`.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or is of a schema that is not known.
    pub fn read(directory: &Path) -> Result<Self> {
        let run = read(&directory.join("run.json"), SCHEMA)?;
        let samples = samples(directory)?;
        Ok(Record { run, samples })
    }
}
