//! Accepting the results of a run of the gates: the sizes of its images, and its revision as the base of the time of `main`.

use super::expected::Expected;
use super::gate_run::{GateRun, TimeGate};
use super::paired_trial::TimedCase;
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
    /// The reason for a refusal: the run is incomplete, of a changed tree or of a packer with a fault; a gate other than sizes is
    /// broken; or a base is to be accepted whose time was not compared with the accepted one.
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
        if let Some(fault) = &run.fault {
            return Err(format!("the fault {fault} was injected into its packer"));
        }
        if run.sizes.is_empty() {
            return Err("the run knows no sizes".into());
        }
        if let TimeGate::Failed(why) = &run.time {
            return Err(format!("the times are not known: {why}"));
        }
        let price = if accepted == Accepted::SizesAndBase { self.price(run)? } else { Vec::new() };
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
        Ok(gone.chain(new).chain(price).collect())
    }

    /// What the new base costs: its time beside the accepted one, which nobody looks at again. Nothing for the first base, and for the
    /// accepted one itself.
    fn price(&self, run: &GateRun) -> Result<Vec<String>, String> {
        let Some(accepted) = self.base().filter(|base| *base != run.environment.revision) else {
            return Ok(Vec::new());
        };
        match &run.time {
            TimeGate::Measured(timing) if timing.base.revision == accepted => {
                let ratio =
                    |timed: &TimedCase| timed.ratio.map(|ratio| format!("{}: {ratio} × the base before", timed.case));
                Ok(timing.timed.iter().filter_map(ratio).collect())
            }
            _ => {
                Err(format!("its time was not compared with the accepted base: run the gates with `--base {accepted}`"))
            }
        }
    }
}
