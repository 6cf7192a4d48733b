//! The documents: they are short where they must be, and name files, folders and tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 10] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/exit-codes.md",
    "docs/measure.md",
    "docs/pack.md",
    "docs/verify-inspect-diff.md",
    "harness/METHODOLOGY.md",
    "results/README.md",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_readme_is_short() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 150, "{} lines", readme.lines().count());
    assert!(readme.split_whitespace().count() <= 1_300, "{} words", readme.split_whitespace().count());
}

#[test]
fn links_lead_to_files() {
    let mut followed = 0;
    for document in DOCUMENTS {
        let path = repository().join(document);
        let text = read(document);
        let targets = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        for target in targets.filter(|target| !target.starts_with("http")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let found = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(found.exists(), "{document} links to `{target}`");
            if !anchor.is_empty() {
                let text = fs::read_to_string(&found).unwrap();
                let headings: Vec<String> = text.lines().filter_map(heading).collect();
                assert!(
                    headings.iter().any(|heading| heading == anchor),
                    "{document} links to `{target}`: {headings:?}"
                );
            }
            followed += 1;
        }
    }
    assert!(followed > 40, "{followed} links");
}

/// The anchor of a heading, as code hosts make it.
fn heading(line: &str) -> Option<String> {
    let text = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    Some(kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect())
}

/// Each tree of ARCHITECTURE.md begins with ``### `CRATE/src` `` and has a line for each folder at its top.
#[test]
fn the_trees_of_folders_are_those_of_the_crates() {
    let text = read("ARCHITECTURE.md");
    let mut trees = 0;
    for section in text.split("\n### `").skip(1) {
        let (source, rest) = section.split_once('`').unwrap();
        let Some(tree) = rest.split("```").nth(1).filter(|_| source.ends_with("/src")) else { continue };
        let names =
            tree.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split_whitespace().next());
        let told: BTreeSet<&str> = names.filter_map(|name| name.strip_suffix('/')).collect();
        for name in tree.lines().filter_map(|line| line.split_whitespace().next()) {
            let beside = tree.lines().filter_map(|line| line.split_once('/')).map(|(folder, _)| folder.trim());
            let mut places = beside.map(|folder| repository().join(source).join(folder).join(name));
            let exists = repository().join(source).join(name).exists() || places.any(|place| place.exists());
            assert!(exists, "{source} has no {name}");
        }
        let found = fs::read_dir(repository().join(source)).unwrap().map(|entry| entry.unwrap());
        let found = found.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap());
        for folder in found {
            let named = told.iter().any(|told| *told == folder || told.starts_with(&format!("{folder}/")));
            assert!(named, "ARCHITECTURE.md does not name {source}/{folder}");
        }
        trees += 1;
    }
    assert!(trees >= 5, "{trees} trees");
}

/// In the table of promises, `` `file.rs` `` is a file of tests and `` `file.rs: name` `` a test in it.
#[test]
fn the_tests_of_the_promises_exist() {
    let text = read("ARCHITECTURE.md");
    let (_, promises) = text.split_once("## What we promise").unwrap();
    let promises = promises.split("\n## ").next().unwrap();
    let mut found = 0;
    for row in promises.lines().filter(|line| line.starts_with('|')) {
        for cited in row.split('`').skip(1).step_by(2).filter(|cited| cited.contains(".rs")) {
            let (file, name) = cited.split_once(": ").unwrap_or((cited, ""));
            let places = ["packer/tests/it", "packer", ""].map(|place| repository().join(place).join(file));
            let place = places.iter().find(|place| place.is_file()).unwrap_or_else(|| panic!("there is no {file}"));
            let tests = fs::read_to_string(place).unwrap();
            assert!(name.is_empty() || tests.contains(&format!("fn {name}(")), "{file} has no test {name}");
            found += 1;
        }
    }
    assert!(found > 40, "{found} tests");
}
