//! All gates together, without a process: what each fault breaks, what a run comes to, what can be accepted of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::Result;
use harness::gate::decision::{Decision, PAIRS};
use harness::gate::expected::Expected;
use harness::gate::gate_run::{Against, GateOutcome, GateRun, SCHEMA, TimeGate, TimeMeasurement};
use harness::gate::paired_trial::{PairedTrial, StrategyArms, TimedCase};
use harness::gate::{Budget, ExactGates, Ratios, Tree};
use harness::inspect::{Comparison, Difference, InnerTar, Inspection, Listing};
use harness::plan::Work;
use harness::record::{Journal, SampleLog, samples};
use harness::run::{
    BytesWritten, DiskLimitRunner, Encoder, Environment, Io, LimitedRun, Outcome, PackRecord, Runner, Usage,
};
use harness::verify::{Gate, GateVerdict};
use packer::Strategy;
use tempfile::TempDir;

use super::{Ear, case};

/// What is wrong with a packer that is made up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    HiddenTar,
    SecondRead,
    Buffered,
    FlippedByte,
    LostEntry,
    LargerImage,
    Failing,
}

const MIB: u64 = 1 << 20;

struct Packer<'a> {
    fault: Fault,
    tar: u64,
    rootfs: &'a Path,
    /// Single-stream ÷ two-pass.
    ratio: f64,
}

impl Packer<'_> {
    fn size(&self, compression: &str) -> u64 {
        let larger = u64::from(self.fault == Fault::LargerImage && compression == "gzip:5");
        if compression == "none" { self.tar } else { self.tar * 2 / 5 + larger }
    }
}

impl Runner for Packer<'_> {
    fn run(&mut self, work: Work<'_>) -> Result<Outcome> {
        let Work::Pack(case, strategy) = work else { unreachable!("gates pack") };
        if self.fault == Fault::Failing {
            return Err(harness::Error::run(work.name(), "exit code 1: an error"));
        }
        let (size, stream) = (self.size(&case.compression), strategy == Strategy::SingleStream);
        let temporary_tar = if stream || case.compression == "none" { 0 } else { self.tar };
        let written = size + temporary_tar + if stream && self.fault == Fault::HiddenTar { self.tar } else { 0 };
        let read = self.tar * if self.fault == Fault::SecondRead { 2 } else { 1 };
        let pack = PackRecord {
            fingerprint: case.compression.clone(),
            size,
            tar_size: self.tar,
            encoders: vec![Encoder { name: "libfake".into(), version: "1.0".into() }],
            bytes_read: self.tar,
            bytes_written: BytesWritten { temporary_tar, image: size },
            scratch_peak: size + temporary_tar,
            vm_hwm: Some(20 * MIB + if self.fault == Fault::Buffered { size } else { 0 }),
            ..PackRecord::default()
        };
        let usage = Usage { io: Some(Io { read, written, fetched: 0, ..Io::default() }), ..Usage::default() };
        let wall_ns = (3e9 * if stream { self.ratio } else { 1.0 }) as u64;
        Ok(Outcome { wall_ns, usage, image_size: size, pack: Some(pack), ..Outcome::default() })
    }

    fn inspect(&mut self, work: Work<'_>, tree: &Listing) -> Result<(Outcome, Inspection)> {
        let outcome = self.run(work)?;
        assert_eq!(tree, &Listing::of_tree(self.rootfs).unwrap().with_owner(1, 2), "it is compared with another tree");
        let lost =
            Comparison { differing: 1, first: Some(Difference::Missing { path: "a".into() }), ..Comparison::default() };
        let comparison = if self.fault == Fault::LostEntry { lost } else { Comparison::default() };
        let inside = InnerTar { diff_id: "tar".into(), size: self.tar, comparison: Ok(comparison) };
        let sha256 = outcome.pack.as_ref().unwrap().fingerprint.clone();
        Ok((
            outcome,
            match self.fault {
                Fault::FlippedByte => Inspection { sha256: "another".into(), tar: Err("invalid checksum".into()) },
                _ => Inspection { sha256, tar: Ok(inside) },
            },
        ))
    }
}

impl DiskLimitRunner for Packer<'_> {
    fn run_with_disk_limit(&mut self, work: Work<'_>, room: u64) -> Result<LimitedRun> {
        let io = self.run(work)?.usage.io.unwrap();
        Ok(if io.written <= room {
            LimitedRun::Succeeded
        } else {
            LimitedRun::Failed("no space left on device".into())
        })
    }
}

/// What is accepted of these trees.
const ACCEPTED: &str = "size | main | none | 50000000\nsize | main | gzip:5 | 20000000\nsize | further | zstd:3 | 4000000\n\
                        ratio | timed | gzip:5 2 threads | a processor, 2 cores, ext4 | 0.8\n";

/// A record in `results`; where it is.
pub(super) fn record(results: &TempDir) -> PathBuf {
    gated_in(results, Fault::None, 0.8, true).0
}

/// A run of all gates.
fn gated(fault: Fault, ratio: f64, calibrated: bool) -> (TempDir, GateRun) {
    let place = TempDir::new().unwrap();
    let run = gated_in(&place, fault, ratio, calibrated).1;
    (place, run)
}

/// A run of all gates that is recorded in `place`; where its record is.
fn gated_in(place: &TempDir, fault: Fault, ratio: f64, calibrated: bool) -> (PathBuf, GateRun) {
    let rootfs = TempDir::new().unwrap();
    std::fs::write(rootfs.path().join("file"), "content").unwrap();
    let mut journal = Journal::create(place.path(), "2026-01-02", "gate").unwrap();
    let packer = |tar| Packer { fault, tar, rootfs: rootfs.path(), ratio };
    let [mut main, mut further, mut small, mut large] = [50_000_000, 10_000_000, 64_000_000, 512_000_000].map(packer);
    let expected: Expected = ACCEPTED.parse().unwrap();
    let exact = ExactGates {
        owner: (1, 2),
        tree: Tree { name: "main".into(), rootfs: rootfs.path().into(), runner: &mut main },
        cases: vec![case("none", 2), case("gzip:5", 1), case("gzip:5", 2)],
        further: Tree { name: "further".into(), rootfs: rootfs.path().into(), runner: &mut further },
        compressions: vec!["zstd:3".into()],
        inputs: [("small", &mut small), ("large", &mut large)].map(|(name, runner)| Tree {
            name: name.into(),
            rootfs: rootfs.path().into(),
            runner,
        }),
        budgets: vec![Budget { compression: "gzip:5".into(), most: 64 * MIB }],
        expected: &expected,
    };
    let mut log = SampleLog::of(&mut journal);
    let examined = exact.run(&mut log, &mut Ear::default());
    let ratio = expected.ratio("timed", "gzip:5 2 threads", "a processor, 2 cores, ext4");
    let trial = PairedTrial { cases: vec![(case("gzip:5", 2), ratio)], pairs: PAIRS, seed: 1, limit: Duration::MAX };
    let mut timed = Packer { fault: Fault::None, ..packer(10_000_000) };
    let mut note = |label, outcome: &Outcome| log.append(label, outcome);
    let timed = trial.run(&mut StrategyArms(&mut timed), &mut note, &mut Ear::default()).unwrap();
    let calibration = calibrated.then(|| "2026-01-01-calibration".to_owned());
    let run = GateRun {
        schema: SCHEMA,
        date: "2026-01-02".into(),
        topic: "gate".into(),
        seed: 1,
        environment: Environment {
            processor: "a processor".into(),
            cores: 2,
            filesystem: "ext4".into(),
            ..Environment::default()
        },
        findings: examined.findings,
        sizes: examined.sizes,
        time: TimeGate::Measured(TimeMeasurement {
            subject: "timed".into(),
            against: Against::TwoPass,
            calibration,
            timed,
        }),
        complete: true,
    };
    run.save(&journal).unwrap();
    assert!(GateRun::read(journal.directory()).unwrap() == run, "what is read back is not what was written");
    let kept = samples(journal.directory()).unwrap();
    assert!(kept.iter().enumerate().all(|(number, sample)| sample.sequence == number));
    (journal.directory().to_owned(), run)
}

fn broken(run: &GateRun) -> Vec<Gate> {
    let broken = run.findings.iter().filter(|finding| matches!(finding.verdict, GateVerdict::Broken { .. }));
    broken.map(|finding| finding.gate).collect()
}

#[test]
fn a_sound_packer_passes_all_gates() {
    let (_place, run) = gated(Fault::None, 0.8, true);
    assert_eq!((broken(&run), run.conclusion()), (vec![], GateOutcome::Passed), "{:#?}", run.lines());
    assert_eq!(run.lines().len(), Gate::ALL.len() + 1);
    assert!(run.findings.iter().map(|finding| finding.gate).eq(Gate::ALL));
    assert_eq!(run.verdict(), "The gates PASS.");
}

#[test]
fn each_fault_breaks_its_gates_and_no_other() {
    for (fault, gates) in [
        (Fault::HiddenTar, vec![Gate::Space, Gate::Written]),
        (Fault::SecondRead, vec![Gate::Read]),
        (Fault::Buffered, vec![Gate::Memory]),
        (Fault::FlippedByte, vec![Gate::Sameness]),
        (Fault::LostEntry, vec![Gate::Sameness]),
        (Fault::LargerImage, vec![Gate::Sizes]),
    ] {
        let (_place, run) = gated(fault, 0.8, true);
        assert_eq!(broken(&run), gates, "{fault:?}: {:#?}", run.lines());
        assert_eq!(run.conclusion(), GateOutcome::Failed);
        assert!(gates.iter().all(|gate| run.verdict().contains(gate.name())), "{}", run.verdict());
    }
}

#[test]
fn a_packer_that_does_not_run_is_not_measured() {
    let (_place, run) = gated(Fault::Failing, 0.8, true);
    assert_eq!(run.conclusion(), GateOutcome::NotMeasured);
    assert!(
        run.findings
            .iter()
            .all(|finding| matches!(&finding.verdict, GateVerdict::NotMeasured(why) if why.contains("an error")))
    );
}

#[test]
fn time_blocks_where_it_was_calibrated_and_warns_elsewhere() {
    let of = |ratio, calibrated| {
        let (_place, run) = gated(Fault::None, ratio, calibrated);
        (run.conclusion(), run.lines().pop().unwrap(), run.verdict())
    };
    let (conclusion, line, verdict) = of(0.95, true);
    assert_eq!(conclusion, GateOutcome::Failed);
    assert!(line.contains("REGRESSION") && line.contains("slower, twice") && verdict.contains("T time"), "{line}");
    let (conclusion, line, verdict) = of(0.95, false);
    assert_eq!((conclusion, verdict.as_str()), (GateOutcome::Passed, "The gates PASS; time is not judged."));
    assert!(
        line.contains("warns only") && line.contains("slower, twice") && line.contains("never calibrated"),
        "{line}"
    );
}

/// Calibrated, and yet nothing to compare with.
#[test]
fn without_an_accepted_ratio_time_only_warns() {
    let (_place, mut run) = gated(Fault::None, 0.8, true);
    let TimeGate::Measured(timing) = &mut run.time else { panic!("nothing was timed") };
    timing.timed.iter_mut().for_each(|timed| (timed.expected, timed.ruling) = (None, None));
    assert_eq!(
        (run.conclusion(), run.verdict().as_str()),
        (GateOutcome::Passed, "The gates PASS; time is not judged.")
    );
    assert!(
        run.time.line().contains("warns only") && run.time.line().contains("no ratio was accepted"),
        "{:?}",
        run.time
    );
}

/// What is broken counts more than what is unknown, and that more than what varies.
#[test]
fn a_run_comes_to_the_worst_that_is_known() {
    let (_place, sound) = gated(Fault::None, 0.8, true);
    let with = |ruling: Option<Decision>, verdict: GateVerdict| {
        let mut run = sound.clone();
        run.findings[3].verdict = verdict;
        if let TimeGate::Measured(timing) = &mut run.time {
            timing.timed.iter_mut().for_each(|timed: &mut TimedCase| timed.ruling = ruling);
        }
        run.conclusion().code()
    };
    let (passed, missing) = (|| GateVerdict::Passed, || GateVerdict::NotMeasured("why".into()));
    let broken = || GateVerdict::Broken { expected: "1".into(), found: "2".into() };
    assert_eq!(with(Some(Decision::Passed), passed()), 0);
    assert_eq!(with(Some(Decision::Passed), GateVerdict::Reduced("why".into())), 0);
    assert_eq!(with(Some(Decision::Inconclusive), passed()), 3);
    assert_eq!(with(None, passed()), 2);
    assert_eq!(with(Some(Decision::Inconclusive), missing()), 2);
    assert_eq!(with(Some(Decision::Slower), missing()), 1);
    assert_eq!(with(Some(Decision::Passed), broken()), 1);
    assert_eq!(GateRun { complete: false, ..sound.clone() }.conclusion().code(), 2);
    assert_eq!(GateRun { time: TimeGate::Failed("why".into()), ..sound.clone() }.conclusion().code(), 2);
    let quiet = GateRun { time: TimeGate::NotAsked, ..sound };
    assert_eq!((quiet.conclusion().code(), quiet.verdict().as_str()), (0, "The gates PASS; time is not judged."));
}

#[test]
fn what_a_run_found_can_be_accepted_and_shows_as_rows() {
    let mut expected: Expected = ACCEPTED.parse().unwrap();
    let (_place, sound) = gated(Fault::None, 0.8, true);
    assert_eq!(expected.accept(&sound, Ratios::New).unwrap(), Vec::<String>::new());
    // Who accepts a size does not accept a slower packer by the way.
    let (_place, run) = gated(Fault::LargerImage, 0.85, true);
    assert_eq!(
        expected.accept(&run, Ratios::New).unwrap(),
        ["- size | main | gzip:5 | 20000000", "+ size | main | gzip:5 | 20000001"]
    );
    assert_eq!(
        expected.accept(&run, Ratios::All).unwrap(),
        [
            "- ratio | timed | gzip:5 2 threads | a processor, 2 cores, ext4 | 0.8000",
            "+ ratio | timed | gzip:5 2 threads | a processor, 2 cores, ext4 | 0.8500",
        ]
    );
    assert_eq!(expected.accept(&run, Ratios::All).unwrap(), Vec::<String>::new());
    // A class of machine of which nothing was accepted.
    let mut elsewhere = run;
    elsewhere.environment.cores = 4;
    assert_eq!(
        expected.accept(&elsewhere, Ratios::New).unwrap(),
        ["+ ratio | timed | gzip:5 2 threads | a processor, 4 cores, ext4 | 0.8500"]
    );
}

#[test]
fn what_is_incomplete_or_broken_cannot_be_accepted() {
    let accepted: Expected = ACCEPTED.parse().unwrap();
    let refused = |run: &GateRun| {
        let mut expected = accepted.clone();
        let why = expected.accept(run, Ratios::All).unwrap_err();
        assert_eq!(expected, accepted, "something was accepted although {why}");
        why
    };
    for fault in [Fault::HiddenTar, Fault::SecondRead, Fault::Buffered, Fault::FlippedByte, Fault::LostEntry] {
        let why = refused(&gated(fault, 0.8, true).1);
        assert!(why.contains("does not hold"), "{fault:?}: {why}");
    }
    assert!(refused(&gated(Fault::Failing, 0.8, true).1).contains("does not hold"));
    let sound = || gated(Fault::None, 0.8, true).1;
    assert!(refused(&GateRun { complete: false, ..sound() }).contains("its end"));
    assert!(refused(&GateRun { sizes: Vec::new(), ..sound() }).contains("no sizes"));
    assert!(refused(&GateRun { time: TimeGate::Failed("no disk".into()), ..sound() }).contains("no disk"));
}

/// Ratios of another kind, ratios that vary too much, and those of a tree that came from a disk are no ratios to
/// compare with.
#[test]
fn only_narrow_ratios_of_the_strategies_are_accepted() {
    let mut expected: Expected = ACCEPTED.parse().unwrap();
    for change in [
        |timing: &mut TimeMeasurement| timing.against = Against::Base("abc".into()),
        |timing: &mut TimeMeasurement| {
            let ratio = timing.timed[0].ratio.as_mut().unwrap();
            (ratio.low, ratio.high) = (0.7, 1.0);
        },
        |timing: &mut TimeMeasurement| timing.timed[0].cold = 1,
    ] {
        let (_place, mut run) = gated(Fault::None, 0.85, true);
        let TimeGate::Measured(timing) = &mut run.time else { panic!("nothing was timed") };
        change(timing);
        assert_eq!(expected.accept(&run, Ratios::All).unwrap(), Vec::<String>::new());
    }
}
