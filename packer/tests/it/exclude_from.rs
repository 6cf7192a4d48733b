//! `--exclude-from FILE` excludes what `--exclude` of each of its lines does.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

fn place() -> TempDir {
    let place = TempDir::new().unwrap();
    for directory in ["tree/dev", "tree/lib", "out"] {
        fs::create_dir_all(place.path().join(directory)).unwrap();
    }
    for file in ["dev/null", "lib/a.py", "lib/a.pyc", "#top", " space "] {
        fs::write(place.path().join("tree").join(file), file).unwrap();
    }
    place
}

fn run(place: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onepass"));
    command.args(arguments).current_dir(place).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The fingerprint that a pack prints.
fn fingerprint(place: &Path, options: &[&str], input: &str) -> String {
    let run = run(place, &[&["pack", "tree", "-o", "-", "-c", "none"], options].concat(), input);
    let told = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.success(), "{told}");
    told[..64].to_owned()
}

#[test]
fn a_line_of_the_file_is_an_exclusion() {
    let place = place();
    fs::write(place.path().join("one"), "# not packed\n\ndev/*\n   \n**/*.pyc\r\n").unwrap();
    fs::write(place.path().join("two"), "\\#top\n space ").unwrap();
    let at = |options: &[&str], input: &str| fingerprint(place.path(), options, input);
    let one = at(&["--exclude", "dev/*", "--exclude", "**/*.pyc"], "");
    assert_eq!(at(&["--exclude-from", "one"], ""), one);
    assert_eq!(at(&["--exclude-from", "-"], "dev/*\n**/*.pyc"), one);
    assert_ne!(at(&[], ""), one);
    let all = at(&["--exclude", "{dev/*,**/*.pyc,\\#top, space }"], "");
    assert_eq!(at(&["--exclude-from", "one", "--exclude-from", "two"], ""), all);
    assert_eq!(at(&["--exclude-from", "one", "--exclude", "\\#top", "--exclude", " space "], ""), all);
    assert_eq!(at(&["--exclude-from", "/dev/null"], ""), at(&[], ""));
}

#[test]
fn verify_takes_the_same_file() {
    let place = place();
    fs::write(place.path().join("globs"), "dev\n").unwrap();
    let packed = run(place.path(), &["pack", "tree", "-o", "out", "--exclude-from", "globs"], "");
    let line = String::from_utf8(packed.stdout).unwrap();
    let image = line.trim_end().split_once("  ").unwrap().1;
    let verify = |options: &[&str]| {
        run(place.path(), &[&["verify", image, "--against", "tree"], options].concat(), "dev\n").status.code()
    };
    assert_eq!(verify(&["--exclude-from", "globs"]), Some(0));
    assert_eq!(verify(&["--exclude-from", "-", "-x"]), Some(0));
    assert_eq!(verify(&[]), Some(1));
}

#[test]
fn what_is_wrong_is_named_by_file_and_line() {
    let place = place();
    fs::write(place.path().join("globs"), "dev\n# a comment\n[a\n").unwrap();
    for (file, input, code, words) in [
        ("globs", "", 2, "error: `globs`, line 3: `[a` is not a glob"),
        ("-", "/\n", 2, "error: standard input, line 1: `/` is not a glob"),
        ("missing", "", 1, "onepass: cannot open `missing`: no such file or directory\n"),
        ("tree", "", 1, "onepass: cannot read `tree`: is a directory\n"),
    ] {
        for command in [&["pack", "tree", "-o", "out"][..], &["verify", "globs", "--against", "tree"]] {
            let run = run(place.path(), &[command, &["--exclude-from", file]].concat(), input);
            let told = String::from_utf8(run.stderr).unwrap();
            let code = if command[0] == "verify" { 2 } else { code };
            assert!(run.status.code() == Some(code) && told.starts_with(words), "{file}: {told}");
        }
    }
    assert_eq!(fs::read_dir(place.path().join("out")).unwrap().count(), 0);
}
