//! The gate on time: one stream of a build beside one stream of its base, in paired trials.
//!
//! `cargo xtask gate`, the calibration and the planted slow-downs all come here, so that what was tried is what decides.

use std::time::Duration;

use super::decision::{Decision, PAIRS};
use super::paired_trial::{BuildArms, PairedTrial, TimedCase};
use super::sameness;
use super::timed_images::TimedImages;
use crate::error::Result;
use crate::inspect::Listing;
use crate::plan::Case;
use crate::progress::Progress;
use crate::record::{Label, SampleLog};
use crate::run::{Outcome, Runner};
use crate::verify::Finding;

/// The time limit of all runs of the gate together: what was built and checked before takes nothing from it.
pub const LIMIT: Duration = Duration::from_secs(8 * 60);

/// A build to be timed beside its base.
pub struct TimeTrial<'a> {
    /// The name of the tree, in samples.
    pub subject: &'a str,
    /// The tree, if an image of each case is to be compared with it.
    pub tree: Option<&'a Listing>,
    /// The cases, which take turns.
    pub cases: &'a [Case],
    /// The build under test, and its name in samples.
    pub candidate: (&'static str, &'a mut dyn Runner),
    /// The build that it is compared with.
    pub base: &'a mut dyn Runner,
    /// The seed of the order.
    pub seed: u64,
    /// The time limit of all runs together.
    pub limit: Duration,
}

/// What was found of a build that was timed beside its base.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedBuild {
    /// The cases with their decisions.
    pub cases: Vec<TimedCase>,
    /// Whether the runs made the images that they should.
    pub images: Finding,
}

impl TimeTrial<'_> {
    /// Runs all pairs, and decides about every case.
    ///
    /// # Errors
    ///
    /// If a run fails, or its sample cannot be written.
    pub fn run(self, log: &mut SampleLog<'_>, progress: &mut dyn Progress) -> Result<TimedBuild> {
        let TimeTrial { subject, tree, cases, candidate: (called, candidate), base, seed, limit } = self;
        let mut images = TimedImages::new(called);
        let mut note = |label: Label, outcome: &Outcome| {
            images.add(&label, outcome);
            let case = format!("{subject}, {}", label.case);
            log.append(Label { case, ..label }, outcome)
        };
        let mut compared = None;
        if let Some(tree) = tree {
            let seen = sameness::observe(cases, candidate, tree, called, &mut note, progress)?;
            compared = Some(sameness::judge(&seen, tree));
        }
        let trial = PairedTrial { cases: cases.to_vec(), pairs: PAIRS, seed, limit };
        let cases = trial.run(&mut BuildArms { candidate, called, base }, &mut note, progress)?;
        let timed = images.judge();
        let images = match compared {
            Some(compared) => compared.and(timed),
            None => timed,
        };
        Ok(TimedBuild { cases, images })
    }
}

/// The decision about all cases together: slower if one is, otherwise out of time if one is, and passed only if all are.
#[must_use]
pub fn decide(timed: &[TimedCase]) -> Decision {
    let any = |wanted: Decision| timed.iter().any(|timed| timed.ruling == wanted);
    if any(Decision::Slower) {
        Decision::Slower
    } else if timed.is_empty() || any(Decision::OutOfTime) {
        Decision::OutOfTime
    } else if any(Decision::Inconclusive) {
        Decision::Inconclusive
    } else {
        Decision::Passed
    }
}
