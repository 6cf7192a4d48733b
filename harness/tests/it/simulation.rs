//! The gate on time, tried on machines that are made up: how often it fails, and how often it should have.
//!
//! Everything but the machine is real: schedule, pairs, statistics, decision. `METHODOLOGY.md` shows the table that
//! this makes, and is compared with it.

use std::fmt::Write;
use std::time::Duration;

use fixtures::Random;
use harness::Result;
use harness::gate::decision::{Decision, PAIRS, is_narrow};
use harness::gate::paired_trial::{PairedTrial, TimedCase, TrialArms};
use harness::plan::{Case, Side};
use harness::record::{Label, Role};
use harness::run::Outcome;

use super::{Ear, case};

/// Trials of each machine.
const TRIALS: u64 = 1_000;

/// A machine, and what has happened to the packer.
#[derive(Clone, Copy)]
struct Machine {
    name: &'static str,
    /// The standard deviation of the logarithm of a pair's ratio.
    deviation: f64,
    /// How much slower the candidate is.
    slower: f64,
    /// One run in ten takes longer, by up to this.
    spikes: f64,
    /// How much faster the first run of a pair is.
    first: f64,
    /// How much slower the machine is at the end of a batch than at its beginning.
    drift: f64,
}

const STEADY: Machine =
    Machine { name: "pairs vary by 5 %", deviation: 0.05, slower: 0.0, spikes: 0.0, first: 0.0, drift: 0.0 };

/// A machine at work.
struct Simulation {
    machine: Machine,
    random: Random,
    runs: u32,
}

impl Simulation {
    fn uniform(&mut self) -> f64 {
        self.random.uniform()
    }

    /// Box and Muller's way to a normal number.
    fn normal(&mut self) -> f64 {
        let (radius, angle) = ((-2.0 * self.uniform().ln()).sqrt(), std::f64::consts::TAU * self.uniform());
        radius * angle.cos()
    }
}

impl TrialArms for Simulation {
    fn run(&mut self, _: &Case, side: Side) -> Result<Outcome> {
        let Machine { deviation, slower, spikes, first, drift, .. } = self.machine;
        let mut seconds = match side {
            Side::Candidate => 4.0 * (1.0 + slower),
            Side::Reference => 4.0,
        };
        seconds *= (self.normal() * deviation / 2.0_f64.sqrt()).exp();
        let (spiked, by) = (self.uniform() < 0.1, self.uniform());
        seconds *= if spiked { 1.0 + spikes * by } else { 1.0 };
        seconds *= if self.runs.is_multiple_of(2) { 1.0 - first } else { 1.0 };
        seconds *= 1.0 + drift * f64::from(self.runs) / (2 * PAIRS) as f64;
        self.runs += 1;
        Ok(Outcome { wall_ns: (seconds * 1e9) as u64, ..Outcome::default() })
    }

    fn arm(&self, _: Side) -> &'static str {
        "simulated"
    }
}

fn gated(machine: Machine, seed: u64, limit: Duration) -> TimedCase {
    let trial = PairedTrial { cases: vec![case("gzip:5", 2)], pairs: PAIRS, seed, limit };
    // The generator's first numbers are like its seed.
    let mut simulation = Simulation { machine, random: Random::new(seed), runs: 0 };
    for _ in 0..8 {
        simulation.uniform();
    }
    trial.run(&mut simulation, &mut |_, _| Ok(()), &mut Ear::default()).unwrap().remove(0)
}

/// Of a thousand: passed, slower, inconclusive.
fn rulings(machine: Machine) -> [usize; 3] {
    let mut counts = [0; 3];
    for seed in 0..TRIALS {
        let ruling = gated(machine, seed, Duration::MAX).ruling;
        counts[match ruling {
            Decision::Passed => 0,
            Decision::Slower => 1,
            Decision::Inconclusive | Decision::OutOfTime => 2,
        }] += 1;
    }
    counts
}

#[test]
fn no_change_never_fails_and_a_fifth_slower_is_caught() {
    let machines = [
        STEADY,
        Machine { name: "pairs vary by 3 %", deviation: 0.03, ..STEADY },
        Machine { name: "pairs vary by 8 %", deviation: 0.08, ..STEADY },
        Machine { name: "pairs vary by 12 %", deviation: 0.12, ..STEADY },
        Machine { name: "one run in ten takes up to half as long again", spikes: 0.5, ..STEADY },
        Machine { name: "the first of a pair is 5.5 % faster", first: 0.055, ..STEADY },
        Machine { name: "a batch ends 30 % slower than it begins", drift: 0.3, ..STEADY },
    ];
    let mut table = String::from("| of 1,000 trials, if | not slower | 5 % slower | 10 % | 15 % | 20 % |\n");
    table += "|---|---|---|---|---|---|\n";
    for machine in machines {
        write!(table, "| {} |", machine.name).unwrap();
        for percent in [0, 5, 10, 15, 20] {
            let [passed, slower, open] = rulings(Machine { slower: f64::from(percent) / 100.0, ..machine });
            write!(table, " {passed} / {slower} / {open} |").unwrap();
            assert!(percent > 0 || slower == 0, "{}: {slower} false failures", machine.name);
            assert!(percent != 20 || slower >= 950, "{}: {slower} of 1000 caught", machine.name);
        }
        table += "\n";
    }
    let told = include_str!("../../METHODOLOGY.md");
    let told =
        told.split_once("<!-- simulation:begin -->\n").unwrap().1.split_once("<!-- simulation:end -->").unwrap().0;
    assert!(told == table, "METHODOLOGY.md does not show what the simulation makes:\n{table}");
}

/// What is faster than it was never fails, however much.
#[test]
fn getting_faster_passes() {
    for slower in [-0.1, -0.5] {
        assert_eq!(rulings(Machine { slower, ..STEADY }), [1_000, 0, 0]);
    }
}

/// A fresh batch is run for what is suspect, never for anything else, and never a third; a batch is extended if it is
/// wide, and once.
#[test]
fn there_are_as_many_batches_as_it_takes() {
    let batches = |machine| {
        let batches = gated(machine, 1, Duration::MAX).batches;
        batches.iter().map(|batch| (batch.seed, batch.pairs)).collect::<Vec<_>>()
    };
    let quiet = Machine { deviation: 0.01, ..STEADY };
    assert_eq!(batches(quiet), [(1, PAIRS)]);
    assert_eq!(batches(Machine { slower: 0.2, ..quiet }), [(1, PAIRS), (2, PAIRS)]);
    let loud = Machine { deviation: 0.5, ..STEADY };
    assert_eq!(batches(loud), [(1, 2 * PAIRS)], "and still too wide");
    let (mut extended, mut most) = (0, 0);
    for seed in 0..100 {
        let timed = gated(Machine { slower: 0.5, deviation: 0.12, ..STEADY }, seed, Duration::MAX);
        for (batch, next) in timed.batches.iter().zip(timed.batches[1..].iter().map(Some).chain([None])) {
            assert!([PAIRS, 2 * PAIRS].contains(&batch.pairs));
            assert!(batch.pairs > PAIRS || is_narrow(&batch.ratio), "{timed:?} has a wide batch that was not extended");
            assert!(next.is_none_or(|next| next.seed == batch.seed + (batch.pairs / PAIRS) as u64));
            extended += usize::from(batch.pairs > PAIRS);
        }
        most = most.max(timed.batches.iter().map(|batch| batch.pairs).sum());
    }
    assert!((20..180).contains(&extended) && most == 4 * PAIRS, "{extended} extended, {most} pairs at most");
}

/// What was extended is judged by all of its pairs, and samples number them through.
#[test]
fn a_batch_that_was_extended_is_one() {
    let trial = PairedTrial { cases: vec![case("none", 1)], pairs: PAIRS, seed: 1, limit: Duration::MAX };
    /// Is steady from its thirteenth pair on.
    struct Calm(usize);
    impl TrialArms for Calm {
        fn run(&mut self, _: &Case, _: Side) -> Result<Outcome> {
            self.0 += 1;
            let seconds = if self.0 <= 2 * (PAIRS + 1) && self.0.is_multiple_of(3) { 4 } else { 3 };
            Ok(Outcome { wall_ns: seconds * 1_000_000_000, ..Outcome::default() })
        }
        fn arm(&self, side: Side) -> &'static str {
            if side == Side::Candidate { "a" } else { "b" }
        }
    }
    let mut pairs = Vec::new();
    let mut note = |label: Label, _: &Outcome| {
        pairs.extend((label.role == Role::Measure).then_some((label.pair, label.arm)));
        Ok(())
    };
    let timed = trial.run(&mut Calm(0), &mut note, &mut Ear::default()).unwrap().remove(0);
    assert_eq!((timed.batches.len(), timed.batches[0].pairs, timed.batches[0].seed), (1, 2 * PAIRS, 1));
    assert_eq!(timed.ratio.as_ref(), Some(&timed.batches[0].ratio));
    assert_eq!((timed.batches[0].ratio.value, timed.ruling), (1.0, Decision::Passed));
    pairs.sort_unstable();
    let each: Vec<(usize, &str)> = (0..2 * PAIRS).flat_map(|pair| [(pair, "a"), (pair, "b")]).collect();
    assert_eq!(pairs, each);
}

/// A batch takes about 87 s here. What does not fit the time is not begun, and nothing is said of it.
#[test]
fn what_does_not_fit_the_time_is_not_measured() {
    let machine = Machine { slower: 0.2, deviation: 0.01, ..STEADY };
    for (limit, batches, ruling) in
        [(60, 0, Decision::OutOfTime), (120, 1, Decision::OutOfTime), (240, 2, Decision::Slower)]
    {
        let timed = gated(machine, 1, Duration::from_secs(limit));
        assert_eq!((timed.batches.len(), timed.ruling), (batches, ruling), "{limit} s");
    }
}

/// A unit is at least two seconds.
#[test]
fn short_runs_are_put_together() {
    struct Short;
    impl TrialArms for Short {
        fn run(&mut self, _: &Case, _: Side) -> Result<Outcome> {
            Ok(Outcome { wall_ns: 700_000_000, ..Outcome::default() })
        }
        fn arm(&self, _: Side) -> &'static str {
            "short"
        }
    }
    let trial = PairedTrial { cases: vec![case("none", 1)], pairs: PAIRS, seed: 1, limit: Duration::MAX };
    let mut runs = 0;
    let mut note = |_, _: &Outcome| {
        runs += 1;
        Ok(())
    };
    let timed = trial.run(&mut Short, &mut note, &mut Ear::default()).unwrap().remove(0);
    assert_eq!((timed.runs, runs, timed.ruling), (3, 2 + PAIRS * 2 * 3, Decision::Passed));
    assert_eq!(timed.batches[0].medians_ns, [2_100_000_000; 2]);
}
