//! The bench: verify, then measure, then record. Nothing is timed that has not been verified.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::inspect::Listing;
use crate::plan::{ARMS, Case, Peer, Step, Work, schedule};
use crate::progress::Progress;
use crate::record::{Check, Journal, Label, Record, Role, Run, Sample};
use crate::run::{Outcome, Runner};
use crate::stats;
use crate::verify::{InspectedPack, invariants, io_volume};

/// A bench that is to be run.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The record so far; cases and peers are filled in already.
    pub run: Run,
    /// The tree with all its content, read without the packer.
    pub tree: Listing,
    /// The peers of [`Run::peers`] that can be run, by their names there.
    pub peers: Vec<&'a Peer>,
    /// Rounds for each of them, and for each floor.
    pub peer_rounds: usize,
    /// The cases whose floor is measured.
    pub floors: Vec<Case>,
}

/// The results of the untimed runs.
struct Verified {
    checks: Vec<Check>,
    /// How long each piece of work takes, by its name.
    lengths: BTreeMap<String, Duration>,
}

impl Bench<'_> {
    /// Runs all of it. Every sample is in the journal as soon as it is there.
    ///
    /// # Errors
    ///
    /// If a run fails. A check that does not hold is no error here: it is in the record.
    pub fn run(
        mut self,
        runner: &mut dyn Runner,
        journal: &mut Journal,
        progress: &mut dyn Progress,
    ) -> Result<Record> {
        journal.save(&self.run)?;
        let cases = self.run.cases.clone();
        let steps = schedule(
            cases.len(),
            self.run.pairs,
            self.peers.len() + self.floors.len(),
            self.peer_rounds,
            self.run.seed,
        );
        let mut samples = Vec::new();
        let verified = self.verify(&cases, runner, journal, &mut samples, steps.len(), progress)?;
        self.run.checks = verified.checks;
        journal.save(&self.run)?;
        if self.run.checks.iter().any(|check| !check.holds) {
            return Ok(Record { run: self.run, samples });
        }
        for (number, step) in steps.iter().enumerate() {
            let work = self.work(&cases, step);
            let left = steps[number..].iter().map(|step| verified.lengths.get(&self.work(&cases, step).name()));
            let left = left.map(|length| length.copied().unwrap_or_default()).sum();
            progress.update(number, steps.len(), &work.name(), Some(left));
            let outcome = runner.run(work)?;
            let pair = match step {
                Step::Arm { pair, .. } => *pair,
                Step::Other { round, .. } => *round,
            };
            keep(journal, &mut samples, Role::Measure, work, pair, outcome)?;
        }
        journal.keep_typical_curves(&mut samples)?;
        self.run.complete = true;
        self.run.checks.push(invariants::steadiness(&samples));
        let mut record = Record { run: self.run, samples };
        record.run.comparisons = stats::comparisons(&record);
        record.run.checks.extend(stats::claims(&record.run.cases, &record.run.comparisons));
        journal.save(&record.run)?;
        Ok(record)
    }

    fn work<'b>(&'b self, cases: &'b [Case], step: &Step) -> Work<'b> {
        match step {
            Step::Arm { case, side, .. } => Work::Pack(&cases[*case], side.strategy()),
            Step::Other { other, .. } => match self.peers.get(*other) {
                Some(peer) => peer.work(),
                None => Work::Floor(&self.floors[*other - self.peers.len()]),
            },
        }
    }

    /// Runs everything once, untimed, and checks the invariants.
    fn verify(
        &mut self,
        cases: &[Case],
        runner: &mut dyn Runner,
        journal: &mut Journal,
        samples: &mut Vec<Sample>,
        steps: usize,
        progress: &mut dyn Progress,
    ) -> Result<Verified> {
        let mut lengths = BTreeMap::new();
        let mut seen: Vec<InspectedPack> = Vec::new();
        for case in cases {
            for strategy in ARMS {
                let work = Work::Pack(case, strategy);
                progress.update(0, steps, &format!("verifying {}", work.name()), None);
                let (outcome, inspection) = runner.inspect(work, &self.tree)?;
                lengths.insert(work.name(), outcome.length());
                keep(journal, samples, Role::Verify, work, 0, outcome.clone())?;
                seen.push(InspectedPack { case: case.clone(), strategy, outcome, inspection });
            }
        }
        for work in self.peers.iter().map(|peer| peer.work()).chain(self.floors.iter().map(Work::Floor)) {
            progress.update(0, steps, &format!("warming up {}", work.name()), None);
            let outcome = runner.run(work)?;
            lengths.insert(work.name(), outcome.length());
            keep(journal, samples, Role::Verify, work, 0, outcome)?;
        }
        let first = seen.first().ok_or_else(|| Error::run("the bench", "it has no cases"))?;
        if let Ok(tar) = &first.inspection.tar {
            self.run.subject.tar_size = tar.size;
            self.run.subject.diff_id.clone_from(&tar.diff_id);
        }
        self.run.subject.entries = first.outcome.pack.as_ref().map_or(0, |pack| pack.entries);
        let contents = vec![invariants::contents(&seen, &self.tree)];
        let checks = [invariants::identity(&seen), contents, invariants::disk(&seen), io_volume::laws(&seen)].concat();
        Ok(Verified { checks, lengths })
    }
}

fn keep(
    journal: &mut Journal,
    samples: &mut Vec<Sample>,
    role: Role,
    work: Work<'_>,
    pair: usize,
    outcome: Outcome,
) -> Result<()> {
    let case = match work {
        Work::Pack(case, _) | Work::Floor(case) => case.name(),
        Work::Peer { name, .. } => name.to_owned(),
    };
    let mut sample = Sample::new(samples.len(), Label { role, case, arm: work.arm(), pair }, outcome);
    if !work.is_ours() {
        (sample.usage, sample.scratch) = (None, None);
    }
    samples.push(journal.add(sample)?);
    Ok(())
}
