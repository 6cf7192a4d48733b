//! A whole bench without a process: a fake runner, real records, a real report.

mod calibration;
mod compare;
mod conditions;
mod fake;
mod gates;
mod lxd;
mod peers;
mod processes;
mod readme;
mod records;
mod schema;
mod simulation;
mod study;

use std::fs;
use std::time::Duration;

use fake::{Fake, Fault};
use harness::Result;
use harness::bench::Bench;
use harness::inspect::Listing;
use harness::plan::{Case, HashProgram, PEERS, Peer, Suite};
use harness::progress::Progress;
use harness::record::{FidelityFigure, Journal, PackedTree, PeerRecord, Record, Role, Run, SCHEMA};
use harness::report::Report;
use harness::run::Environment;
use harness::stats::noise_lines;
use tempfile::TempDir;

/// Counts what it is told.
#[derive(Default)]
struct Ear(usize);

impl Progress for Ear {
    fn update(&mut self, done: usize, all: usize, name: &str, _: Option<Duration>) {
        assert!(done < all && !name.is_empty());
        self.0 += 1;
    }
}

fn case(compression: &str, threads: usize) -> Case {
    Case { compression: compression.into(), threads }
}

fn planned() -> Run {
    let peers = [(&PEERS[1], None), (&PEERS[2], Some("pigz".to_owned()))];
    let peer = |(peer, missing): (&Peer, Option<String>)| PeerRecord::planned(peer, HashProgram::Openssl, missing);
    Run {
        schema: SCHEMA,
        date: "2026-01-02".into(),
        topic: "test".into(),
        suite: Suite::Quick,
        command: "cargo xtask bench --pairs 8".into(),
        pairs: 8,
        seed: 1,
        subject: PackedTree { name: "a fake".into(), entries: 0, tar_size: 0, diff_id: String::new(), locked: None },
        likeness: Vec::new(),
        environment: Environment::default(),
        cases: vec![case("none", 2), case("gzip:5", 1), case("gzip:5", 2)],
        peers: peers.map(peer).to_vec(),
        checks: Vec::new(),
        complete: false,
        comparisons: Vec::new(),
        peer_comparisons: Vec::new(),
    }
}

fn bench(fault: Fault, results: &TempDir) -> (Result<Record>, std::path::PathBuf) {
    let mut journal = Journal::create(results.path(), "2026-01-02", "test").unwrap();
    let floors = vec![planned().cases[2].clone()];
    let bench = Bench { run: planned(), tree: Listing::default(), peer_rounds: 3, floors };
    let record = bench.run(&mut Fake { runs: 0, peers: 0, fault }, &mut journal, &mut Ear::default());
    (record, journal.directory().to_owned())
}

#[test]
fn a_bench_is_recorded_and_reported() {
    let results = TempDir::new().unwrap();
    let (record, directory) = bench(Fault::None, &results);
    let record = record.unwrap();
    assert!(record.run.complete && record.run.checks.iter().all(|check| check.holds), "{:?}", record.run.checks);
    assert!(Record::read(&directory).unwrap() == record, "what is read back is not what was written");
    let counted = record.samples.iter().filter(|sample| sample.role == Role::Measure).count();
    // Pairs of three cases, a floor, and a peer between ours with one thread and with all.
    assert_eq!(counted, 3 * 8 * 2 + 3 + 3 * 3);
    let gzip = &record.run.comparisons[2];
    assert!((gzip.ratio.value - 0.8).abs() < 0.01 && gzip.ratio.confidence >= 0.95, "{gzip:?}");
    assert_eq!((gzip.two_pass.scratch_peak, gzip.single_stream.scratch_peak), (140_000_000, 40_000_000));
    let report = Report::new(&record);
    let verdict = report.verdict.join("\n");
    for words in [
        "One fingerprint",
        "140 MB instead of 40.0 MB",
        "71 % less",
        "faster in 2 of the 2 cases that compress, by 20 %",
        "2.2",
    ] {
        assert!(verdict.contains(words), "{words}: {verdict}");
    }
    assert!(report.peers.text().contains("pigz is not installed"));
    // Floor: (1 + 6 + 0.5) s ÷ 2 cores; single-stream takes 4 s and a little.
    let floor = report.floor.unwrap().text();
    assert!(floor.contains("3.75 s") && floor.contains("1.07"), "{floor}");
}

#[test]
fn a_report_is_made_from_its_record_alone_and_always_the_same() {
    let results = TempDir::new().unwrap();
    let (_, directory) = bench(Fault::None, &results);
    let texts = [0, 1].map(|_| {
        Report::new(&Record::read(&directory).unwrap()).write(&directory).unwrap();
        fs::read_to_string(directory.join("report.html")).unwrap()
    });
    assert_eq!(texts[0], texts[1]);
    for foreign in ["http://", "https://", "<script", "src="] {
        let found = texts[0].replace("http://www.w3.org/2000/svg", "").contains(foreign);
        assert!(!found, "the page refers to something: {foreign}");
    }
}

#[test]
fn a_fixture_is_shown_beside_the_real_tree_and_a_record_without_that_is_read() {
    let results = TempDir::new().unwrap();
    let (record, directory) = bench(Fault::None, &results);
    let mut record = record.unwrap();
    assert!(!fs::read_to_string(directory.join("run.json")).unwrap().contains("likeness"));
    let page = |record: &Record| {
        Report::new(record).write(&directory).unwrap();
        fs::read_to_string(directory.join("report.md")).unwrap()
    };
    assert!(!page(&record).contains("How near the fixture is"));
    let likeness =
        |what: &str, near| FidelityFigure { what: what.into(), real: "2.48".into(), fixture: "2.47".into(), near };
    record.run.likeness = vec![likeness("elf: ratio", true), likeness("mo: ratio", false)];
    let page = page(&record);
    assert!(page.contains("| elf: ratio | 2.48 | 2.47 |  |"), "{page}");
    assert!(page.contains("| mo: ratio | 2.48 | 2.47 | farther than it should be |"), "{page}");
}

/// The fake's one stream takes four fifths of the time of its two passes, and holds the image instead of image and tar.
#[test]
fn the_claim_of_2019_stands_beside_what_is_found() {
    let results = TempDir::new().unwrap();
    let record = bench(Fault::None, &results).0.unwrap();
    let sentence = |record: &Record| Report::new(record).verdict.into_iter().find(|line| line.contains("2019"));
    let told = sentence(&record).unwrap();
    assert!(told.contains("the space is reproduced") && told.contains("more is saved"), "{told}");
    let mut larger = record.clone();
    larger.run.subject.tar_size *= 2;
    assert!(sentence(&larger).unwrap().contains("NOT reproduced"));
    let mut other = record;
    other.run.cases.retain(|case| !case.compression.starts_with("gzip"));
    assert_eq!(sentence(&other), None, "it was about gzip");
}

/// Runs of the fake vary by at most one per cent; the runs of a pair by what stands between their numbers.
#[test]
fn noise_is_what_varies_and_nothing_else() {
    let results = TempDir::new().unwrap();
    let mut record = bench(Fault::None, &results).0.unwrap();
    let lines = noise_lines(&record);
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.pairs == 8 && (0.0001..0.01).contains(&line.pair)), "{lines:?}");
    // What is twice as slow in every run varies no more.
    let slower = |sample: &mut harness::record::Sample| sample.wall_ns *= 2;
    record.samples.iter_mut().filter(|sample| sample.arm == "two-pass").for_each(slower);
    for (line, before) in noise_lines(&record).iter().zip(&lines) {
        assert!((line.pair - before.pair).abs() < 1e-9 && (line.half_width - before.half_width).abs() < 1e-6);
    }
    record.samples.retain(|sample| sample.pair == 0);
    assert_eq!(noise_lines(&record), [], "one pair has no noise that could be told");
}

#[test]
fn each_broken_law_is_told_and_nothing_is_measured() {
    for (fault, law) in [
        (Fault::OtherImage, "one fingerprint"),
        (Fault::OtherHash, "the fingerprint is the sha256 of the file"),
        (Fault::OtherTar, "every image holds the same tar"),
        (Fault::NoTar, "every image holds the same tar"),
        (Fault::Dropped, "an image holds the 0 entries of its tree"),
        (Fault::HiddenScratch, "single-stream needs no more disk than the image"),
        (Fault::WrittenTwice, "single-stream writes no more than 1.01 × the image"),
    ] {
        let results = TempDir::new().unwrap();
        let record = bench(fault, &results).0.unwrap();
        let broken: Vec<_> = record.run.checks.iter().filter(|check| !check.holds).collect();
        // Another image has another hash as well; every other fault breaks one law only.
        assert!(broken.iter().any(|check| check.law.contains(law)), "{law}: {broken:?}");
        assert!(fault == Fault::OtherImage || broken.len() == 1, "{law}: {broken:?}");
        assert!(!record.run.complete && record.samples.iter().all(|sample| sample.role == Role::Verify));
        assert!(Report::new(&record).verdict[0].starts_with("FAILED"));
    }
}

#[test]
fn a_timed_run_that_makes_another_image_is_told() {
    let results = TempDir::new().unwrap();
    let record = bench(Fault::Unsteady, &results).0.unwrap();
    let broken: Vec<_> = record.run.checks.iter().filter(|check| !check.holds).collect();
    assert!(matches!(&broken[..], [check] if check.detail == "53 of 54 runs"), "{broken:?}");
    assert!(record.run.complete && !record.run.holds(), "it was measured, and is no success");
    let verdict = Report::new(&record).verdict;
    assert!(verdict[0].starts_with("FAILED after the runs were measured"), "{verdict:?}");
    assert!(verdict.len() > 1, "the figures are shown: {verdict:?}");
}

/// The run of median time is the typical one: its curve is drawn, and those of the others are not kept.
#[test]
fn of_each_strategy_the_typical_curve_is_kept() {
    let results = TempDir::new().unwrap();
    let (record, directory) = bench(Fault::None, &results);
    let (record, kept) = (record.unwrap(), Record::read(&directory).unwrap());
    assert_eq!(record.samples, kept.samples);
    for case in &record.run.cases {
        for strategy in ["single-stream", "two-pass"] {
            let of = |sample: &&harness::record::Sample| {
                sample.role == Role::Measure
                    && sample.case == case.name()
                    && sample.arm == strategy
                    && sample.beside.is_none()
            };
            let mut walls: Vec<u64> = kept.samples.iter().filter(of).map(|sample| sample.wall_ns).collect();
            walls.sort_unstable();
            let drawn = |sample: &&harness::record::Sample| {
                sample.scratch.as_ref().is_some_and(|scratch| !scratch.points.is_empty())
            };
            let drawn: Vec<u64> = kept.samples.iter().filter(of).filter(drawn).map(|sample| sample.wall_ns).collect();
            assert_eq!(drawn, [walls[(walls.len() - 1) / 2]], "{} {strategy}", case.name());
        }
    }
}

#[test]
fn a_run_that_fails_leaves_a_record_of_what_was_measured() {
    let results = TempDir::new().unwrap();
    let (record, directory) = bench(Fault::Failure, &results);
    assert!(record.unwrap_err().to_string().contains("no space left on device"));
    let record = Record::read(&directory).unwrap();
    assert_eq!((record.run.complete, record.samples.len()), (false, 9));
    assert!(Report::new(&record).verdict[0].starts_with("INCOMPLETE"));
}

#[test]
fn records_are_never_overwritten() {
    let results = TempDir::new().unwrap();
    let (_, one) = bench(Fault::None, &results);
    let (_, other) = bench(Fault::None, &results);
    assert_ne!(one, other);
    assert!(Record::read(&one).is_ok() && Record::read(&other).is_ok());
}

#[test]
fn a_sample_that_was_not_written_to_its_end_is_no_sample_and_a_broken_one_is_an_error() {
    let results = TempDir::new().unwrap();
    let (record, directory) = bench(Fault::None, &results);
    let path = directory.join("samples.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let last = text.trim_end().rfind('\n').unwrap() + 1;
    for cut in [last, last + 1, text.len() - 1] {
        fs::write(&path, &text[..cut]).unwrap();
        let read = Record::read(&directory).unwrap();
        assert_eq!(read.samples.len(), record.as_ref().unwrap().samples.len() - 1, "{cut} bytes");
    }
    fs::write(&path, text.replacen("\"schema\"", "\"scheme\"", 1)).unwrap();
    assert!(Record::read(&directory).unwrap_err().to_string().contains("samples.jsonl"));
    let names = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(names.len(), 2, "only the two records are there: {names:?}");
}

#[test]
fn every_row_of_a_markdown_table_has_as_many_cells_as_its_head() {
    let results = TempDir::new().unwrap();
    let (record, directory) = bench(Fault::None, &results);
    Report::new(&record.unwrap()).write(&directory).unwrap();
    let page = fs::read_to_string(directory.join("report.md")).unwrap();
    let mut cells = None;
    let mut rows = 0;
    for line in page.lines() {
        if !line.starts_with('|') {
            cells = None;
            continue;
        }
        let found = line.replace("\\|", "").matches('|').count();
        assert_eq!(found, *cells.get_or_insert(found), "{line}");
        rows += 1;
    }
    assert!(rows > 10 && page.contains("tar \\| gzip \\| tee"), "{page}");
}
