//! The README's commands are run, so that what it shows works.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::trees;

#[test]
fn the_readmes_commands_work() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let place = TempDir::new().unwrap();
    trees::some().create(&place.path().join("tree"), false);
    let shown: Vec<String> = readme
        .lines()
        .filter(|line| line.starts_with("target/release/onepass ") || line.starts_with("mkdir "))
        .map(|line| {
            line.replace("target/release/onepass", env!("CARGO_BIN_EXE_onepass"))
                .replace("ROOTFS", "tree")
                .replace("/tmp/images", "images")
        })
        .collect();
    assert!(shown.len() >= 4, "{shown:?}");
    for line in shown {
        let run = Command::new("sh").arg("-c").arg(&line).current_dir(place.path()).output().unwrap();
        assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
    }
}
