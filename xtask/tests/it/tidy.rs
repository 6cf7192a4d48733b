//! The rules of the house that a machine can check.

use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 6] = ["fixtures", "harness", "interop", "packer", "testkit", "xtask"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust files of the crates: their path from the top, and their text.
fn sources() -> Vec<(String, String)> {
    let mut pending: Vec<PathBuf> = CRATES.iter().map(|name| repository().join(name)).collect();
    let mut found = Vec::new();
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(repository()).unwrap().display().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 40);
    found
}

#[test]
fn every_file_says_first_what_it_is_for() {
    for (name, text) in sources() {
        assert!(text.starts_with("//! "), "{name} does not begin with what it is for");
    }
}

#[test]
fn files_are_small() {
    for (name, text) in sources() {
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(lines <= 400, "{name} has {lines} lines before its tests: it wants to be two files");
    }
}

#[test]
fn unsafe_code_is_in_four_files() {
    let mut allowing: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| text.contains(concat!("allow(unsafe", "_code)")))
        .map(|(name, _)| name)
        .collect();
    allowing.sort();
    assert_eq!(
        allowing,
        [
            "harness/src/run/usage.rs",
            "packer/src/bin/onepass/closed_streams.rs",
            "packer/src/sink/program/close_fds.rs",
            "packer/src/tree/xattr/syscalls.rs"
        ]
    );
}

/// `fixtures` and `packer` know nobody (but `fixtures` in the packer's tests); of the others each knows those before
/// it.
#[test]
fn dependencies_point_one_way() {
    for (name, strangers) in [
        ("fixtures", &["packer", "harness", "interop", "xtask"][..]),
        ("packer", &["harness", "interop", "xtask"]),
        ("harness", &["interop", "xtask"]),
        ("interop", &["xtask"]),
    ] {
        let manifest = fs::read_to_string(repository().join(name).join("Cargo.toml")).unwrap();
        for stranger in strangers {
            let depends = manifest.lines().any(|line| line.starts_with(&format!("{stranger}.workspace")));
            assert!(!depends, "{name} depends on {stranger}");
        }
    }
    let packer = fs::read_to_string(repository().join("packer/Cargo.toml")).unwrap();
    let (_, own) = packer.split_once("[dependencies]").unwrap();
    assert!(
        !own.split("[dev-dependencies]").next().unwrap().contains("fixtures"),
        "only the packer's tests may know fixtures"
    );
}

/// Faults are built in where a variable says so, which one task sets, for a build that is not the released one. No
/// feature does.
#[test]
fn faults_reach_no_release() {
    for name in CRATES {
        let manifest = fs::read_to_string(repository().join(name).join("Cargo.toml")).unwrap();
        assert!(!manifest.replace("default", "").contains("fault"), "{name}");
    }
    let variable = concat!("ONEPASS", "_FAULTS");
    let mut naming: Vec<_> =
        sources().into_iter().filter(|(_, text)| text.contains(variable)).map(|(name, _)| name).collect();
    naming.sort();
    assert_eq!(naming, ["packer/build.rs", "xtask/src/builds.rs"]);
}
