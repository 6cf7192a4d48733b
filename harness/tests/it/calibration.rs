//! Whether the gate on time may fail: calibrations of packers that are made up.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;

use harness::Result;
use harness::gate::calibration::{Build, Calibration, Counts, SAME, SCHEMA, SLOWED};
use harness::gate::decision::{Decision, PAIRS};
use harness::inspect::{Inspection, Listing};
use harness::plan::Work;
use harness::record::{Journal, samples};
use harness::report::CalibrationReport;
use harness::run::{Environment, Outcome, Runner};
use tempfile::TempDir;

use super::{Ear, case};

/// Takes so long, give or take a hundredth; fails when all of them have run so often.
struct Steady<'a> {
    seconds: f64,
    runs: &'a Cell<u64>,
    most: u64,
}

impl Runner for Steady<'_> {
    fn run(&mut self, work: Work<'_>) -> Result<Outcome> {
        self.runs.set(self.runs.get() + 1);
        if self.runs.get() > self.most {
            return Err(harness::Error::run(work.name(), "no space left on device"));
        }
        let noise = 1.0 + (self.runs.get() * 37 % 11) as f64 / 1_000.0;
        Ok(Outcome { wall_ns: (self.seconds * noise * 1e9) as u64, ..Outcome::default() })
    }

    fn inspect(&mut self, _: Work<'_>, _: &Listing) -> Result<(Outcome, Inspection)> {
        unreachable!("a calibration only times")
    }
}

fn planned(wanted: [usize; 2]) -> Calibration {
    Calibration {
        schema: SCHEMA,
        date: "2026-01-02".into(),
        topic: "calibration".into(),
        environment: Environment {
            processor: "a processor".into(),
            cores: 2,
            filesystem: "ext4".into(),
            ..Environment::default()
        },
        subject: "a fake".into(),
        cases: vec![case("gzip:5", 2), case("zstd:3", 2)],
        faults: vec!["slow-walk".into(), "slow-write".into()],
        seed: 1,
        wanted,
        runs: Vec::new(),
        complete: false,
    }
}

/// Builds that take three seconds; the one under test so many times as long, and a slowed one a fifth longer.
#[derive(Clone, Copy)]
struct Machine {
    same: f64,
    /// After so many packs the disk is full.
    most: u64,
}

const SOUND: Machine = Machine { same: 1.0, most: u64::MAX };

fn go_on(calibration: &mut Calibration, journal: &mut Journal, machine: Machine) -> Result<()> {
    let runs: &'static Cell<u64> = Box::leak(Box::default());
    let mut builds = |build: Build<'_>| {
        let seconds = match build {
            Build::Slowed(_) => 3.6,
            Build::Same => 3.0 * machine.same,
            Build::Base => 3.0,
        };
        Box::new(Steady { seconds, runs, most: machine.most }) as Box<dyn Runner>
    };
    let before = samples(journal.directory())?.len();
    calibration.run("0123456789", &mut builds, journal, before, &mut Ear::default())
}

/// The plan whose runs make so many decisions: two each.
const ENOUGH: [usize; 2] = [SAME / 2, SLOWED / 2];

fn calibrated(results: &TempDir, wanted: [usize; 2], machine: Machine) -> (Result<()>, Calibration, Journal) {
    let mut journal = Journal::create(results.path(), "2026-01-02", "calibration").unwrap();
    let mut calibration = planned(wanted);
    let result = go_on(&mut calibration, &mut journal, machine);
    (result, calibration, journal)
}

fn sound(results: &TempDir) -> (Calibration, Journal) {
    let (result, calibration, journal) = calibrated(results, ENOUGH, SOUND);
    result.unwrap();
    (calibration, journal)
}

/// A record in `results`; where it is.
pub(super) fn record(results: &TempDir) -> PathBuf {
    sound(results).1.directory().to_owned()
}

#[test]
fn a_gate_that_is_right_may_fail_and_is_recorded_and_reported() {
    let results = TempDir::new().unwrap();
    let (calibration, journal) = sound(&results);
    assert!(calibration.complete && calibration.permits());
    assert_eq!(calibration.counts(false), Counts { passed: SAME, ..Counts::default() });
    assert_eq!(calibration.counts(true), Counts { slower: SLOWED, ..Counts::default() });
    // Slowed ones stand among the others, and every fault has its turn.
    let first = calibration.runs.iter().position(|run| run.fault.is_some()).unwrap();
    assert!(first < SAME / 2, "all slowed ones come last");
    for (fault, runs) in [("slow-walk", 3), ("slow-write", 2)] {
        assert_eq!(calibration.counts_of(|run, _| run.fault.as_deref() == Some(fault)).slower, 2 * runs);
    }
    assert!(
        Calibration::read(journal.directory()).unwrap() == calibration,
        "what is read back is not what was written"
    );
    // Each decision has a run to warm up for both arms, and a fresh batch if the first is suspect.
    let kept = samples(journal.directory()).unwrap();
    assert_eq!(kept.len(), (SAME + SLOWED) * (2 + 2 * PAIRS) + SLOWED * 2 * PAIRS);
    assert!(kept.iter().enumerate().all(|(number, sample)| sample.sequence == number));
    let report = CalibrationReport::new(&calibration, &kept);
    report.write(journal.directory()).unwrap();
    assert_eq!(report.verdict[0], "The gate on time may fail on a processor, 2 cores, ext4.");
    assert!(report.verdict[1].contains("0 times called slower, 40 times not"), "{:?}", report.verdict);
    assert!(report.verdict[1].contains("between 0.0 and 16.8 % of all runs"), "{:?}", report.verdict);
    assert!(report.verdict[2].contains("10 times called slower, 0 times not"), "{:?}", report.verdict);
    assert!(report.verdict[2].contains("between 47.8 and 100.0 % of all runs"), "{:?}", report.verdict);
    assert_eq!(report.comparisons.rows.len(), SAME + SLOWED);
    assert!(!fs::read_to_string(journal.directory().join("report.html")).unwrap().contains("verdict bad"));
}

#[test]
fn a_gate_that_is_wrong_too_often_only_warns() {
    let results = TempDir::new().unwrap();
    let (calibration, _) = sound(&results);
    let after = |slowed: bool, wrong: usize, ruling: Decision| {
        let mut calibration = calibration.clone();
        let of_kind = calibration.runs.iter_mut().filter(|run| run.fault.is_some() == slowed);
        of_kind.flat_map(|run| &mut run.timed).take(wrong).for_each(|timed| timed.ruling = ruling);
        calibration.permits()
    };
    assert!(!Calibration { complete: false, ..calibration.clone() }.permits(), "more was planned");
    assert!(!after(false, 1, Decision::Slower), "it called the same build slower");
    assert!(after(false, SAME / 2, Decision::Inconclusive), "noise is no false alarm");
    assert!(!after(false, SAME, Decision::Inconclusive), "it was never sure");
    assert!(after(true, 1, Decision::Passed) && after(true, 1, Decision::Inconclusive));
    assert!(!after(true, 2, Decision::Passed) && !after(true, 2, Decision::Inconclusive));
    let (_, slow, _) = calibrated(&results, ENOUGH, Machine { same: 1.2, ..SOUND });
    assert!(!slow.permits() && CalibrationReport::new(&slow, &[]).verdict[0].contains("only warns"));
}

#[test]
fn a_few_decisions_show_nothing() {
    let results = TempDir::new().unwrap();
    for wanted in [[SAME / 2 - 1, SLOWED / 2], [SAME / 2, SLOWED / 2 - 1], [1, 1]] {
        let (result, calibration, journal) = calibrated(&results, wanted, SOUND);
        result.unwrap();
        assert!(calibration.complete && !calibration.permits(), "{wanted:?}");
        let report = CalibrationReport::new(&calibration, &[]);
        report.write(journal.directory()).unwrap();
        assert!(report.verdict[0].starts_with("INCOMPLETE"));
        // The page warns before it is read.
        assert!(fs::read_to_string(journal.directory().join("report.html")).unwrap().contains("verdict bad"));
    }
    assert_eq!(Calibration::newest(results.path(), "a processor, 2 cores, ext4").unwrap(), None);
}

#[test]
fn a_calibration_that_is_cut_short_counts_for_nothing_and_goes_on_where_it_stopped() {
    let results = TempDir::new().unwrap();
    let (result, calibration, journal) = calibrated(&results, ENOUGH, Machine { most: 300, ..SOUND });
    assert!(result.unwrap_err().to_string().contains("no space left on device"));
    let kept = Calibration::read(journal.directory()).unwrap();
    assert!(kept == calibration && !kept.complete && !kept.permits());
    let before = kept.runs.len();
    assert!(before >= 3, "{before} runs of the gate");
    assert_eq!(Calibration::newest(results.path(), "a processor, 2 cores, ext4").unwrap(), None);
    // The run that was cut short is run anew: its samples go, and so does one that was not written to its end.
    let file = journal.directory().join("samples.jsonl");
    let torn = fs::read_to_string(&file).unwrap() + "{\"schema\":";
    fs::write(&file, torn).unwrap();
    let found = samples(journal.directory()).unwrap();
    let finished = kept.finished_samples(&found);
    assert!(finished < found.len() && found[finished].case.starts_with(&format!("run {}: ", before + 1)));
    let (mut resumed, mut journal) = (kept.clone(), Journal::resume(journal.directory(), finished).unwrap());
    assert_eq!(samples(journal.directory()).unwrap()[..], found[..finished]);
    go_on(&mut resumed, &mut journal, SOUND).unwrap();
    assert!(resumed.permits() && resumed.runs[..before] == kept.runs);
    // The plan is the one that was begun.
    let faults = |calibration: &Calibration| calibration.runs.iter().map(|run| run.fault.clone()).collect::<Vec<_>>();
    assert_eq!(faults(&resumed), faults(&sound(&results).0));
    let all = samples(journal.directory()).unwrap();
    assert_eq!(all.len(), samples(sound(&results).1.directory()).unwrap().len());
    assert!(all.iter().enumerate().all(|(number, one)| one.sequence == number));
}

/// The newest of the same class of machine counts, even if it says that the gate is not to be trusted any more.
#[test]
fn the_newest_calibration_of_a_class_of_machine_counts() {
    let results = TempDir::new().unwrap();
    let newest = |class: &str| Calibration::newest(results.path(), class).unwrap().map(|(name, _)| name);
    assert_eq!(newest("a processor, 2 cores, ext4"), None);
    // A schema has the name of a record's file, and is none.
    fs::create_dir(results.path().join("schema")).unwrap();
    fs::write(results.path().join("schema/calibration.json"), "{}").unwrap();
    assert_eq!(newest("a processor, 2 cores, ext4"), None);
    for name in ["2026-01-02-calibration", "2026-01-02-calibration-2", "2026-01-02-calibration-3"] {
        sound(&results);
        assert_eq!(newest("a processor, 2 cores, ext4").as_deref(), Some(name));
    }
    assert_eq!(newest("a processor, 4 cores, ext4"), None);
    fs::rename(results.path().join("2026-01-02-calibration-3"), results.path().join("2026-01-02-calibration-10"))
        .unwrap();
    assert_eq!(newest("a processor, 2 cores, ext4").as_deref(), Some("2026-01-02-calibration-10"));
    calibrated(&results, ENOUGH, Machine { same: 1.2, ..SOUND }).0.unwrap();
    let (name, calibration) = Calibration::newest(results.path(), "a processor, 2 cores, ext4").unwrap().unwrap();
    assert_eq!((name.as_str(), calibration.permits()), ("2026-01-02-calibration-10", true));
    fs::rename(results.path().join("2026-01-02-calibration-3"), results.path().join("2026-01-03-calibration")).unwrap();
    let (name, calibration) = Calibration::newest(results.path(), "a processor, 2 cores, ext4").unwrap().unwrap();
    assert_eq!((name.as_str(), calibration.permits()), ("2026-01-03-calibration", false));
}
