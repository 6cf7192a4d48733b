//! Adjacent pairs of runs, in balanced and shuffled order: the basis of the decision about time.
//!
//! A unit is as many runs of a process as take two seconds, nearly always one: shorter ones vary more. Cases take
//! turns, so that one bad minute hits all. A round of pairs is a batch of every case that needs one, or the second half
//! of one that came out too wide: whether a batch is extended depends on its width and never on its ratio, so that
//! nothing is called slower by trying again.

use std::time::Duration;

use packer::Strategy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decision::{self, BatchVerdict, Decision};
use crate::error::Result;
use crate::plan::{Case, Schedule, Side, Step, Work};
use crate::progress::Progress;
use crate::record::{Interval, Label, Role};
use crate::run::{Outcome, Runner};
use crate::stats::{self, is_cold};

/// The least time of a unit.
const UNIT: Duration = Duration::from_secs(2);

/// The most rounds of pairs that a trial has, and seeds that it uses: two batches, both extended.
pub const ROUNDS: u64 = 4;

/// The two arms of all pairs.
pub trait TrialArms {
    /// Runs a case once.
    ///
    /// # Errors
    ///
    /// If it fails.
    fn run(&mut self, case: &Case, side: Side) -> Result<Outcome>;

    /// The name of a side in samples.
    fn arm(&self, side: Side) -> &'static str;
}

/// One stream of one build against one stream of another.
pub struct BuildArms<'a> {
    /// The build under test.
    pub candidate: &'a mut dyn Runner,
    /// Its name in samples, such as `new`.
    pub called: &'static str,
    /// The build that it is compared with.
    pub base: &'a mut dyn Runner,
}

impl TrialArms for BuildArms<'_> {
    fn run(&mut self, case: &Case, side: Side) -> Result<Outcome> {
        let build = match side {
            Side::Candidate => &mut *self.candidate,
            Side::Reference => &mut *self.base,
        };
        build.run(Work::Pack(case, Strategy::SingleStream))
    }

    fn arm(&self, side: Side) -> &'static str {
        match side {
            Side::Candidate => self.called,
            Side::Reference => "base",
        }
    }
}

/// Cases that are timed together.
#[derive(Clone, Debug)]
pub struct PairedTrial {
    /// The cases.
    pub cases: Vec<Case>,
    /// Pairs of a round: of a batch, unless it is extended.
    pub pairs: usize,
    /// The seed of the first round; the following rounds use the following numbers.
    pub seed: u64,
    /// The time limit of all runs together. A round that does not fit is not begun.
    pub limit: Duration,
}

/// The measurements of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimedCase {
    /// The case's name.
    pub case: String,
    /// Runs of a unit.
    pub runs: usize,
    /// How many runs fetched more than a hundredth of the tar from a disk: the page cache was not warm.
    pub cold: usize,
    /// The batches, in order.
    pub batches: Vec<Batch>,
    /// The ratio of all pairs together; nothing without pairs.
    pub ratio: Option<Interval>,
    /// The decision.
    pub ruling: Decision,
}

/// A batch of pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Batch {
    /// The seed of its first round.
    pub seed: u64,
    /// Its pairs, with those that it was extended by.
    pub pairs: usize,
    /// Time of the candidate ÷ time of the reference.
    pub ratio: Interval,
    /// The median times of both in nanoseconds, the candidate's first.
    pub medians_ns: [u64; 2],
}

/// Takes note of every run.
pub type Note<'a> = &'a mut dyn FnMut(Label, &Outcome) -> Result<()>;

/// A case under way.
struct CaseState<'a> {
    case: &'a Case,
    timed: TimedCase,
    /// The length of a pair, with the pauses between runs.
    pair: Duration,
    /// The times of all pairs in nanoseconds, batch by batch.
    pairs: Vec<(f64, f64)>,
}

/// A trial under way.
struct TrialRunner<'a> {
    trial: &'a PairedTrial,
    arms: &'a mut dyn TrialArms,
    note: Note<'a>,
    spent: Duration,
}

impl PairedTrial {
    /// Runs all pairs.
    ///
    /// # Errors
    ///
    /// If a run fails, or cannot be noted.
    pub fn run(&self, arms: &mut dyn TrialArms, note: Note<'_>, progress: &mut dyn Progress) -> Result<Vec<TimedCase>> {
        let mut runner = TrialRunner { trial: self, arms, note, spent: Duration::ZERO };
        let mut states = Vec::new();
        for (number, case) in self.cases.iter().enumerate() {
            progress.update(number, self.cases.len(), &format!("warming up {}", case.name()), None);
            states.push(runner.warm_up(case)?);
        }
        for round in 0..ROUNDS {
            let due = states.iter_mut().filter(|state| state.needs_round(self.pairs));
            let mut due: Vec<&mut CaseState<'_>> = due.collect();
            due.retain(|state| runner.has_time(state));
            runner.round(&mut due, self.seed + round, progress)?;
        }
        Ok(states.into_iter().map(|state| state.decided(self.pairs)).collect())
    }
}

impl TrialRunner<'_> {
    /// Runs both arms once, untimed, to find how many runs are a unit.
    fn warm_up<'b>(&mut self, case: &'b Case) -> Result<CaseState<'b>> {
        let timed = TimedCase {
            case: case.name(),
            runs: 1,
            cold: 0,
            batches: Vec::new(),
            ratio: None,
            ruling: Decision::OutOfTime,
        };
        let mut state = CaseState { case, timed, pair: Duration::ZERO, pairs: Vec::new() };
        let mut shortest = Duration::MAX;
        for side in [Side::Reference, Side::Candidate] {
            let outcome = self.once(case, side, Role::Verify, 0)?;
            shortest = shortest.min(Duration::from_nanos(outcome.wall_ns));
            state.pair += outcome.length();
        }
        let runs = UNIT.as_nanos().div_ceil(shortest.as_nanos().max(1));
        state.timed.runs = usize::try_from(runs).unwrap_or(usize::MAX);
        state.pair = state.pair.saturating_mul(u32::try_from(runs).unwrap_or(u32::MAX));
        Ok(state)
    }

    /// Reserves the time of a round; `false` if it is not left.
    fn has_time(&mut self, state: &CaseState<'_>) -> bool {
        let after = self.spent.saturating_add(state.pair.saturating_mul(self.trial.pairs as u32));
        let fits = after <= self.trial.limit;
        if fits {
            self.spent = after;
        }
        fits
    }

    /// Runs a round of pairs of each of these cases.
    fn round(&mut self, states: &mut [&mut CaseState<'_>], seed: u64, progress: &mut dyn Progress) -> Result<()> {
        let steps = Schedule { cases: states.len(), pairs: self.trial.pairs, ..Schedule::default() }.steps(seed);
        let mut times = vec![vec![(0.0, 0.0); self.trial.pairs]; states.len()];
        for (number, step) in steps.iter().enumerate() {
            let Step::Arm { case, side, pair } = *step else { continue };
            let name = format!("{}, {}", states[case].timed.case, self.arms.arm(side));
            let halves = states.iter().map(|state| state.pair / 2).sum::<Duration>() / states.len() as u32;
            progress.update(number, steps.len(), &name, Some(halves * (steps.len() - number) as u32));
            let pairs_in_open_batch = states[case].pairs_in_open_batch(self.trial.pairs);
            let time = self.unit(states[case], side, pairs_in_open_batch + pair)?;
            match side {
                Side::Candidate => times[case][pair].0 = time,
                Side::Reference => times[case][pair].1 = time,
            }
        }
        for (state, times) in states.iter_mut().zip(times) {
            state.finish_round(seed, &times);
        }
        Ok(())
    }

    /// Runs one side as often as a unit needs; returns its time in nanoseconds.
    fn unit(&mut self, state: &mut CaseState<'_>, side: Side, pair: usize) -> Result<f64> {
        let mut time = 0.0;
        for _ in 0..state.timed.runs {
            let outcome = self.once(state.case, side, Role::Measure, pair)?;
            time += outcome.wall_ns as f64;
            let tar = outcome.pack.as_ref().map_or(0, |pack| pack.tar_size);
            state.timed.cold += usize::from(is_cold(&outcome.usage, tar));
        }
        Ok(time)
    }

    fn once(&mut self, case: &Case, side: Side, role: Role, pair: usize) -> Result<Outcome> {
        let outcome = self.arms.run(case, side)?;
        let label = Label { role, case: case.name(), arm: self.arms.arm(side), pair };
        (self.note)(label, &outcome)?;
        Ok(outcome)
    }
}

impl CaseState<'_> {
    fn batch_verdicts(&self) -> Vec<BatchVerdict> {
        self.timed.batches.iter().map(|batch| decision::judge_batch(&batch.ratio)).collect()
    }

    /// Whether it needs a round of so many pairs: its first batch, more of that, or a fresh one.
    fn needs_round(&self, pairs: usize) -> bool {
        self.timed.batches.is_empty()
            || self.pairs_in_open_batch(pairs) > 0
            || self.batch_verdicts() == [BatchVerdict::Suspect]
    }

    /// How many pairs the batch that the next round belongs to has already: none, unless that one is to be extended.
    fn pairs_in_open_batch(&self, pairs: usize) -> usize {
        let wide = |batch: &&Batch| batch.pairs == pairs && !decision::is_narrow(&batch.ratio);
        self.timed.batches.last().filter(wide).map_or(0, |batch| batch.pairs)
    }

    /// Takes the times of a round.
    fn finish_round(&mut self, seed: u64, times: &[(f64, f64)]) {
        let pairs_in_open_batch = self.pairs_in_open_batch(times.len());
        let extended = if pairs_in_open_batch > 0 { self.timed.batches.pop() } else { None };
        let seed = extended.map_or(seed, |batch| batch.seed);
        self.pairs.extend_from_slice(times);
        let pairs = pairs_in_open_batch + times.len();
        let times = &self.pairs[self.pairs.len() - pairs..];
        let median = |side: fn(&(f64, f64)) -> f64| {
            stats::median(&times.iter().map(side).collect::<Vec<_>>()).map_or(0, |median| median.value as u64)
        };
        let medians_ns = [median(|times| times.0), median(|times| times.1)];
        if let Some(ratio) = stats::ratio(times) {
            self.timed.batches.push(Batch { seed, pairs, ratio: ratio.into(), medians_ns });
        }
    }

    /// The case with its decision, of batches of so many pairs.
    fn decided(self, pairs: usize) -> TimedCase {
        // Only the time limit leaves out a round.
        let ruling = match decision::decide(&self.batch_verdicts()) {
            Some(ruling) if !self.needs_round(pairs) => ruling,
            _ => Decision::OutOfTime,
        };
        TimedCase { ratio: stats::ratio(&self.pairs).map(Interval::from), ruling, ..self.timed }
    }
}
