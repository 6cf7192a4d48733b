//! Studies: many points, each run a few times in shuffled rounds. A curve of the levels, or how cost grows with the
//! work.
//!
//! In the first round the image of every point is compared with its tree. The two strategies are compared by the bench, which uses
//! adjacent pairs; a study has those of the same round.

use packer::Strategy;

use crate::error::{Error, Result};
use crate::inspect::Listing;
use crate::plan::{Case, Maker, Point, PointTool, Schedule, Step, Work};
use crate::progress::Progress;
use crate::record::{Check, Journal, Label, Role, Sample, Study};
use crate::run::{Outcome, PeerRunner};
use crate::verify::{InspectedPack, invariants};

/// What was found of the images of the first round.
#[derive(Default)]
struct Images {
    /// Ours, each with the number of its tree.
    ours: Vec<(usize, InspectedPack)>,
    /// The images of other tools that are not the tree: the point, and the first difference.
    different: Vec<String>,
    /// How many other tools made an image.
    others: usize,
}

impl Study {
    /// Runs all of it; `trees` and `runners` have one for each subject. Every sample is in the journal as soon as it is there.
    ///
    /// # Errors
    ///
    /// If a run fails. An image that is not its tree is no error here: it is in the record.
    pub fn run(
        &mut self,
        trees: &[Listing],
        runners: &mut [impl PeerRunner],
        journal: &mut Journal,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        journal.replace("study.json", self)?;
        let steps = Schedule { others: self.points.len(), rounds: self.rounds, ..Schedule::default() }.steps(self.seed);
        self.warm_up(runners, journal, progress)?;
        journal.replace("study.json", self)?;
        let mut lengths = vec![None; self.points.len()];
        let mut images = Images::default();
        for (number, step) in steps.iter().enumerate() {
            let Step::Other { other, round } = *step else { continue };
            let point = self.points[other].clone();
            let left = steps[number..].iter().map(|step| match step {
                Step::Other { other, .. } => lengths[*other],
                Step::Arm { .. } | Step::Member { .. } => None,
            });
            progress.update(number, steps.len(), &point.name, left.sum());
            let missing = || Error::run(&point.name, "it has no tree");
            let runner = runners.get_mut(point.subject).ok_or_else(missing)?;
            let tree = trees.get(point.subject).ok_or_else(missing)?;
            let work = work(&point, self.environment.cores);
            let outcome = if round == 0 { images.inspect(&point, work, runner, tree)? } else { runner.run(work)? };
            lengths[other] = Some(outcome.length());
            let label = Label { role: Role::Measure, case: point.name.clone(), arm: work.arm(), pair: round };
            self.keep(journal, Sample::new(self.samples.len(), label, outcome))?;
        }
        self.complete = true;
        self.checks = images.checks(trees);
        self.checks.push(self.steadiness());
        self.checks.extend(self.promises());
        journal.replace("study.json", self)
    }

    /// Packs each tree once without compression, and notes what it is.
    fn warm_up(
        &mut self,
        runners: &mut [impl PeerRunner],
        journal: &mut Journal,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let plain = Case { compression: "none".into(), threads: self.environment.cores };
        let all = runners.len();
        for (subject, runner) in runners.iter_mut().enumerate() {
            progress.update(subject, all, &format!("warming up {}", self.subjects[subject].name), None);
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
        Ok(())
    }

    fn keep(&mut self, journal: &mut Journal, sample: Sample) -> Result<()> {
        self.samples.push(journal.add(sample)?);
        Ok(())
    }
}

/// A point as it is run.
fn work(point: &Point, threads: usize) -> Work<'_> {
    match &point.tool {
        PointTool::Onepass(case) => Work::Pack(case, Strategy::SingleStream),
        PointTool::Script(script) => Work::Peer { name: &point.name, script, maker: Maker::Pipeline, threads },
    }
}

impl Images {
    /// Runs a point, and compares its image with the tree.
    fn inspect(
        &mut self,
        point: &Point,
        work: Work<'_>,
        runner: &mut impl PeerRunner,
        tree: &Listing,
    ) -> Result<Outcome> {
        match work {
            Work::Pack(case, strategy) => {
                let (outcome, inspection) = runner.inspect(work, tree)?;
                let one = InspectedPack { case: case.clone(), strategy, outcome: outcome.clone(), inspection };
                self.ours.push((point.subject, one));
                Ok(outcome)
            }
            Work::Peer { .. } | Work::Floor(_) => {
                // GNU tar with these options leaves out nothing.
                let (outcome, found) = runner.inspect_peer(work, tree, &[])?;
                let difference =
                    found.map_or_else(|why| Some(format!("it cannot be read: {why}")), |found| found.told());
                self.others += 1;
                self.different.extend(difference.map(|why| format!("{}: {why}", point.name)));
                Ok(outcome)
            }
        }
    }

    /// What holds of all images.
    fn checks(self, trees: &[Listing]) -> Vec<Check> {
        let mut checks = Vec::new();
        for (number, tree) in trees.iter().enumerate() {
            let ours = self.ours.iter().filter(|(subject, _)| *subject == number);
            let ours: Vec<InspectedPack> = ours.map(|(_, one)| one.clone()).collect();
            checks.extend(invariants::decoded(&ours));
            checks.push(invariants::contents(&ours, tree));
        }
        let detail = self.different.first().cloned().unwrap_or_else(|| format!("{} images", self.others));
        let law = "the images of other tools hold the tree".into();
        checks.extend((self.others > 0).then_some(Check { law, holds: self.different.is_empty(), detail }));
        checks
    }
}
