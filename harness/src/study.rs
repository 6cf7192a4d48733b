//! Studies: many points, each run a few times in shuffled rounds. A curve of the levels, or how cost grows with the
//! work.
//!
//! A study compares points by their medians. The two strategies are compared by the bench, which uses pairs.

use packer::Strategy;

use crate::error::{Error, Result};
use crate::plan::{Case, Maker, PointTool, Schedule, Step, Work};
use crate::progress::Progress;
use crate::record::{Journal, Label, Role, Sample, Study};
use crate::run::Runner;

impl Study {
    /// Runs all of it; `runners` has one for each tree. Every sample is in the journal as soon as it is there.
    ///
    /// # Errors
    ///
    /// If a run fails.
    pub fn run(
        &mut self,
        runners: &mut [impl Runner],
        journal: &mut Journal,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        journal.replace("study.json", self)?;
        let plain = Case { compression: "none".into(), threads: self.environment.cores };
        let steps = Schedule { others: self.points.len(), rounds: self.rounds, ..Schedule::default() }.steps(self.seed);
        for (subject, runner) in runners.iter_mut().enumerate() {
            progress.update(0, steps.len(), &format!("warming up {}", self.subjects[subject].name), None);
            let work = Work::Pack(&plain, Strategy::SingleStream);
            let outcome = runner.run(work)?;
            let tree = &mut self.subjects[subject];
            if let Some(pack) = &outcome.pack {
                // Without compression the fingerprint is the tar's own.
                (tree.tar_size, tree.entries, tree.diff_id) = (pack.tar_size, pack.entries, pack.fingerprint.clone());
            }
            let name = tree.name.clone();
            let label = Label { role: Role::Verify, case: name, arm: work.arm(), pair: 0 };
            self.keep(journal, Sample::new(self.samples.len(), label, outcome))?;
        }
        journal.replace("study.json", self)?;
        let mut lengths = vec![None; self.points.len()];
        for (number, step) in steps.iter().enumerate() {
            let Step::Other { other, round } = *step else { continue };
            let point = self.points[other].clone();
            let left = steps[number..].iter().map(|step| match step {
                Step::Other { other, .. } => lengths[*other],
                Step::Arm { .. } | Step::Member { .. } => None,
            });
            progress.update(number, steps.len(), &point.name, left.sum());
            let work = match &point.tool {
                PointTool::Onepass(case) => Work::Pack(case, Strategy::SingleStream),
                PointTool::Script(script) => {
                    let threads = self.environment.cores;
                    Work::Peer { name: &point.name, script, maker: Maker::Pipeline, threads }
                }
            };
            let runner = runners.get_mut(point.subject).ok_or_else(|| Error::run(&point.name, "it has no tree"))?;
            let outcome = runner.run(work)?;
            lengths[other] = Some(outcome.length());
            let label = Label { role: Role::Measure, case: point.name.clone(), arm: work.arm(), pair: round };
            self.keep(journal, Sample::new(self.samples.len(), label, outcome))?;
        }
        self.complete = true;
        journal.replace("study.json", self)
    }

    fn keep(&mut self, journal: &mut Journal, sample: Sample) -> Result<()> {
        self.samples.push(journal.add(sample)?);
        Ok(())
    }
}
