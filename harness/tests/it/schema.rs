//! The JSON schemas, held against records by a validator that knows neither them nor us.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::schema;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::records::{made, results};

/// Prints what is wrong with files of a schema: JSON, or a line of JSON each.
const VALIDATE: &str = "
import json, sys
from jsonschema import Draft202012Validator
with open(sys.argv[1]) as file:
    schema = json.load(file)
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
for path in sys.argv[2:]:
    with open(path) as file:
        texts = file.readlines() if path.endswith('.jsonl') else [file.read()]
    for number, text in enumerate(texts):
        for error in validator.iter_errors(json.loads(text)):
            print(f'{path}:{number}: {error.json_path}: {error.message}')
";

/// A Python that has the validator.
fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let run = Command::new(python).args(["-c", "import jsonschema"]).output();
        run.is_ok_and(|run| run.status.success())
    })
}

fn complaints(python: &str, schema: &Path, files: &[PathBuf]) -> String {
    let run = Command::new(python).args(["-c", VALIDATE]).arg(schema).args(files).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

/// The files of a kind in these directories; `samples.json` is the schema of the lines of `samples.jsonl`.
fn files(name: &str, directories: &[PathBuf]) -> Vec<PathBuf> {
    let name = name.replace("samples.json", "samples.jsonl");
    directories.iter().map(|directory| directory.join(&name)).filter(|path| path.is_file()).collect()
}

#[test]
fn records_are_what_their_schemas_say_older_ones_too() {
    let Some(python) = python() else { return testkit::log::skip("python3-jsonschema is not installed") };
    let place = TempDir::new().unwrap();
    let directories = fs::read_dir(results()).unwrap().map(|entry| entry.unwrap().path());
    let committed: Vec<PathBuf> = directories.filter(|path| path.join("samples.jsonl").is_file()).collect();
    let made = made(&place).map(|(_, directory)| directory);
    for (name, _) in schema::all() {
        let (older, newer) = (files(name, &committed), files(name, &made));
        // Runs of the gates are not committed, and a calibration need not be.
        let may_be_absent = ["gate.json", "calibration.json"].contains(&name);
        assert!(!newer.is_empty() && (may_be_absent || !older.is_empty()), "{name}: {older:?}, {newer:?}");
        let found = complaints(python, &results().join("schema").join(name), &[older, newer].concat());
        assert_eq!(found, "", "{name}");
    }
}

#[test]
fn a_schema_sees_what_is_missing_unknown_or_of_another_kind_or_version() {
    let Some(python) = python() else { return testkit::log::skip("python3-jsonschema is not installed") };
    let place = TempDir::new().unwrap();
    let made = made(&place).map(|(_, directory)| directory);
    for (name, _) in schema::all() {
        let text = fs::read_to_string(&files(name, &made)[0]).unwrap();
        let text = if name == "samples.json" { text.lines().next().unwrap() } else { &text };
        let record: Value = serde_json::from_str(text).unwrap();
        let mut broken: Vec<(PathBuf, &str)> = Vec::new();
        let mut write = |change: &dyn Fn(&mut Value), complaint| {
            let mut record = record.clone();
            change(&mut record);
            let path = place.path().join(format!("{name}-{}", broken.len()));
            fs::write(&path, record.to_string()).unwrap();
            broken.push((path, complaint));
        };
        let version = record["schema"].clone();
        let expected = format!("$.schema: {version} was expected");
        write(&|record| record["schema"] = json!(99), expected.as_str());
        write(&|record| drop(record.as_object_mut().unwrap().remove("schema")), "'schema' is a required property");
        write(&|record| record["another"] = json!(1), "'another' was unexpected");
        if name == "samples.json" {
            write(&|record| record["wall_ns"] = json!(-1), "$.wall_ns: -1 is less than");
            write(&|record| record["wall_ns"] = json!(1.5), "$.wall_ns: 1.5 is not of type 'integer'");
            write(&|record| record["role"] = json!("other"), "$.role: 'other' is not");
            write(&|record| record["conditions"] = json!({}), "$.conditions: {} is not");
        }
        let paths: Vec<PathBuf> = broken.iter().map(|(path, _)| path.clone()).collect();
        let found = complaints(python, &results().join("schema").join(name), &paths);
        for (path, complaint) in broken {
            let path = path.display().to_string();
            assert!(
                found.lines().any(|line| line.starts_with(&path) && line.contains(complaint)),
                "{complaint}: {found}"
            );
        }
    }
}
