//! Whether the gate on time may fail: calibrations of packers that are made up.

use std::fs;
use std::path::PathBuf;

use harness::Result;
use harness::gate::calibration::{
    BuildComparison, Calibration, CalibrationBuilds, Counts, ReferenceKind, SAME, SCHEMA, SLOWED, TestedBuild,
};
use harness::gate::decision::{Decision, PAIRS};
use harness::inspect::{Inspection, Listing};
use harness::plan::Work;
use harness::record::{Journal, samples};
use harness::report::CalibrationReport;
use harness::run::{Environment, Outcome, Runner};
use packer::Strategy;
use tempfile::TempDir;

use super::{Ear, case};

/// Takes so long for one stream, and a third longer for two passes, give or take a hundredth; fails when it has run so
/// often.
struct Steady {
    seconds: f64,
    runs: u64,
    most: u64,
}

impl Steady {
    fn new(seconds: f64) -> Self {
        Steady { seconds, runs: 0, most: u64::MAX }
    }
}

impl Runner for Steady {
    fn run(&mut self, work: Work<'_>) -> Result<Outcome> {
        self.runs += 1;
        if self.runs > self.most {
            return Err(harness::Error::run(work.name(), "no space left on device"));
        }
        let noise = 1.0 + (self.runs * 37 % 11) as f64 / 1_000.0;
        let longer = if matches!(work, Work::Pack(_, Strategy::TwoPass)) { 4.0 / 3.0 } else { 1.0 };
        Ok(Outcome { wall_ns: (self.seconds * longer * noise * 1e9) as u64, ..Outcome::default() })
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
        cases: vec![case("gzip:5", 2), case("zstd:3", 1)],
        pairs: PAIRS,
        seed: 1,
        wanted,
        accepted: Vec::new(),
        comparisons: Vec::new(),
        complete: false,
    }
}

/// A calibration in `results`, of a packer that takes as long as `same` says where it should take three seconds.
fn calibrated(results: &TempDir, wanted: [usize; 2], same: Steady) -> (Result<()>, Calibration, Journal) {
    let mut journal = Journal::create(results.path(), "2026-01-02", "calibration").unwrap();
    let (mut base, mut same, mut slowed) = (Steady::new(3.0), same, Steady::new(3.6));
    let mut calibration = planned(wanted);
    let subjects = CalibrationBuilds { base: &mut base, same: &mut same, slowed: &mut slowed };
    let result = calibration.run(subjects, &mut journal, &mut Ear::default());
    (result, calibration, journal)
}

fn sound(results: &TempDir) -> (Calibration, Journal) {
    let (result, calibration, journal) = calibrated(results, [SAME, SLOWED], Steady::new(3.0));
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
    assert_eq!(calibration.counts(TestedBuild::Same), Counts { passed: SAME, ..Counts::default() });
    assert_eq!(calibration.counts(TestedBuild::Slowed), Counts { slower: SLOWED, ..Counts::default() });
    // Slowed ones stand among the others.
    let first = calibration.comparisons.iter().position(|comparison| comparison.kind == TestedBuild::Slowed).unwrap();
    assert!(first < SAME, "all slowed ones come last");
    assert!(
        Calibration::read(journal.directory()).unwrap() == calibration,
        "what is read back is not what was written"
    );
    // Each has a run to warm up for both arms, and a fresh batch if it is suspect; before them, what is accepted of
    // each case.
    let kept = samples(journal.directory()).unwrap();
    assert_eq!(kept.len(), (2 + SAME + SLOWED) * (2 + 2 * PAIRS) + SLOWED * 2 * PAIRS);
    let accepted: Vec<f64> = calibration.accepted.iter().map(|timed| timed.ratio.unwrap().value).collect();
    assert!(accepted.len() == 2 && accepted.iter().all(|ratio| (ratio * 4.0 - 3.0).abs() < 0.02), "{accepted:?}");
    // Every case stands beside two passes, with the accepted ratio, as often as beside one stream.
    for (case, accepted) in ["gzip:5 2 threads", "zstd:3 1 thread"].into_iter().zip(accepted) {
        for (beside, expected) in [(ReferenceKind::TwoPass, accepted), (ReferenceKind::Base, 1.0)] {
            let of = |wanted: TestedBuild| {
                calibration.counts_of(|BuildComparison { kind, beside: way, timed }| {
                    (*kind, *way) == (wanted, beside) && timed.case == case && timed.expected == Some(expected)
                })
            };
            assert_eq!(of(TestedBuild::Same), Counts { passed: SAME / 4, ..Counts::default() }, "{case}, {beside:?}");
            assert!(of(TestedBuild::Slowed).slower >= SLOWED / 4, "{case}, {beside:?}: {:?}", of(TestedBuild::Slowed));
        }
    }
    assert!(kept.iter().enumerate().all(|(number, sample)| sample.sequence == number));
    let report = CalibrationReport::new(&calibration, &kept);
    report.write(journal.directory()).unwrap();
    assert_eq!(report.verdict[0], "The gate on time may fail on a processor, 2 cores, ext4.");
    assert!(report.verdict[1].contains("0 times called slower, 40 times not"), "{:?}", report.verdict);
    assert!(report.verdict[1].contains("between 0.0 and 8.8 % of all times"), "{:?}", report.verdict);
    assert!(report.verdict[2].contains("10 times called slower, 0 times not"), "{:?}", report.verdict);
    assert!(report.verdict[2].contains("between 69.2 and 100.0 % of all times"), "{:?}", report.verdict);
    assert_eq!(report.comparisons.rows.len(), SAME + SLOWED);
    assert!(!fs::read_to_string(journal.directory().join("report.html")).unwrap().contains("verdict bad"));
}

#[test]
fn a_gate_that_is_wrong_too_often_only_warns() {
    let results = TempDir::new().unwrap();
    let (calibration, _) = sound(&results);
    let after = |kind: TestedBuild, wrong: usize, ruling: Decision| {
        let mut calibration = calibration.clone();
        let of_kind = calibration.comparisons.iter_mut().filter(|comparison| comparison.kind == kind);
        of_kind.take(wrong).for_each(|comparison| comparison.timed.ruling = Some(ruling));
        calibration.permits()
    };
    assert!(!Calibration { complete: false, ..calibration.clone() }.permits(), "more was asked for");
    assert!(!after(TestedBuild::Same, 1, Decision::Slower), "it called the same packer slower");
    assert!(after(TestedBuild::Same, SAME, Decision::Inconclusive), "noise is no false alarm");
    assert!(after(TestedBuild::Slowed, 1, Decision::Passed) && after(TestedBuild::Slowed, 1, Decision::Inconclusive));
    assert!(!after(TestedBuild::Slowed, 2, Decision::Passed) && !after(TestedBuild::Slowed, 2, Decision::Inconclusive));
    let (_, slow, _) = calibrated(&results, [SAME, SLOWED], Steady::new(3.6));
    assert!(!slow.permits() && CalibrationReport::new(&slow, &[]).verdict[0].contains("only warns"));
}

#[test]
fn a_few_comparisons_show_nothing() {
    let results = TempDir::new().unwrap();
    for wanted in [[SAME - 1, SLOWED], [SAME, SLOWED - 1], [1, 1]] {
        let (result, calibration, journal) = calibrated(&results, wanted, Steady::new(3.0));
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
fn a_calibration_that_is_cut_short_keeps_what_it_compared_and_counts_for_nothing() {
    let results = TempDir::new().unwrap();
    let failing = Steady { most: 150, ..Steady::new(3.0) };
    let (result, calibration, journal) = calibrated(&results, [SAME, SLOWED], failing);
    assert!(result.unwrap_err().to_string().contains("no space left on device"));
    let kept = Calibration::read(journal.directory()).unwrap();
    assert!(kept == calibration && !kept.complete && !kept.permits());
    assert!(kept.counts(TestedBuild::Same).all() >= 7, "{:?}", kept.counts(TestedBuild::Same));
    assert_eq!(Calibration::newest(results.path(), "a processor, 2 cores, ext4").unwrap(), None);
}

/// The newest of the same class of machine counts, even if it says that the gate is not to be trusted any more.
#[test]
fn the_newest_calibration_of_a_class_of_machine_counts() {
    let results = TempDir::new().unwrap();
    let newest = |class: &str| Calibration::newest(results.path(), class).unwrap().map(|(name, _)| name);
    assert_eq!(newest("a processor, 2 cores, ext4"), None);
    for name in ["2026-01-02-calibration", "2026-01-02-calibration-2", "2026-01-02-calibration-3"] {
        sound(&results);
        assert_eq!(newest("a processor, 2 cores, ext4").as_deref(), Some(name));
    }
    assert_eq!(newest("a processor, 4 cores, ext4"), None);
    fs::rename(results.path().join("2026-01-02-calibration-3"), results.path().join("2026-01-02-calibration-10"))
        .unwrap();
    assert_eq!(newest("a processor, 2 cores, ext4").as_deref(), Some("2026-01-02-calibration-10"));
    calibrated(&results, [SAME, SLOWED], Steady::new(3.6)).0.unwrap();
    let (name, calibration) = Calibration::newest(results.path(), "a processor, 2 cores, ext4").unwrap().unwrap();
    assert_eq!((name.as_str(), calibration.permits()), ("2026-01-02-calibration-10", true));
    fs::rename(results.path().join("2026-01-02-calibration-3"), results.path().join("2026-01-03-calibration")).unwrap();
    let (name, calibration) = Calibration::newest(results.path(), "a processor, 2 cores, ext4").unwrap().unwrap();
    assert_eq!((name.as_str(), calibration.permits()), ("2026-01-03-calibration", false));
}
