//! The record of a study: `study.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::read::{read, samples};
use super::run::PackedTree;
use super::sample::Sample;
use crate::error::Result;
use crate::plan::Point;
use crate::run::Environment;

/// The version of the schema of `study.json`.
pub const STUDY_SCHEMA: u32 = 1;

/// What a study is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StudyKind {
    /// Size against speed, over the levels of ours and of other tools.
    Curve,
    /// Cost against the size of the tree.
    Scaling,
}

/// `study.json`, and the samples that are kept beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Study {
    /// [`STUDY_SCHEMA`].
    pub schema: u32,
    /// What it is about.
    pub kind: StudyKind,
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
    pub subjects: Vec<PackedTree>,
    /// What is run, in the order of the tables.
    pub points: Vec<Point>,
    /// Whether all that was planned was run.
    pub complete: bool,
    /// What was run.
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

impl Study {
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
