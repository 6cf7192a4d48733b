//! The bench: verify, then measure, then record. Nothing is timed that has not been verified.

use std::collections::BTreeMap;
use std::time::Duration;

use packer::Strategy;

use crate::cases::{ARMS, Case};
use crate::error::{Error, Result};
use crate::peers::Peer;
use crate::record::{Check, Journal, Record, Role, Run, Sample};
use crate::runner::{Inspection, Outcome, Runner, Work};
use crate::schedule::{Step, schedule};
use crate::summary;

/// Somebody who wants to know what is going on.
pub trait Audience {
    /// `done` of `all` runs are over; `name` is next, and about `left` remains.
    fn progress(&mut self, done: usize, all: usize, name: &str, left: Option<Duration>);
}

/// A bench that is to be run.
#[derive(Debug)]
pub struct Bench<'a> {
    /// What is known beforehand; cases and peers are filled in already.
    pub run: Run,
    /// The peers of [`Run::peers`] that can be run, by their names there.
    pub peers: Vec<&'a Peer>,
    /// Rounds for each of them, and for each floor.
    pub peer_rounds: usize,
    /// The cases whose floor is measured.
    pub floors: Vec<Case>,
}

/// What the untimed runs told.
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
        audience: &mut dyn Audience,
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
        let verified = self.verify(&cases, runner, journal, &mut samples, steps.len(), audience)?;
        self.run.checks = verified.checks;
        journal.save(&self.run)?;
        if self.run.checks.iter().any(|check| !check.holds) {
            return Ok(Record { run: self.run, samples });
        }
        for (number, step) in steps.iter().enumerate() {
            let work = self.work(&cases, step);
            let left = steps[number..].iter().map(|step| verified.lengths.get(&self.work(&cases, step).name()));
            let left = left.map(|length| length.copied().unwrap_or_default()).sum();
            audience.progress(number, steps.len(), &work.name(), Some(left));
            let outcome = runner.run(work)?;
            let pair = match step {
                Step::Arm { pair, .. } => *pair,
                Step::Other { round, .. } => *round,
            };
            keep(journal, &mut samples, Role::Measure, work, pair, outcome)?;
        }
        self.run.complete = true;
        let mut record = Record { run: self.run, samples };
        record.run.comparisons = summary::comparisons(&record);
        journal.save(&record.run)?;
        Ok(record)
    }

    fn work<'b>(&'b self, cases: &'b [Case], step: &Step) -> Work<'b> {
        match step {
            Step::Arm { case, strategy, .. } => Work::Pack(&cases[*case], *strategy),
            Step::Other { other, .. } => match self.peers.get(*other) {
                Some(peer) => peer.work(),
                None => Work::Floor(&self.floors[*other - self.peers.len()]),
            },
        }
    }

    /// Runs everything once, untimed, and checks what must hold.
    fn verify(
        &mut self,
        cases: &[Case],
        runner: &mut dyn Runner,
        journal: &mut Journal,
        samples: &mut Vec<Sample>,
        steps: usize,
        audience: &mut dyn Audience,
    ) -> Result<Verified> {
        let mut lengths = BTreeMap::new();
        let mut seen: Vec<(Case, Strategy, Outcome, Inspection)> = Vec::new();
        for case in cases {
            for strategy in ARMS {
                let work = Work::Pack(case, strategy);
                audience.progress(0, steps, &format!("verifying {}", work.name()), None);
                let (outcome, inspection) = runner.inspect(work)?;
                lengths.insert(work.name(), length(&outcome));
                keep(journal, samples, Role::Verify, work, 0, outcome.clone())?;
                seen.push((case.clone(), strategy, outcome, inspection));
            }
        }
        for work in self.peers.iter().map(|peer| peer.work()).chain(self.floors.iter().map(Work::Floor)) {
            audience.progress(0, steps, &format!("warming up {}", work.name()), None);
            let outcome = runner.run(work)?;
            lengths.insert(work.name(), length(&outcome));
            keep(journal, samples, Role::Verify, work, 0, outcome)?;
        }
        let first = seen.first().ok_or_else(|| Error::run("the bench", "it has no cases"))?;
        self.run.subject.tar_size = first.3.tar_size;
        self.run.subject.diff_id.clone_from(&first.3.diff_id);
        self.run.subject.entries = first.2.pack.as_ref().map_or(0, |pack| pack.entries);
        Ok(Verified { checks: checks(&seen), lengths })
    }
}

/// A run's length with what comes between runs.
pub(crate) fn length(outcome: &Outcome) -> Duration {
    Duration::from_nanos(outcome.wall_ns) + Duration::from_millis(100)
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
    let sample = outcome.sample(samples.len(), role, work, case, pair);
    journal.add(&sample)?;
    samples.push(sample);
    Ok(())
}

/// The laws that hold whatever the speed.
fn checks(seen: &[(Case, Strategy, Outcome, Inspection)]) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut check = |law: &str, holds: bool, detail: String| checks.push(Check { law: law.into(), holds, detail });
    let pack = |outcome: &Outcome| outcome.pack.clone().unwrap_or_default();
    let compressions: Vec<&str> = {
        let mut names: Vec<&str> = seen.iter().map(|(case, ..)| case.compression.as_str()).collect();
        names.dedup();
        names
    };
    for compression in compressions {
        let of: Vec<_> = seen.iter().filter(|(case, ..)| case.compression == compression).collect();
        let fingerprint = pack(&of[0].2).fingerprint;
        let equal = of.iter().all(|(_, _, outcome, _)| pack(outcome).fingerprint == fingerprint);
        check(
            "one fingerprint for both strategies and any number of threads",
            equal && !fingerprint.is_empty(),
            format!("{compression}: {} runs, {fingerprint}", of.len()),
        );
    }
    let named = seen.iter().filter(|(_, _, outcome, found)| pack(outcome).fingerprint == found.sha256).count();
    check(
        "the fingerprint is the sha256 of the file",
        named == seen.len(),
        format!("{named} of {} images", seen.len()),
    );
    let tar = &seen[0].3;
    let same =
        seen.iter().filter(|(.., found)| (&found.diff_id, found.tar_size) == (&tar.diff_id, tar.tar_size)).count();
    let detail = format!("{same} of {} images decode to sha256 {}, {} bytes", seen.len(), tar.diff_id, tar.tar_size);
    check("every image holds the same tar", same == seen.len(), detail);
    for strategy in ARMS {
        let expected = |case: &Case, outcome: &Outcome| match strategy {
            // With `none` the two passes are the same one.
            Strategy::TwoPass if case.compression != "none" => outcome.image_size + pack(outcome).tar_size,
            Strategy::TwoPass | Strategy::SingleStream => outcome.image_size,
        };
        let of: Vec<_> = seen.iter().filter(|(_, other, ..)| *other == strategy).collect();
        let right =
            of.iter().filter(|(case, _, outcome, _)| pack(outcome).scratch_peak == expected(case, outcome)).count();
        let law = match strategy {
            Strategy::SingleStream => "single-stream needs no more disk than the image",
            Strategy::TwoPass => "two-pass needs the tar and the image",
        };
        check(law, right == of.len(), format!("{right} of {} runs", of.len()));
    }
    checks
}
