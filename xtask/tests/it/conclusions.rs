//! `cargo xtask compare --conclusions` answers with its exit code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What it says of two records, and its exit code.
fn compared(one: &Path, other: &Path) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let run = command.args(["compare", "--conclusions"]).arg(one).arg(other).output().unwrap();
    let said = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (said, run.status.code().unwrap())
}

/// A recorded run, with this change to both files.
fn changed(place: &TempDir, change: impl Fn(String) -> String) -> PathBuf {
    for name in ["run.json", "samples.jsonl"] {
        fs::write(place.path().join(name), change(fs::read_to_string(recorded(REAL).join(name)).unwrap())).unwrap();
    }
    place.path().to_owned()
}

/// Runs on one machine, one after the other: a tree that debootstrap made, and the fixture that stands for it.
const MINBASE: [&str; 2] = [REAL, "2026-11-27-debian-base"];
const REAL: &str = "2026-11-27-minbase";

fn recorded(run: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results").join(run)
}

#[test]
fn the_fixture_and_the_real_tree_lead_to_the_same_conclusions() {
    let [real, fixture] = MINBASE.map(recorded);
    let (said, code) = compared(&real, &fixture);
    assert!(code == 0 && said.contains("Both lead to the same conclusions."), "{said}");
    assert!(!said.contains("differ ("), "not of one machine and one revision: {said}");
    // Not because nothing could be told: whatever compresses is decided, in both.
    for row in said.lines().filter(|row| row.contains(" ÷ ") && !row.starts_with("none ")) {
        assert!(row.trim_end().ends_with("same") || row.ends_with("same, by another amount"), "{row}");
    }
}

#[test]
fn the_exit_code_says_whether_conclusions_differ() {
    let (said, code) = compared(&recorded(REAL), &recorded(REAL));
    assert!(code == 0 && said.contains("Both lead to the same conclusions."), "{said}");
    let place = TempDir::new().unwrap();
    // With the strategies exchanged, what was faster is slower.
    let exchanged = |text: String| {
        let text = text.replace("\"arm\":\"single-stream\"", "\"arm\":\"other\"");
        let text = text.replace("\"arm\":\"two-pass\"", "\"arm\":\"single-stream\"");
        text.replace("\"arm\":\"other\"", "\"arm\":\"two-pass\"")
    };
    let (said, code) = compared(&recorded(REAL), &changed(&place, exchanged));
    assert!(code == 1 && said.contains("They do not lead to the same conclusions."), "{said}");
    let row = said.lines().find(|row| row.starts_with("zstd:3 2 threads: time")).unwrap();
    assert!(row.ends_with("DIFFERS"), "{said}");
    let cut = changed(&place, |text| text.replace("\"complete\": true", "\"complete\": false"));
    let (said, code) = compared(&recorded(REAL), &cut);
    assert!(code == 2 && said.contains("the second run did not come to its end"), "{said}");
    let dirty = changed(&place, |text| text.replace("\"rustc\":", "\"dirty\": true, \"rustc\":"));
    let (said, code) = compared(&recorded(REAL), &dirty);
    assert!(code == 2 && said.contains("was made from a tree with changes") && said.lines().count() == 1, "{said}");
}
