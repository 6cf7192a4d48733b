//! The README's commands are run, so that what it shows works.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::trees;

#[test]
fn the_readmes_commands_work() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let place = TempDir::new().unwrap();
    trees::some().create(&place.path().join("tree"), false);
    let blocks = readme.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let shown: Vec<String> = blocks
        .flat_map(str::lines)
        .filter(|line| line.starts_with("onepass ") || line.starts_with("mkdir "))
        .map(|line| line.replace("ROOTFS", "tree").replace("/tmp/images", "images"))
        .collect();
    assert!(shown.len() >= 6, "{shown:?}");
    let onepass = Path::new(env!("CARGO_BIN_EXE_onepass")).parent().unwrap();
    let path = format!("{}:{}", onepass.display(), std::env::var("PATH").unwrap());
    for line in shown {
        let mut shell = Command::new("sh");
        let run = shell.arg("-c").arg(&line).env("PATH", &path).current_dir(place.path()).output().unwrap();
        assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
    }
}
