//! What the command says of itself is true: its examples work, its pages and completions are made of all that it has.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::formats::system;

fn said(arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_onepass")).args(arguments).output().unwrap();
    assert!(run.status.success(), "{arguments:?}");
    String::from_utf8(run.stdout).unwrap()
}

/// They are run in a shell, one after the other; `ssh host` is this machine.
#[test]
fn the_examples_work() {
    let (root, place) = (system(), TempDir::new().unwrap());
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("images")).unwrap();
    fs::create_dir(at("layout")).unwrap();
    assert!(Command::new("cp").arg("-a").args([root.path(), &at("rootfs")]).status().unwrap().success());
    let help = said(&["pack", "--help"]);
    let (_, examples) = help.split_once("Examples:").unwrap();
    let examples: Vec<&str> = examples.lines().map(str::trim).filter(|line| line.starts_with("onepass ")).collect();
    assert!(examples.len() >= 6, "{help}");
    for example in examples {
        let script = example.replace("onepass pack", "$ONEPASS pack").replace("ssh host", "sh -c");
        let mut command = Command::new("bash");
        let command = command.args(["-o", "pipefail", "-c", &script]).env("ONEPASS", env!("CARGO_BIN_EXE_onepass"));
        let run = command.current_dir(place.path()).output().unwrap();
        assert!(run.status.success(), "{example}: {}", String::from_utf8_lossy(&run.stderr));
    }
    assert!(fs::metadata(at("image.tar.zst")).unwrap().len() > 0);
}

/// The long options that a help text lists.
fn options(help: &str) -> Vec<&str> {
    let words = help.lines().map(str::trim_start).filter(|line| line.starts_with('-')).flat_map(str::split_whitespace);
    words
        .filter(|word| word.starts_with("--"))
        .map(|word| word.trim_end_matches(',').split(['[', '=']).next().unwrap())
        .collect()
}

#[test]
fn the_page_and_the_completions_have_every_option() {
    let help = said(&["pack", "--help"]);
    let (options, page) = (options(&help), said(&["man", "pack"]).replace('\\', ""));
    assert!(options.len() > 25, "{options:?}");
    for option in &options {
        assert!(page.contains(option), "the manual page has no {option}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let completions = said(&["completions", shell]);
        for option in &options {
            assert!(completions.contains(&option[2..]), "{shell} does not complete {option}");
        }
    }
    let all = said(&["man"]);
    for command in ["pack", "verify"] {
        assert!(all.contains(command));
    }
    let run = Command::new(env!("CARGO_BIN_EXE_onepass")).args(["man", "fly"]).output().unwrap();
    assert_eq!(String::from_utf8(run.stderr).unwrap(), "onepass: there is no command `fly`\n");
}

/// Where there is a `man`, it has nothing to complain of; bash reads the completions.
#[test]
fn the_page_is_a_page_and_the_completions_are_a_script() {
    let place = TempDir::new().unwrap();
    let (page, script) = (place.path().join("onepass-pack.1"), place.path().join("completions"));
    fs::write(&page, said(&["man", "pack"])).unwrap();
    fs::write(&script, said(&["completions", "bash"])).unwrap();
    assert!(Command::new("bash").arg("-n").arg(&script).status().unwrap().success());
    if let Ok(run) = Command::new("man").args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]).arg(&page).output() {
        assert_eq!(String::from_utf8_lossy(&run.stderr), "");
    }
}
