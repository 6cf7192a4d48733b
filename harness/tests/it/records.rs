//! The schemas: told in `results/README.md`, and older records are read as before.

use std::fs;
use std::path::{Path, PathBuf};

use harness::gate::calibration::Calibration;
use harness::gate::gate_run::GateRun;
use harness::record::{FidelityFigure, Record, Run, Study, StudyKind, samples};
use harness::stats;
use serde_json::Value;
use tempfile::TempDir;

use super::{Fault, bench, calibration, gates, planned, study};

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results")
}

/// Directories of one record each, with all fields that there can be: what the record is called, and where it is.
fn made(place: &TempDir) -> [(&'static str, PathBuf); 4] {
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

/// What is committed was written by older revisions, some of it before there were floors and counts of the kernel.
#[test]
fn committed_records_are_read_and_mean_what_they_meant() {
    let (mut benches, mut old) = (0, 0);
    for entry in fs::read_dir(results()).unwrap() {
        let directory = entry.unwrap().path();
        if !directory.join("samples.jsonl").is_file() {
            continue;
        }
        let name = ["run.json", "study.json", "gate.json", "calibration.json"];
        let name = name.into_iter().find(|name| directory.join(name).is_file());
        let name = name.unwrap_or_else(|| panic!("{} is of no kind that is known", directory.display()));
        read(name, &directory).unwrap();
        old += samples(&directory)
            .unwrap()
            .iter()
            .filter(|sample| sample.usage.is_some_and(|usage| usage.io.is_none()))
            .count();
        if name == "run.json" {
            let record = Record::read(&directory).unwrap();
            assert_eq!(stats::comparisons(&record), record.run.comparisons, "{}", directory.display());
            benches += 1;
        }
    }
    assert!(benches >= 3 && old > 0, "{benches} benches, {old} samples without counts of the kernel");
}

#[test]
fn a_record_of_another_schema_is_refused_whatever_else_has_changed() {
    let place = TempDir::new().unwrap();
    for (name, directory) in made(&place) {
        read(name, &directory).unwrap();
        let path = directory.join(name);
        fs::write(&path, "{\"schema\": 2, \"another\": true}").unwrap();
        let error = read(name, &directory).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("its schema is 2, this reads 1"), "{name}: {error}");
        let lines = directory.join("samples.jsonl");
        let text = fs::read_to_string(&lines).unwrap();
        fs::write(&lines, text.replacen("\"schema\":1", "\"schema\":2", 1)).unwrap();
        let error = samples(&directory).unwrap_err().to_string();
        assert!(error.contains("samples.jsonl") && error.contains("its schema is 2"), "{error}");
    }
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
