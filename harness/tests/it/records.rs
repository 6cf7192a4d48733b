//! The schemas: told in `results/README.md`, and older records are read as before.

use std::fs;
use std::path::{Path, PathBuf};

use harness::gate::calibration::Calibration;
use harness::gate::gate_run::GateRun;
use harness::record::{FidelityFigure, Record, Role, Run, Sample, Study, StudyKind, samples};
use harness::stats;
use serde_json::Value;
use tempfile::TempDir;

use super::{Fault, bench, calibration, gates, planned, study};

pub(crate) fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results")
}

/// Directories of one record each, with all fields that there can be: what the record is called, and where it is.
pub(crate) fn made(place: &TempDir) -> [(&'static str, PathBuf); 4] {
    let (_, of_bench) = bench(Fault::None, place);
    let mut run: Run = serde_json::from_str(&fs::read_to_string(of_bench.join("run.json")).unwrap()).unwrap();
    run.likeness = vec![FidelityFigure { what: "entries".into(), real: "1".into(), fixture: "1".into(), near: true }];
    fs::write(of_bench.join("run.json"), serde_json::to_string_pretty(&run).unwrap()).unwrap();
    [
        ("run.json", of_bench),
        ("study.json", study::record(place, StudyKind::Curve)),
        ("gate.json", gates::record(place)),
        ("calibration.json", calibration::record(place)),
    ]
}

/// Reads a record of any kind.
fn read(name: &str, directory: &Path) -> harness::Result<()> {
    match name {
        "run.json" => Record::read(directory).map(drop),
        "study.json" => Study::read(directory).map(drop),
        "gate.json" => GateRun::read(directory).map(drop),
        _ => Calibration::read(directory).map(drop),
    }
}

/// Records are written by older revisions.
#[test]
fn committed_records_are_read_and_mean_what_they_meant() {
    let mut benches = 0;
    for entry in fs::read_dir(results()).unwrap() {
        let directory = entry.unwrap().path();
        if !directory.join("samples.jsonl").is_file() {
            continue;
        }
        let name = ["run.json", "study.json", "gate.json", "calibration.json"];
        let name = name.into_iter().find(|name| directory.join(name).is_file());
        let name = name.unwrap_or_else(|| panic!("{} is of no kind that is known", directory.display()));
        read(name, &directory).unwrap();
        samples(&directory).unwrap();
        if name == "run.json" {
            let record = Record::read(&directory).unwrap();
            assert_eq!(stats::comparisons(&record), record.run.comparisons, "{}", directory.display());
            benches += 1;
        }
    }
    assert!(benches >= 3, "{benches} benches");
}

/// Lines of November 2026, before samples had counts of the kernel, memory of other tools, and floors.
const OLDER: &str = r#"{"schema":1,"sequence":0,"role":"verify","case":"gzip:6 1 thread","arm":"two-pass","pair":0,"wall_ns":128049395,"usage":{"user_ns":115049000,"system_ns":15881000,"voluntary_switches":25,"involuntary_switches":3,"major_faults":0,"minor_faults":2423},"image_size":3474502,"scratch":{"peak":10223616,"points":[[3475,0],[127701098,3477504]]},"pack":{"fingerprint":"359a","size":3474502,"tar_size":8124928,"entries":596,"encoders":[{"name":"libdeflate","version":"libdeflater 1.26.1"}],"wall_ns":125135702,"phases_ns":{"compress":115519772,"tar":8521886},"busy_ns":{"encode":110437831},"bytes_read":15914928,"bytes_written":{"temporary_tar":8124928,"image":3474502},"scratch_peak":11599430,"vm_hwm":13479936}}
{"schema":1,"sequence":4,"role":"measure","case":"files-gzip","arm":"peer","pair":0,"wall_ns":238330152,"usage":{"user_ns":213351000,"system_ns":22268000,"voluntary_switches":13,"involuntary_switches":6,"major_faults":1,"minor_faults":735},"image_size":3487905,"scratch":{"peak":12226560,"points":[[5188,0],[234763236,12226560]]},"pack":null}
"#;

#[test]
fn samples_that_lack_later_fields_are_read() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("samples.jsonl"), OLDER).unwrap();
    let read = samples(place.path()).unwrap();
    let later = |sample: &Sample| {
        (sample.usage.and_then(|usage| usage.io).is_some(), sample.memory.is_some(), sample.floor.is_some())
    };
    assert_eq!(read.iter().map(later).collect::<Vec<_>>(), [(false, false, false); 2]);
    assert_eq!(read[0].pack.as_ref().unwrap().scratch_peak, 11_599_430);
}

/// A record keeps one curve of scratch space for each picture that there can be, and every peak.
#[test]
fn the_first_timed_run_of_each_strategy_has_its_curve() {
    let place = TempDir::new().unwrap();
    let (record, directory) = bench(Fault::None, &place);
    let samples = samples(&directory).unwrap();
    assert!(
        samples
            .iter()
            .all(|sample| sample.scratch.as_ref().is_some_and(|curve| curve.peak > 0) || sample.arm == "floor")
    );
    let drawn = samples.iter().filter(|sample| sample.scratch.as_ref().is_some_and(|curve| !curve.points.is_empty()));
    let drawn: Vec<_> = drawn.map(|sample| (sample.role, sample.case.as_str(), sample.arm.as_str())).collect();
    let cases = record.unwrap().run.cases;
    let wanted =
        cases.iter().flat_map(|case| ["single-stream", "two-pass"].map(|arm| (Role::Measure, case.name(), arm)));
    let wanted: Vec<_> = wanted.collect();
    assert_eq!(drawn.len(), wanted.len(), "{drawn:?}");
    for (role, case, arm) in &wanted {
        assert!(drawn.contains(&(*role, case, arm)), "{case} {arm}: {drawn:?}");
    }
}

#[test]
fn a_record_of_another_schema_is_refused_whatever_else_has_changed() {
    let place = TempDir::new().unwrap();
    for (name, directory) in made(&place) {
        read(name, &directory).unwrap();
        let path = directory.join(name);
        fs::write(&path, "{\"schema\": 99, \"another\": true}").unwrap();
        let error = read(name, &directory).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("its schema is 99, this reads "), "{name}: {error}");
        let lines = directory.join("samples.jsonl");
        let text = fs::read_to_string(&lines).unwrap();
        fs::write(&lines, text.replacen("\"schema\":1", "\"schema\":2", 1)).unwrap();
        let error = samples(&directory).unwrap_err().to_string();
        assert!(error.contains("samples.jsonl") && error.contains("its schema is 2"), "{error}");
    }
}

/// The tree at the top of the README has a line for each record, and no other.
#[test]
fn every_record_answers_a_question() {
    let readme = fs::read_to_string(results().join("README.md")).unwrap();
    let name = |line: &str| Some(line.split_once("── ")?.1.split_once('/')?.0.to_owned());
    let mut told: Vec<String> =
        readme.lines().filter_map(name).filter(|name| !["local", "schema"].contains(&name.as_str())).collect();
    let found = fs::read_dir(results()).unwrap().map(|entry| entry.unwrap());
    let found = found.filter(|entry| entry.path().join("samples.jsonl").is_file());
    let mut found: Vec<String> = found.map(|entry| entry.file_name().into_string().unwrap()).collect();
    told.sort();
    found.sort();
    assert_eq!(told, found);
}

/// The part of the README below a heading, up to the next one.
fn told(readme: &str, heading: &str) -> String {
    let (_, part) =
        readme.split_once(&format!("## {heading}\n")).unwrap_or_else(|| panic!("nothing is told of {heading}"));
    part.split("\n## ").next().unwrap_or_default().to_owned()
}

#[test]
fn every_field_is_told_in_the_readme() {
    let (place, readme) = (TempDir::new().unwrap(), fs::read_to_string(results().join("README.md")).unwrap());
    let check = |text: &str, heading: &str| {
        let Value::Object(fields) = serde_json::from_str(text).unwrap() else { panic!("{heading} is no object") };
        let told = told(&readme, heading);
        for field in fields.keys().filter(|field| *field != "schema") {
            assert!(told.contains(&format!("`{field}`")), "{heading} has `{field}`, of which nothing is told");
        }
        assert!(fields.contains_key("schema"), "{heading} has no schema");
    };
    for (name, directory) in made(&place) {
        check(&fs::read_to_string(directory.join(name)).unwrap(), name);
        for line in fs::read_to_string(directory.join("samples.jsonl")).unwrap().lines() {
            check(line, "samples.jsonl");
        }
    }
    assert!(planned().likeness.is_empty(), "what is left out where there is nothing has to be filled in here");
}
