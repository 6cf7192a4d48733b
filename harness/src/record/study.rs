//! The record of a study: `study.json`.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::read::{read, samples};
use super::run::{Check, PackedTree};
use super::sample::Sample;
use crate::error::Result;
use crate::plan::Point;
use crate::run::Environment;

/// The version of the schema of `study.json`.
pub const STUDY_SCHEMA: u32 = 1;

/// The question of a study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StudyKind {
    /// Size against speed, over the levels of ours and of other tools.
    Curve,
    /// Cost against the size of the tree.
    Scaling,
}

/// `study.json` and its samples.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Study {
    /// [`STUDY_SCHEMA`].
    pub schema: u32,
    /// The question.
    pub kind: StudyKind,
    /// The day it began, as `2026-11-24`.
    pub date: String,
    /// The end of the directory's name.
    pub topic: String,
    /// The command, with `$ROOTFS` and the like for paths; empty in older records.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// How often each point is run.
    pub rounds: usize,
    /// The seed of the order.
    pub seed: u64,
    /// The machine and the tools.
    pub environment: Environment,
    /// The trees.
    pub subjects: Vec<PackedTree>,
    /// The points, in the order of the tables.
    pub points: Vec<Point>,
    /// The laws that were checked, each of all points; none in older records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// Whether all that was planned was run.
    pub complete: bool,
    /// The samples.
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

impl Study {
    /// Whether it came to its end, and all that was checked holds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.complete && self.checks.iter().all(|check| check.holds)
    }

    /// Reads a study from its directory.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is of another version.
    pub fn read(directory: &Path) -> Result<Self> {
        let mut study: Study = read(&directory.join("study.json"), STUDY_SCHEMA)?;
        study.samples = samples(directory)?;
        Ok(study)
    }
}
