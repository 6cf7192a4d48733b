//! All gates together, without a process: what each fault breaks, what a run comes to, what can be accepted of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::Result;
use harness::gate::decision::Decision;
use harness::gate::expected::Expected;
use harness::gate::gate_run::{BaseOrigin, BaseRevision, GateOutcome, GateRun, SCHEMA, TimeGate, TimeMeasurement};
use harness::gate::time::{TimeTrial, TimedBuild};
use harness::gate::{Accepted, Budget, ExactGates, Tree};
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
    /// Its time ÷ that of the base.
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
        let wall_ns = (3e9 * self.ratio) as u64;
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
const ACCEPTED: &str =
    "size | main | none | 50000000\nsize | main | gzip:5 | 20000000\nsize | further | zstd:3 | 4000000\n";

/// The revision of the base, and that of the packer under test.
const REVISIONS: [&str; 2] = ["0123456789abcdef0123456789abcdef01234567", "76543210fedcba9876543210fedcba9876543210"];

/// A record in `results`; where it is.
pub(super) fn record(results: &TempDir) -> PathBuf {
    gated_in(results, Fault::None, 1.0, true).0
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
    let mut base = Packer { fault: Fault::None, ratio: 1.0, ..packer(10_000_000) };
    let mut candidate = Packer { fault: Fault::None, ..packer(10_000_000) };
    let trial = TimeTrial {
        subject: "timed",
        tree: None,
        cases: &[case("gzip:5", 2)],
        candidate: ("new", &mut candidate),
        base: &mut base,
        seed: 1,
        limit: Duration::MAX,
    };
    let TimedBuild { cases: timed, images } = trial.run(&mut log, &mut Ear::default()).unwrap();
    assert!(images.verdict.holds(), "{}", images.line());
    let calibration = calibrated.then(|| "2026-01-01-calibration".to_owned());
    let run = GateRun {
        schema: SCHEMA,
        date: "2026-01-02".into(),
        topic: "gate".into(),
        seed: 1,
        fault: None,
        environment: Environment {
            processor: "a processor".into(),
            cores: 2,
            filesystem: "ext4".into(),
            revision: REVISIONS[1].into(),
            ..Environment::default()
        },
        findings: examined.findings,
        sizes: examined.sizes,
        base_build: None,
        time: TimeGate::Measured(TimeMeasurement {
            subject: "timed".into(),
            base: BaseRevision { revision: REVISIONS[0].into(), origin: BaseOrigin::MergeBase },
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
    let (_place, run) = gated(Fault::None, 1.0, true);
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
        let (_place, run) = gated(fault, 1.0, true);
        assert_eq!(broken(&run), gates, "{fault:?}: {:#?}", run.lines());
        assert_eq!(run.conclusion(), GateOutcome::Failed);
        assert!(gates.iter().all(|gate| run.verdict().contains(gate.name())), "{}", run.verdict());
    }
}

#[test]
fn a_packer_that_does_not_run_is_not_measured() {
    let (_place, run) = gated(Fault::Failing, 1.0, true);
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
    let (conclusion, line, verdict) = of(1.2, true);
    assert_eq!(conclusion, GateOutcome::Failed);
    assert!(line.contains("REGRESSION") && line.contains("slower, twice") && verdict.contains("T time"), "{line}");
    let (conclusion, line, verdict) = of(1.2, false);
    assert_eq!((conclusion, verdict.as_str()), (GateOutcome::Passed, "The gates PASS; time is not judged."));
    assert!(
        line.contains("warns only") && line.contains("slower, twice") && line.contains("never calibrated"),
        "{line}"
    );
}

/// What is broken counts more than what is unknown, and that more than what varies.
#[test]
fn a_run_comes_to_the_worst_that_is_known() {
    let (_place, sound) = gated(Fault::None, 1.0, true);
    let with = |ruling: Decision, verdict: GateVerdict| {
        let mut run = sound.clone();
        run.findings[3].verdict = verdict;
        if let TimeGate::Measured(timing) = &mut run.time {
            timing.timed.iter_mut().for_each(|timed| timed.ruling = ruling);
        }
        run.conclusion().code()
    };
    let (passed, missing) = (|| GateVerdict::Passed, || GateVerdict::NotMeasured("why".into()));
    let broken = || GateVerdict::Broken { expected: "1".into(), found: "2".into() };
    assert_eq!(with(Decision::Passed, passed()), 0);
    assert_eq!(with(Decision::Passed, GateVerdict::Reduced("why".into())), 0);
    assert_eq!(with(Decision::Inconclusive, passed()), 3);
    assert_eq!(with(Decision::Inconclusive, missing()), 2);
    assert_eq!(with(Decision::OutOfTime, passed()), 2);
    assert_eq!(with(Decision::Slower, missing()), 1);
    assert_eq!(with(Decision::Passed, broken()), 1);
    assert_eq!(GateRun { complete: false, ..sound.clone() }.conclusion().code(), 2);
    assert_eq!(GateRun { time: TimeGate::Failed("why".into()), ..sound.clone() }.conclusion().code(), 2);
    let quiet = GateRun { time: TimeGate::NotAsked, ..sound };
    assert_eq!((quiet.conclusion().code(), quiet.verdict().as_str()), (0, "The gates PASS; time is not judged."));
}

#[test]
fn what_a_run_found_can_be_accepted_and_shows_as_rows() {
    let mut expected: Expected = ACCEPTED.parse().unwrap();
    let (_place, sound) = gated(Fault::None, 1.0, true);
    assert_eq!(expected.accept(&sound, Accepted::Sizes).unwrap(), Vec::<String>::new());
    // Who accepts a size does not accept a slower packer by the way.
    let (_place, run) = gated(Fault::LargerImage, 1.2, true);
    assert_eq!(
        expected.accept(&run, Accepted::Sizes).unwrap(),
        ["- size | main | gzip:5 | 20000000", "+ size | main | gzip:5 | 20000001"]
    );
    assert_eq!(expected.accept(&run, Accepted::SizesAndBase).unwrap(), [format!("+ base | {}", REVISIONS[1])]);
    assert_eq!(expected.base(), Some(REVISIONS[1]));
    assert_eq!(expected.accept(&run, Accepted::SizesAndBase).unwrap(), Vec::<String>::new());
    // The next base is compared with this one, and its price is told.
    let mut next = run;
    next.environment.revision = "f".repeat(40);
    let why = expected.accept(&next, Accepted::SizesAndBase).unwrap_err();
    assert!(why.contains("not compared with the accepted base"), "{why}");
    let TimeGate::Measured(timing) = &mut next.time else { unreachable!() };
    timing.base.revision = REVISIONS[1].into();
    assert_eq!(
        expected.accept(&next, Accepted::SizesAndBase).unwrap(),
        [
            format!("- base | {}", REVISIONS[1]),
            format!("+ base | {}", "f".repeat(40)),
            "gzip:5 2 threads: 1.20 [1.20, 1.20] × the base before".to_owned()
        ]
    );
}

#[test]
fn what_is_incomplete_or_broken_cannot_be_accepted() {
    let accepted: Expected = ACCEPTED.parse().unwrap();
    let refused = |run: &GateRun| {
        let mut expected = accepted.clone();
        let why = expected.accept(run, Accepted::SizesAndBase).unwrap_err();
        assert_eq!(expected, accepted, "something was accepted although {why}");
        why
    };
    for fault in [Fault::HiddenTar, Fault::SecondRead, Fault::Buffered, Fault::FlippedByte, Fault::LostEntry] {
        let why = refused(&gated(fault, 1.0, true).1);
        assert!(why.contains("does not hold"), "{fault:?}: {why}");
    }
    assert!(refused(&gated(Fault::Failing, 1.0, true).1).contains("does not hold"));
    let sound = || gated(Fault::None, 1.0, true).1;
    assert!(refused(&GateRun { complete: false, ..sound() }).contains("its end"));
    assert!(refused(&GateRun { sizes: Vec::new(), ..sound() }).contains("no sizes"));
    assert!(refused(&GateRun { time: TimeGate::Failed("no disk".into()), ..sound() }).contains("no disk"));
    assert!(refused(&GateRun { fault: Some("slow-walk".into()), ..sound() }).contains("slow-walk"));
    let mut changed = sound();
    changed.environment.dirty = true;
    assert!(refused(&changed).contains("changed tree"));
}
