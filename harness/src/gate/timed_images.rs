//! The images of timed runs: a build makes one image of a case, however often it is run.
//!
//! Another image than the base's is no fault: that is what the gates on bytes and sizes judge. It is told, because times of
//! unlike work are compared then.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::Label;
use crate::run::Outcome;
use crate::verify::{Finding, Gate, GateVerdict};

/// The fingerprints of a trial.
#[derive(Debug)]
pub(super) struct TimedImages {
    candidate: &'static str,
    /// Those that each arm made of each case.
    made: BTreeMap<(String, &'static str), BTreeSet<String>>,
    runs: usize,
}

impl TimedImages {
    /// No run yet; `candidate` is the arm of the build under test.
    pub(super) fn new(candidate: &'static str) -> Self {
        TimedImages { candidate, made: BTreeMap::new(), runs: 0 }
    }

    /// Takes note of a run.
    pub(super) fn add(&mut self, label: &Label, outcome: &Outcome) {
        let fingerprint = outcome.pack.as_ref().map(|pack| pack.fingerprint.clone()).unwrap_or_default();
        self.made.entry((label.case.clone(), label.arm)).or_default().insert(fingerprint);
        self.runs += 1;
    }

    /// Judges all runs.
    pub(super) fn judge(&self) -> Finding {
        let (ours, base): (Vec<_>, Vec<_>) = self.made.iter().partition(|((_, arm), _)| *arm == self.candidate);
        let like_base = |(case, made): (&String, &BTreeSet<String>)| {
            base.iter().any(|((other, _), theirs)| (other, *theirs) == (case, made))
        };
        let same = ours.iter().filter(|((case, _), made)| like_base((case, made))).count();
        let figures = format!("{} runs beside the base, {same} of {} images are the base's", self.runs, ours.len());
        let verdicts = self.made.iter().map(|((case, arm), made)| match made.len() {
            1 => GateVerdict::Passed,
            count => {
                GateVerdict::broken(format!("{case}: every run of a build makes one image"), format!("{arm}: {count}"))
            }
        });
        Finding::gather(Gate::Sameness, verdicts.map(|verdict| (verdict, figures.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Role;
    use crate::run::PackRecord;

    fn found(runs: &[(&str, &'static str, &str)]) -> Finding {
        let mut images = TimedImages::new("new");
        for (case, arm, fingerprint) in runs {
            let pack = PackRecord { fingerprint: (*fingerprint).into(), ..PackRecord::default() };
            let label = Label { role: Role::Measure, case: (*case).into(), arm, pair: 0 };
            images.add(&label, &Outcome { pack: Some(pack), ..Outcome::default() });
        }
        images.judge()
    }

    #[test]
    fn a_build_makes_one_image_of_a_case() {
        let steady = [("a", "new", "1"), ("a", "base", "1"), ("b", "new", "2"), ("b", "base", "3"), ("a", "new", "1")];
        let passed = found(&steady);
        assert_eq!(passed.verdict, GateVerdict::Passed);
        assert_eq!(passed.figures, "5 runs beside the base, 1 of 2 images are the base's");
        for arm in ["new", "base"] {
            let broken = found(&[&steady[..], &[("a", arm, "other")]].concat()).verdict;
            assert_eq!(broken, GateVerdict::broken("a: every run of a build makes one image", format!("{arm}: 2")));
        }
        assert!(matches!(found(&[]).verdict, GateVerdict::NotMeasured(_)));
    }
}
