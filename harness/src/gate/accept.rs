//! Accepting the results of a run of the gates: the sizes of its images, and its revision as the base of the time of `main`.

use super::expected::Expected;
use super::gate_run::{GateRun, TimeGate};
use crate::verify::Gate;

/// What is accepted of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Its sizes. The base of the time stays, so that a slower packer is not accepted along with its sizes.
    Sizes,
    /// Its revision as well, however fast it is: the next runs on `main` are compared with it.
    SizesAndBase,
}

impl Expected {
    /// Accepts the results of a run of the gates. Returns a line for each changed row.
    ///
    /// # Errors
    ///
    /// The reason for a refusal: the run is incomplete or of a changed tree, or a gate other than sizes is broken.
    pub fn accept(&mut self, run: &GateRun, accepted: Accepted) -> Result<Vec<String>, String> {
        if !run.complete || run.findings.len() != Gate::ALL.len() {
            return Err("the run did not come to its end".into());
        }
        // The gate on sizes may be broken: sizes that differ and new ones are to be accepted.
        let laws = run.findings.iter().filter(|finding| finding.gate != Gate::Sizes);
        if let Some(finding) = laws.into_iter().find(|finding| !finding.verdict.holds()) {
            return Err(format!("{} does not hold: {}", finding.gate.name(), finding.line()));
        }
        if run.environment.is_dirty() {
            return Err("it was made from a changed tree: commit the change, and run the gates again".into());
        }
        if run.sizes.is_empty() {
            return Err("the run knows no sizes".into());
        }
        if let TimeGate::Failed(why) = &run.time {
            return Err(format!("the times are not known: {why}"));
        }
        let before = self.to_string();
        let pinned = run.sizes.iter().filter(|size| !size.compression.starts_with("external:"));
        self.sizes = pinned.map(|size| ((size.fixture.clone(), size.compression.clone()), size.bytes)).collect();
        if accepted == Accepted::SizesAndBase {
            self.base = Some(run.environment.revision.clone());
        }
        let after = self.to_string();
        let gone =
            before.lines().filter(|line| !after.lines().any(|other| other == *line)).map(|line| format!("- {line}"));
        let new =
            after.lines().filter(|line| !before.lines().any(|other| other == *line)).map(|line| format!("+ {line}"));
        Ok(gone.chain(new).collect())
    }
}
