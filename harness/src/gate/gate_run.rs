//! The record of a run of the gates, and its outcome.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decision::Decision;
use super::image_size::Size;
use super::paired_trial::TimedCase;
use super::time;
use crate::error::Result;
use crate::record::{Journal, read};
use crate::run::{Build, Environment};
use crate::verify::{Finding, GateVerdict};

/// The version of the schema of `gate.json`.
pub const SCHEMA: u32 = 2;

/// `gate.json`: a run of the gates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateRun {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The day it began, as `2026-11-24`.
    pub date: String,
    /// The end of the directory's name.
    pub topic: String,
    /// The seed of the order of the timed runs.
    pub seed: u64,
    /// The fault that was injected to see a gate turn red. Nothing of such a run can be accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The machine and the tools.
    pub environment: Environment,
    /// The findings of the exact gates.
    pub findings: Vec<Finding>,
    /// The sizes of all images that can be accepted.
    pub sizes: Vec<Size>,
    /// The binary that the time was compared with; not in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_build: Option<Build>,
    /// The finding of the gate on time.
    pub time: TimeGate,
    /// Whether the whole plan was run.
    pub complete: bool,
}

/// The state of the gate on time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeGate {
    /// It was not requested.
    NotAsked,
    /// It could not be run; why.
    Failed(String),
    /// It was run.
    Measured(TimeMeasurement),
}

/// The timed cases, and their base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimeMeasurement {
    /// The tree.
    pub subject: String,
    /// The revision that one stream was compared with.
    pub base: BaseRevision,
    /// The record of a calibration that lets this gate fail on this class of machine. Without one it only warns.
    pub calibration: Option<String>,
    /// The cases.
    pub timed: Vec<TimedCase>,
}

/// The revision that a build is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaseRevision {
    /// Its full name.
    pub revision: String,
    /// Where it comes from.
    pub origin: BaseOrigin,
}

/// Where the base of a comparison comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BaseOrigin {
    /// The user named it.
    Named,
    /// It is the merge base with `main`.
    MergeBase,
    /// It is the accepted revision, the base of `main` itself.
    Accepted,
}

impl BaseOrigin {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            BaseOrigin::Named => "as named",
            BaseOrigin::MergeBase => "the merge base with main",
            BaseOrigin::Accepted => "the accepted revision",
        }
    }
}

/// The outcome of a run of the gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateOutcome {
    /// Everything holds.
    Passed,
    /// An exact gate is broken, or a regression was confirmed.
    Failed,
    /// Something could not be measured.
    NotMeasured,
    /// The times vary too much.
    Inconclusive,
}

impl GateOutcome {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            GateOutcome::Passed => 0,
            GateOutcome::Failed => 1,
            GateOutcome::NotMeasured => 2,
            GateOutcome::Inconclusive => 3,
        }
    }
}

impl GateRun {
    /// The outcome. A broken gate outweighs an unknown one.
    #[must_use]
    pub fn conclusion(&self) -> GateOutcome {
        let broken = self.findings.iter().any(|finding| matches!(finding.verdict, GateVerdict::Broken { .. }));
        let missing = self.findings.iter().any(|finding| matches!(finding.verdict, GateVerdict::NotMeasured(_)));
        match self.time.conclusion() {
            _ if broken => GateOutcome::Failed,
            GateOutcome::Failed => GateOutcome::Failed,
            _ if missing || !self.complete || self.findings.is_empty() => GateOutcome::NotMeasured,
            time => time,
        }
    }

    /// One line for each gate.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.findings.iter().map(Finding::line).chain([self.time.line()]).collect()
    }

    /// The last line.
    #[must_use]
    pub fn verdict(&self) -> String {
        let named = |wanted: fn(&GateVerdict) -> bool, time: bool| {
            let findings = self.findings.iter().filter(|finding| wanted(&finding.verdict));
            findings.map(|finding| finding.gate.name()).chain(time.then_some("T time")).collect::<Vec<_>>().join(", ")
        };
        let time = self.time.conclusion();
        match self.conclusion() {
            GateOutcome::Passed if time == GateOutcome::Passed && self.time.blocks() => "The gates PASS.".into(),
            GateOutcome::Passed => "The gates PASS; time is not judged.".into(),
            GateOutcome::Failed => {
                let broken = |verdict: &GateVerdict| matches!(verdict, GateVerdict::Broken { .. });
                format!("The gates FAIL: {}.", named(broken, time == GateOutcome::Failed))
            }
            GateOutcome::NotMeasured => {
                let missing = |verdict: &GateVerdict| matches!(verdict, GateVerdict::NotMeasured(_));
                format!("NOT MEASURED: {}.", named(missing, time == GateOutcome::NotMeasured))
            }
            GateOutcome::Inconclusive => {
                "INCONCLUSIVE: the times vary too much to be judged; everything else holds.".into()
            }
        }
    }

    /// Writes `gate.json` as it stands now.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save(&self, journal: &Journal) -> Result<()> {
        journal.replace("gate.json", self)
    }

    /// Reads the record of a run from its directory.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is of another version.
    pub fn read(directory: &Path) -> Result<Self> {
        read(&directory.join("gate.json"), SCHEMA)
    }
}

impl TimeGate {
    /// Whether the gate may fail: it was calibrated on this class of machine.
    fn blocks(&self) -> bool {
        matches!(self, TimeGate::Measured(TimeMeasurement { calibration: Some(_), .. }))
    }

    fn conclusion(&self) -> GateOutcome {
        let timing = match self {
            TimeGate::NotAsked => return GateOutcome::Passed,
            TimeGate::Failed(_) => return GateOutcome::NotMeasured,
            TimeGate::Measured(timing) => timing,
        };
        match time::decide(&timing.timed) {
            _ if !self.blocks() => GateOutcome::Passed,
            Decision::OutOfTime => GateOutcome::NotMeasured,
            Decision::Slower => GateOutcome::Failed,
            Decision::Inconclusive => GateOutcome::Inconclusive,
            Decision::Passed => GateOutcome::Passed,
        }
    }

    /// The finding in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let (word, why) = match self {
            TimeGate::NotAsked => ("not asked", String::new()),
            TimeGate::Failed(why) => ("not measured", why.clone()),
            TimeGate::Measured(timing) => {
                let word = match self.conclusion() {
                    _ if !self.blocks() => "warns only",
                    GateOutcome::Passed => "passed",
                    GateOutcome::Failed => "REGRESSION",
                    GateOutcome::NotMeasured => "not measured",
                    GateOutcome::Inconclusive => "inconclusive",
                };
                (word, timing.to_string())
            }
        };
        format!("{:<17} {word:<13} {why}", "T time").trim_end().to_owned()
    }
}

impl fmt::Display for TimeMeasurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base: String = self.base.revision.chars().take(12).collect();
        let told: Vec<String> = self.timed.iter().map(|timed| told(timed, &base)).collect();
        write!(f, "{}; base: {}", told.join("; "), self.base.origin.words())?;
        if self.calibration.is_none() {
            f.write_str("; never calibrated on this class of machine")?;
        }
        Ok(())
    }
}

/// One case in one line.
fn told(timed: &TimedCase, base: &str) -> String {
    let batches: Vec<String> = timed.batches.iter().map(|batch| batch.ratio.to_string()).collect();
    let ruling = match timed.ruling {
        Decision::Slower => ": slower, twice",
        Decision::Inconclusive => ": too wide to judge",
        Decision::OutOfTime => ": no time was left for a batch",
        Decision::Passed => "",
    };
    let cold = if timed.cold > 0 { format!(", {} runs read from the disk", timed.cold) } else { String::new() };
    format!("{} {} × {base}{ruling}{cold}", timed.case, batches.join(", then "))
}
