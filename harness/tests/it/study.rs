//! Studies without a process: the points are run, recorded, read back and reported.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use harness::Result;
use harness::inspect::{Comparison, Difference, InnerTar, Inspection, Listing};
use harness::plan::{CODECS, Limit, Point, Work, curve, scaling};
use harness::record::{Journal, PackedTree, Role, STUDY_SCHEMA, Study, StudyKind};
use harness::report::StudyReport;
use harness::run::{Environment, Outcome, PackRecord, PeerRunner, Runner};
use tempfile::TempDir;

use super::Ear;

/// A higher level takes longer and makes a smaller image, except where it is told otherwise.
struct Levels {
    /// This level's image is larger than the one below.
    broken: Option<&'static str>,
    /// The image of this point is not the tree.
    other: Option<&'static str>,
    entries: u64,
    tar_size: u64,
}

impl Runner for Levels {
    fn run(&mut self, work: Work<'_>) -> Result<Outcome> {
        let (level, ours) = match &work {
            Work::Pack(case, _) => (case.compression.rsplit(':').next().unwrap().parse().unwrap_or(0), true),
            Work::Peer { name, .. } => (name.rsplit('-').next().unwrap().parse().unwrap_or(0), false),
            Work::Floor(_) => unreachable!("a study has no floors"),
        };
        let broken = matches!(&work, Work::Pack(case, _) if Some(case.compression.as_str()) == self.broken);
        let size = self.tar_size / 2 - level * 1_000_000 + if broken { 5_000_000 } else { 0 };
        let pack = PackRecord {
            fingerprint: "f".into(),
            tar_size: self.tar_size,
            entries: self.entries,
            vm_hwm: Some(20_000_000),
            ..PackRecord::default()
        };
        let seconds = (self.tar_size as f64 / 1e9) * (1 + level) as f64 * if ours { 1.0 } else { 3.0 };
        let wall_ns = (seconds * 1e9) as u64;
        Ok(Outcome { wall_ns, image_size: size, pack: ours.then_some(pack), ..Outcome::default() })
    }

    fn inspect(&mut self, work: Work<'_>, _: &Listing) -> Result<(Outcome, Inspection)> {
        let Work::Pack(case, _) = &work else { unreachable!("another tool's image is looked at in another way") };
        let comparison = Ok(self.compared(&case.compression));
        let tar = InnerTar { diff_id: "tar".into(), size: self.tar_size, comparison };
        Ok((self.run(work)?, Inspection { sha256: "f".into(), tar: Ok(tar) }))
    }
}

impl PeerRunner for Levels {
    fn inspect_peer(
        &mut self,
        work: Work<'_>,
        _: &Listing,
        _: &[Limit],
    ) -> Result<(Outcome, std::result::Result<Comparison, String>)> {
        let Work::Peer { name, .. } = &work else { unreachable!("ours is looked at in another way") };
        let comparison = self.compared(name);
        Ok((self.run(work)?, Ok(comparison)))
    }
}

impl Levels {
    fn compared(&self, point: &str) -> Comparison {
        let first = (self.other == Some(point)).then(|| Difference::Missing { path: "etc".into() });
        Comparison { differing: u64::from(first.is_some()), first, ..Comparison::default() }
    }
}

fn subject(name: &str) -> PackedTree {
    PackedTree { name: name.into(), entries: 0, tar_size: 0, diff_id: String::new(), locked: None }
}

fn studied(kind: StudyKind, trees: &[(&str, u64, u64)], broken: Option<&'static str>) -> (TempDir, Study) {
    let results = TempDir::new().unwrap();
    let study = studied_in(&results, kind, trees, broken, None).1;
    (results, study)
}

/// A study that is recorded in `results`; where its record is.
fn studied_in(
    results: &TempDir,
    kind: StudyKind,
    trees: &[(&str, u64, u64)],
    broken: Option<&'static str>,
    other: Option<&'static str>,
) -> (PathBuf, Study) {
    let names: Vec<&str> = trees.iter().map(|(name, ..)| *name).collect();
    let mut study = Study {
        schema: STUDY_SCHEMA,
        kind,
        date: "2026-01-02".into(),
        topic: "test".into(),
        command: String::new(),
        rounds: 3,
        seed: 1,
        environment: Environment { cores: 2, ..Environment::default() },
        subjects: names.iter().map(|name| subject(name)).collect(),
        points: match kind {
            StudyKind::Curve => curve(2, &[]),
            StudyKind::Scaling => scaling(&names, 2),
        },
        checks: Vec::new(),
        complete: false,
        samples: Vec::new(),
    };
    let mut runners: Vec<Levels> =
        trees.iter().map(|&(_, tar_size, entries)| Levels { broken, other, entries, tar_size }).collect();
    let mut journal = Journal::create(results.path(), "2026-01-02", "test").unwrap();
    let listings = vec![Listing::default(); trees.len()];
    study.run(&listings, &mut runners, &mut journal, &mut Ear::default()).unwrap();
    let read = Study::read(journal.directory()).unwrap();
    assert_eq!(read.samples, study.samples, "what is read back is not what was written");
    (journal.directory().to_owned(), read)
}

/// A record in `results`; where it is.
pub(super) fn record(results: &TempDir, kind: StudyKind) -> PathBuf {
    studied_in(results, kind, &[("a tree", 1_000_000_000, 50_000)], None, None).0
}

#[test]
fn every_point_is_run_in_every_round_and_the_page_needs_nobody() {
    let (results, study) = studied(StudyKind::Curve, &[("a tree", 1_000_000_000, 50_000)], None);
    let counted = study.samples.iter().filter(|sample| sample.role == Role::Measure).count();
    assert_eq!(counted, study.points.len() * study.rounds);
    assert!(study.is_sound() && study.subjects[0].entries == 50_000, "{:?}", study.checks);
    let report = StudyReport::new(&study);
    let verdict = report.verdict.join("\n");
    assert!(verdict.contains("onepass gzip never made a larger image: 12 levels"), "{verdict}");
    assert!(verdict.contains("onepass zstd never made a larger image: 19 levels"), "{verdict}");
    // A tool is compared with ours of its format only.
    for (tool, codec, other) in [("`gzip -", "gzip:", "zstd:"), ("`zstd -", "zstd:", "gzip:")] {
        let sentence = report.verdict.iter().find(|sentence| sentence.contains(tool));
        assert!(sentence.is_none_or(|sentence| sentence.contains(codec) && !sentence.contains(other)), "{verdict}");
    }
    let directory = results.path().join("2026-01-02-test");
    report.write(&directory).unwrap();
    let page = fs::read_to_string(directory.join("report.html")).unwrap();
    for foreign in ["http://", "https://", "<script", "src="] {
        assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(foreign), "{foreign}");
    }
    StudyReport::new(&Study::read(&directory).unwrap()).write(&directory).unwrap();
    assert_eq!(fs::read_to_string(directory.join("report.html")).unwrap(), page);
}

#[test]
fn the_codecs_of_a_curve_share_it_out() {
    let of = |codec: &str| curve(2, &[codec.to_owned()]);
    let gzip: BTreeSet<String> = of("gzip").into_iter().map(|point| point.series).collect();
    assert!(gzip.contains("onepass gzip") && !gzip.contains("onepass zstd"), "{gzip:?}");
    assert!(gzip.iter().all(|name| ["onepass gzip", "gzip", "pigz"].contains(&name.as_str())), "{gzip:?}");
    let names = |points: Vec<Point>| -> BTreeSet<String> { points.into_iter().map(|point| point.name).collect() };
    // We have no curve of xz, which stands beside the others only.
    let whole = curve(2, &[]).into_iter().filter(|point| point.series != "xz").collect();
    let [gzip, zstd] = CODECS.map(|codec| names(of(codec)));
    assert!(gzip.is_disjoint(&zstd), "some are in two");
    assert_eq!(&gzip | &zstd, names(whole));
}

#[test]
fn a_level_that_makes_larger_images_breaks_its_promise_aloud() {
    let (_results, study) = studied(StudyKind::Curve, &[("a tree", 1_000_000_000, 50_000)], Some("gzip:7"));
    assert!(!study.is_sound(), "the command fails");
    let verdict = StudyReport::new(&study).verdict.join("\n");
    assert!(verdict.contains("BROKEN PROMISE: `onepass gzip:7` is larger than `onepass gzip:6`"), "{verdict}");
    assert!(verdict.contains("onepass zstd never made a larger image"), "{verdict}");
}

/// Each of our points and of other tools is compared with the tree once.
#[test]
fn an_image_that_is_not_the_tree_breaks_the_study() {
    let found = curve(2, &[]).into_iter().find_map(|point| Some(point.name).filter(|name| name.starts_with("gzip -")));
    for (other, law) in [("zstd:4", "an image holds"), (found.as_deref().unwrap(), "the images of other tools hold")] {
        let results = TempDir::new().unwrap();
        let trees = [("a tree", 1_000_000_000, 50_000)];
        let other: &'static str = String::leak(other.to_owned());
        let (_, study) = studied_in(&results, StudyKind::Curve, &trees, None, Some(other));
        let broken: Vec<&str> =
            study.checks.iter().filter(|check| !check.holds).map(|check| check.law.as_str()).collect();
        assert!(broken.len() == 1 && broken[0].starts_with(law), "{broken:?}");
        let verdict = StudyReport::new(&study).verdict;
        assert!(verdict[0].starts_with("FAILED") && verdict[0].contains("`etc` is missing"), "{verdict:?}");
    }
}

#[test]
fn scaling_tells_the_cost_of_a_byte_and_of_an_entry() {
    let trees = [
        ("large 1", 100_000_000, 5_000),
        ("large 2", 4_000_000_000, 200_000),
        ("many 1", 10_000_000, 10_000),
        ("many 2", 1_000_000_000, 1_000_000),
    ];
    let (_results, study) = studied(StudyKind::Scaling, &trees, None);
    let verdict = StudyReport::new(&study).verdict.join("\n");
    assert!(
        verdict.contains("`none`: 1.00 to 1.00 s for a GB of tar, whatever the size (the most is 0 % above the least)"),
        "{verdict}"
    );
    assert!(verdict.contains("1.00 to 1.00 µs for an entry of a tree of small files (0 %)"), "{verdict}");
}

#[test]
fn a_study_that_was_cut_short_says_so() {
    let (_results, mut study) = studied(StudyKind::Curve, &[("a tree", 1_000_000_000, 50_000)], None);
    study.complete = false;
    study.samples.truncate(5);
    assert!(StudyReport::new(&study).verdict[0].starts_with("INCOMPLETE"));
}
