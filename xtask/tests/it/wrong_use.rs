//! Wrong use exits with 2 and one line that says why; help has a line on each task, and an example.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().unwrap()
}

#[test]
fn wrong_use_exits_with_2() {
    let place = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let at = place.path().to_str().unwrap();
    for (arguments, words) in [
        (&["nothing"][..], "unrecognized subcommand"),
        (&["bench", "--suite", "huge"], "`huge` is not a suite"),
        (&["bench", "--curve", "--scaling"], "cannot be used with"),
        (&["bench", "--topic", "a/b"], "a part of a directory's name"),
        (&["bench", "--rootfs", at, "--scratch", at], "the scratch directory is in the tree"),
        (&["accept", at], "is no record"),
        (&["report", at], "is no record"),
        (&["compare", at, at], "is no record"),
        (&["planted", "nothing"], "invalid value"),
    ] {
        let run = xtask(arguments);
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(fs::read_dir(place.path()).unwrap().next().is_none(), "{arguments:?} left something");
    }
}

#[test]
fn help_has_a_short_line_on_each_task_and_an_example() {
    let help = String::from_utf8(xtask(&["help"]).stdout).unwrap();
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    // A line with more spaces in front goes on with what the one before it says.
    let lines = commands.lines().filter(|line| !line.starts_with("   "));
    let tasks: Vec<&str> = lines.map(|line| line.split_whitespace().next().unwrap()).collect();
    assert!(tasks.len() > 8);
    for task in tasks.into_iter().filter(|task| *task != "help") {
        let help = String::from_utf8(xtask(&[task, "--help"]).stdout).unwrap();
        assert!(help.contains("Example"), "{task}: {help}");
        assert!(help.contains(&format!("cargo xtask {task}")), "{task}: {help}");
        let first = help.lines().next().unwrap();
        assert!(help.lines().nth(1).unwrap().is_empty(), "{task}: `{first}` is too long");
    }
}
