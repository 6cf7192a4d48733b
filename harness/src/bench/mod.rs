//! The bench: verify, then measure, then record. Nothing is timed that has not been verified.

mod blocks;

use std::collections::BTreeMap;
use std::time::Duration;

use blocks::{Block, Member};

use crate::error::{Error, Result};
use crate::inspect::{Comparison, Listing};
use crate::plan::{ARMS, Case, Parallelism, Schedule, Step, Work};
use crate::progress::Progress;
use crate::record::{Journal, Label, PeerRecord, Record, Role, Run, Sample};
use crate::run::{Outcome, PeerRunner};
use crate::stats;
use crate::verify::{InspectedPack, invariants, io_volume};

/// A bench that is to be run.
#[derive(Debug)]
pub struct Bench {
    /// The record so far; cases and peers are filled in already.
    pub run: Run,
    /// The tree with all its content, read without the packer.
    pub tree: Listing,
    /// Rounds for each peer, and for each floor.
    pub peer_rounds: usize,
    /// The cases whose floor is measured.
    pub floors: Vec<Case>,
}

/// A bench under way.
struct UnderWay<'a> {
    runner: &'a mut dyn PeerRunner,
    journal: &'a mut Journal,
    progress: &'a mut dyn Progress,
    samples: Vec<Sample>,
    /// How long each piece of work takes, by its name.
    lengths: BTreeMap<String, Duration>,
}

impl Bench {
    /// Runs all of it. Every sample is in the journal as soon as it is there.
    ///
    /// # Errors
    ///
    /// If a run of ours fails. A check that does not hold is no error here: it is in the record. So is a peer that fails, or
    /// whose image is not the tree.
    pub fn run(
        mut self,
        runner: &mut dyn PeerRunner,
        journal: &mut Journal,
        progress: &mut dyn Progress,
    ) -> Result<Record> {
        journal.save(&self.run)?;
        let (samples, lengths) = (Vec::new(), BTreeMap::new());
        let mut under_way = UnderWay { runner, journal, progress, samples, lengths };
        self.verify(&mut under_way)?;
        under_way.journal.save(&self.run)?;
        if self.run.checks.iter().any(|check| !check.holds) {
            return Ok(Record { run: self.run, samples: under_way.samples });
        }
        self.try_peers(&mut under_way)?;
        under_way.journal.save(&self.run)?;
        self.measure(&mut under_way)?;
        under_way.journal.keep_typical_curves(&mut under_way.samples)?;
        self.run.complete = true;
        self.run.checks.push(invariants::steadiness(&under_way.samples));
        let mut record = Record { run: self.run, samples: under_way.samples };
        record.run.comparisons = stats::comparisons(&record);
        record.run.peer_comparisons = stats::peer_comparisons(&record);
        record.run.checks.extend(stats::claims(&record.run.cases, &record.run.comparisons));
        journal.save(&record.run)?;
        Ok(record)
    }

    /// Packs every case with both strategies, untimed, and checks the invariants.
    fn verify(&mut self, under_way: &mut UnderWay<'_>) -> Result<()> {
        let mut seen: Vec<InspectedPack> = Vec::new();
        for case in &self.run.cases {
            for strategy in ARMS {
                let work = Work::Pack(case, strategy);
                under_way.tell(&format!("verifying {}", work.name()));
                let (outcome, inspection) = under_way.runner.inspect(work, &self.tree)?;
                under_way.keep(Role::Verify, &Member { work, beside: None }, 0, outcome.clone())?;
                seen.push(InspectedPack { case: case.clone(), strategy, outcome, inspection });
            }
        }
        let first = seen.first().ok_or_else(|| Error::run("the bench", "it has no cases"))?;
        if let Ok(tar) = &first.inspection.tar {
            self.run.subject.tar_size = tar.size;
            self.run.subject.diff_id.clone_from(&tar.diff_id);
        }
        self.run.subject.entries = first.outcome.pack.as_ref().map_or(0, |pack| pack.entries);
        let contents = vec![invariants::contents(&seen, &self.tree)];
        self.run.checks =
            [invariants::identity(&seen), contents, invariants::disk(&seen), io_volume::laws(&seen)].concat();
        Ok(())
    }

    /// Runs every peer once, untimed, and compares its image with the tree; and every floor.
    fn try_peers(&mut self, under_way: &mut UnderWay<'_>) -> Result<()> {
        let cores = self.run.environment.cores;
        for peer in self.run.peers.iter_mut().filter(|peer| peer.missing.is_none()) {
            let threads = if peer.parallelism == Some(Parallelism::Single) { 1 } else { cores };
            let limits = peer.limits.clone();
            under_way.tell(&format!("trying {}", peer.name));
            let tried = under_way.runner.inspect_peer(blocks::work(peer, threads), &self.tree, &limits);
            match tried {
                Err(error) => peer.failed = Some(error.to_string()),
                Ok((outcome, found)) => {
                    let member = Member { work: blocks::work(peer, threads), beside: None };
                    under_way.keep(Role::Verify, &member, 0, outcome)?;
                    judge(peer, found);
                }
            }
        }
        for case in &self.floors {
            let work = Work::Floor(case);
            under_way.tell(&format!("trying {}", work.name()));
            let outcome = under_way.runner.run(work)?;
            under_way.keep(Role::Verify, &Member { work, beside: None }, 0, outcome)?;
        }
        Ok(())
    }

    /// Runs everything in turns. A peer that fails is left out from then on, and ours beside it.
    fn measure(&mut self, under_way: &mut UnderWay<'_>) -> Result<()> {
        let mut failed: BTreeMap<String, String> = BTreeMap::new();
        let blocks = blocks::blocks(&self.run);
        let schedule = Schedule {
            cases: self.run.cases.len(),
            pairs: self.run.pairs,
            blocks: blocks.iter().map(|block| block.0.len()).collect(),
            others: self.floors.len(),
            rounds: self.peer_rounds,
        };
        let steps = schedule.steps(self.run.seed);
        for (number, step) in steps.iter().enumerate() {
            let (member, round) = self.member(&blocks, step);
            let peers = [member.work.peer(), member.beside];
            if peers.into_iter().flatten().any(|peer| failed.contains_key(peer)) {
                continue;
            }
            let left = steps[number..].iter().map(|step| self.member(&blocks, step).0.work.name());
            let left = left.filter_map(|name| under_way.lengths.get(&name)).sum();
            under_way.progress.update(number, steps.len(), &member.work.name(), Some(left));
            match (under_way.runner.run(member.work), member.work.peer()) {
                (Ok(outcome), _) => under_way.keep(Role::Measure, &member, round, outcome)?,
                (Err(error), Some(peer)) => {
                    let runs = format!("in round {} of {}: {error}", round + 1, self.peer_rounds);
                    failed.insert(peer.to_owned(), runs);
                }
                (Err(error), None) => return Err(error),
            }
        }
        for peer in &mut self.run.peers {
            peer.failed = failed.remove(&peer.name).or(peer.failed.take());
        }
        Ok(())
    }

    /// What is run in a step, and in which pair or round.
    fn member<'a>(&'a self, blocks: &[Block<'a>], step: &Step) -> (Member<'a>, usize) {
        let alone = |work| Member { work, beside: None };
        match step {
            Step::Arm { case, side, pair } => (alone(Work::Pack(&self.run.cases[*case], side.strategy())), *pair),
            Step::Member { block, member, round } => (blocks[*block].0[*member], *round),
            Step::Other { other, round } => (alone(Work::Floor(&self.floors[*other])), *round),
        }
    }
}

/// Notes what a peer's image holds.
fn judge(peer: &mut PeerRecord, found: std::result::Result<Comparison, String>) {
    match found {
        Err(why) => peer.different = Some(format!("it cannot be read: {why}")),
        Ok(comparison) => {
            peer.different = comparison.told();
            peer.losses = comparison.losses;
        }
    }
}

impl UnderWay<'_> {
    /// Tells about an untimed run.
    fn tell(&mut self, what: &str) {
        self.progress.update(0, 1, what, None);
    }

    fn keep(&mut self, role: Role, member: &Member<'_>, pair: usize, outcome: Outcome) -> Result<()> {
        let Member { work, beside } = *member;
        let (case, threads) = match work {
            Work::Pack(case, _) | Work::Floor(case) => (case.name(), None),
            Work::Peer { name, threads, .. } => (name.to_owned(), Some(threads)),
        };
        self.lengths.insert(work.name(), outcome.length());
        let label = Label { role, case, arm: work.arm(), pair };
        let mut sample = Sample::new(self.samples.len(), label, outcome);
        (sample.threads, sample.beside) = (threads, beside.map(String::from));
        if !work.is_ours() {
            (sample.usage, sample.scratch) = (None, None);
        }
        self.samples.push(self.journal.add(sample)?);
        Ok(())
    }
}
