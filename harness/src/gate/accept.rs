//! Accepting the results of a run of the gates as the expected ones.

use super::decision::is_narrow;
use super::expected::Expected;
use super::gate_run::{Against, GateRun, TimeGate};
use super::paired_trial::TimedCase;
use crate::verify::Gate;

/// Which ratios of a run are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ratios {
    /// Those of which nothing was accepted yet, so that a slow change is not accepted along with its sizes.
    New,
    /// All.
    All,
}

impl Expected {
    /// Accepts the results of a run of the gates: its sizes, and the selected ratios if it compared the strategies, no
    /// run read from a disk, and their intervals are narrow enough. Returns a line for each changed row.
    ///
    /// # Errors
    ///
    /// The reason for a refusal: the run is incomplete, or a gate other than sizes is broken.
    pub fn accept(&mut self, run: &GateRun, ratios: Ratios) -> Result<Vec<String>, String> {
        if !run.complete || run.findings.len() != Gate::ALL.len() {
            return Err("the run did not come to its end".into());
        }
        // The gate on sizes may be broken: sizes that differ and new ones are to be accepted.
        let laws = run.findings.iter().filter(|finding| finding.gate != Gate::Sizes);
        if let Some(finding) = laws.into_iter().find(|finding| !finding.verdict.holds()) {
            return Err(format!("{} does not hold: {}", finding.gate.name(), finding.line()));
        }
        if run.sizes.is_empty() {
            return Err("the run knows no sizes".into());
        }
        let before = self.to_string();
        let pinned = run.sizes.iter().filter(|size| !size.compression.starts_with("external:"));
        self.sizes = pinned.map(|size| ((size.fixture.clone(), size.compression.clone()), size.bytes)).collect();
        match &run.time {
            TimeGate::NotAsked => {}
            TimeGate::Failed(why) => return Err(format!("the times are not known: {why}")),
            TimeGate::Measured(timing) if timing.against == Against::TwoPass => {
                for TimedCase { case, ratio, .. } in timing.timed.iter().filter(|timed| timed.cold == 0) {
                    let key = (timing.subject.clone(), case.clone(), run.environment.class());
                    let Some(ratio) = ratio.filter(is_narrow) else { continue };
                    if ratios == Ratios::All || !self.ratios.contains_key(&key) {
                        self.ratios.insert(key, (ratio.value * 1e4).round() / 1e4);
                    }
                }
            }
            TimeGate::Measured(_) => {}
        }
        let after = self.to_string();
        let gone =
            before.lines().filter(|line| !after.lines().any(|other| other == *line)).map(|line| format!("- {line}"));
        let new =
            after.lines().filter(|line| !before.lines().any(|other| other == *line)).map(|line| format!("+ {line}"));
        Ok(gone.chain(new).collect())
    }
}
