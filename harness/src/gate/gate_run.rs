//! What is kept of a run of the gates, and what it comes to.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::decision::{self, Ruling};
use super::image_size::Size;
use super::paired_trial::Timed;
use crate::error::Result;
use crate::record::{Interval, Journal, read};
use crate::run::Environment;
use crate::verify::{Finding, Verdict};

/// The version of the schema of `gate.json`.
pub const SCHEMA: u32 = 1;

/// `gate.json`: a run of the gates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateRun {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The day it began, as `2026-11-24`.
    pub date: String,
    /// The end of the directory's name.
    pub topic: String,
    /// What the order of the timed runs was shuffled with.
    pub seed: u64,
    /// The machine and the tools.
    pub environment: Environment,
    /// What the exact gates say.
    pub findings: Vec<Finding>,
    /// The sizes of all images that can be accepted.
    pub sizes: Vec<Size>,
    /// What the gate on time says.
    pub time: Time,
    /// Whether all that was asked for was run.
    pub complete: bool,
}

/// What became of the gate on time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Time {
    /// Nobody asked.
    NotAsked,
    /// It could not be run; why.
    Failed(String),
    /// It was run.
    Measured(Timing),
}

/// What was timed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The tree.
    pub subject: String,
    /// What one stream was compared with.
    pub against: Against,
    /// The record of a calibration that lets this gate fail on this class of machine. Without one it only warns.
    pub calibration: Option<String>,
    /// The cases.
    pub timed: Vec<Timed>,
}

/// What the time of one stream is divided by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// That of two passes; the ratio is compared with the accepted one.
    TwoPass,
    /// That of one stream of another revision; nothing should have changed.
    Base(String),
}

/// What a run of the gates comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Everything holds.
    Passed,
    /// An exact gate is broken, or a regression was confirmed.
    Failed,
    /// Something could not be measured.
    NotMeasured,
    /// The times vary too much.
    Inconclusive,
}

impl Conclusion {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Conclusion::Passed => 0,
            Conclusion::Failed => 1,
            Conclusion::NotMeasured => 2,
            Conclusion::Inconclusive => 3,
        }
    }
}

impl GateRun {
    /// What it comes to. What is broken counts more than what is unknown.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        let broken = self.findings.iter().any(|finding| matches!(finding.verdict, Verdict::Broken { .. }));
        let missing = self.findings.iter().any(|finding| matches!(finding.verdict, Verdict::NotMeasured(_)));
        match self.time.conclusion() {
            _ if broken => Conclusion::Failed,
            Conclusion::Failed => Conclusion::Failed,
            _ if missing || !self.complete || self.findings.is_empty() => Conclusion::NotMeasured,
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
        let named = |wanted: fn(&Verdict) -> bool, time: bool| {
            let findings = self.findings.iter().filter(|finding| wanted(&finding.verdict));
            findings.map(|finding| finding.gate.name()).chain(time.then_some("T time")).collect::<Vec<_>>().join(", ")
        };
        let time = self.time.conclusion();
        match self.conclusion() {
            Conclusion::Passed if time == Conclusion::Passed && self.time.blocks() => "The gates PASS.".into(),
            Conclusion::Passed => "The gates PASS; time is not judged.".into(),
            Conclusion::Failed => {
                let broken = |verdict: &Verdict| matches!(verdict, Verdict::Broken { .. });
                format!("The gates FAIL: {}.", named(broken, time == Conclusion::Failed))
            }
            Conclusion::NotMeasured => {
                let missing = |verdict: &Verdict| matches!(verdict, Verdict::NotMeasured(_));
                format!("NOT MEASURED: {}.", named(missing, time == Conclusion::NotMeasured))
            }
            Conclusion::Inconclusive => {
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

impl Time {
    /// Whether it was run where it may fail: the gate was calibrated there, and there is something to compare with.
    fn blocks(&self) -> bool {
        match self {
            Time::Measured(Timing { calibration: Some(_), timed, .. }) => {
                timed.iter().all(|timed| timed.expected.is_some())
            }
            _ => false,
        }
    }

    fn conclusion(&self) -> Conclusion {
        let timing = match self {
            Time::NotAsked => return Conclusion::Passed,
            Time::Failed(_) => return Conclusion::NotMeasured,
            Time::Measured(timing) => timing,
        };
        let any = |ruling: Option<Ruling>| timing.timed.iter().any(|timed| timed.ruling == ruling);
        if !self.blocks() {
            Conclusion::Passed
        } else if any(Some(Ruling::Slower)) {
            Conclusion::Failed
        } else if any(None) || timing.timed.is_empty() {
            Conclusion::NotMeasured
        } else if any(Some(Ruling::Inconclusive)) {
            Conclusion::Inconclusive
        } else {
            Conclusion::Passed
        }
    }

    /// What it says, in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let (word, why) = match self {
            Time::NotAsked => ("not asked", String::new()),
            Time::Failed(why) => ("not measured", why.clone()),
            Time::Measured(timing) => {
                let word = match self.conclusion() {
                    _ if !self.blocks() => "warns only",
                    Conclusion::Passed => "passed",
                    Conclusion::Failed => "REGRESSION",
                    Conclusion::NotMeasured => "not measured",
                    Conclusion::Inconclusive => "inconclusive",
                };
                (word, timing.to_string())
            }
        };
        format!("{:<17} {word:<13} {why}", "T time").trim_end().to_owned()
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let against = match &self.against {
            Against::TwoPass => "two passes".to_owned(),
            Against::Base(revision) => revision.chars().take(12).collect(),
        };
        let told: Vec<String> = self.timed.iter().map(|timed| told(timed, &against)).collect();
        f.write_str(&told.join("; "))?;
        if self.calibration.is_none() {
            f.write_str("; never calibrated on this class of machine")?;
        }
        Ok(())
    }
}

/// What is said of one case.
fn told(timed: &Timed, against: &str) -> String {
    let interval = |ratio: &Interval| format!("{:.3} [{:.3}, {:.3}]", ratio.value, ratio.low, ratio.high);
    let batches: Vec<String> = timed.batches.iter().map(|batch| interval(&batch.ratio)).collect();
    let expected = match timed.expected {
        Some(expected) => format!("expected {expected:.3}"),
        None => "no ratio was accepted for this class of machine".into(),
    };
    let ruling = match timed.ruling {
        Some(Ruling::Slower) => ": slower, twice",
        Some(Ruling::Inconclusive)
            if timed.batches.iter().any(|batch| decision::half_width(&batch.ratio) > decision::WIDEST) =>
        {
            ": too wide to judge"
        }
        Some(Ruling::Inconclusive) => ": no time was left for a batch",
        Some(Ruling::Passed) | None => "",
    };
    let cold = if timed.cold > 0 { format!(", {} runs read from the disk", timed.cold) } else { String::new() };
    format!("{} {} × {against}, {expected}{ruling}{cold}", timed.case, batches.join(", then "))
}
