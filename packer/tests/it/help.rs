//! What the command says of itself is true: its examples work, its pages and completions have all that its help has.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::formats::system;

/// The subcommands.
pub(crate) const SUBCOMMANDS: [&str; 6] = ["pack", "verify", "inspect", "diff", "completions", "man"];

pub(crate) fn said(arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_onepass")).args(arguments).output().unwrap();
    assert!(run.status.success(), "{arguments:?}");
    String::from_utf8(run.stdout).unwrap()
}

/// A place where the directories of the examples are; with `images`, those have one with gzip and one with zstd, and the layout one.
fn place(images: bool) -> TempDir {
    let (root, place) = (system(), TempDir::new().unwrap());
    let at = |name: &str| place.path().join(name);
    for directory in ["images", "layout", ".local/share/bash-completion/completions"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    assert!(Command::new("cp").arg("-a").args([root.path(), &at("rootfs")]).status().unwrap().success());
    if images {
        for options in ["-o images", "-o images -c zstd", "-o layout -f oci --tag latest"] {
            let run = shell(place.path(), &format!("onepass pack rootfs {options}"));
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        }
    }
    place
}

/// Runs a line of a shell; `ssh host` is this machine.
fn shell(place: &Path, line: &str) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_onepass")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let script = line.replace("ssh host", "sh -c");
    let mut command = Command::new("bash");
    command.args(["-o", "pipefail", "-c", &script]).env("PATH", path).env("HOME", place).current_dir(place);
    command.output().unwrap()
}

/// The lines of a help text that a shell can run.
fn examples(help: &str) -> Vec<&str> {
    let (_, rest) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("no examples: {help}"));
    let (examples, _) = rest.split_once("\n\nExit codes:").unwrap_or_else(|| panic!("no exit codes: {help}"));
    let lines =
        examples.lines().map(str::trim).filter(|line| line.starts_with("onepass ") || line.starts_with("touch "));
    // In the help of all commands, a description is behind each.
    lines.map(|line| line.split("   ").next().unwrap()).collect()
}

#[test]
fn the_examples_work() {
    let has_man = Command::new("man").arg("--version").output().is_ok();
    for subcommand in [None].into_iter().chain(SUBCOMMANDS.map(Some)) {
        let help = said(&[&subcommand.into_iter().collect::<Vec<_>>()[..], &["--help"]].concat());
        let place = place(!matches!(subcommand, None | Some("pack")));
        let examples = examples(&help);
        let expected = match subcommand {
            None => SUBCOMMANDS.len(),
            Some("pack") => 9,
            Some(_) => 1,
        };
        assert!(examples.len() >= expected, "{help}");
        for example in examples.into_iter().filter(|example| has_man || !example.contains("| man ")) {
            if example.contains("*.tar.zst") && subcommand.is_none() {
                assert!(shell(place.path(), "onepass pack rootfs -o images -c zstd").status.success());
            }
            let run = shell(place.path(), example);
            assert!(run.status.success(), "{example}: {}", String::from_utf8_lossy(&run.stderr));
        }
        if subcommand == Some("pack") {
            assert!(fs::metadata(place.path().join("image.tar.zst")).unwrap().len() > 0);
        }
    }
}

/// The example of `--if-changed`, on an empty directory: an image for each change, and none without.
#[test]
fn the_example_that_keeps_only_what_has_changed_does_so() {
    let place = place(false);
    let help = said(&["pack", "--help"]);
    let examples = examples(&help);
    let at = examples.iter().position(|line| line.contains("--if-changed")).unwrap();
    let lines = examples[at - 1..=at].join("\n");
    let images = || fs::read_dir(place.path().join("images")).unwrap().count();
    let run = || {
        let run = shell(place.path(), &lines);
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        (images(), fs::read_to_string(place.path().join("last")).unwrap())
    };
    let (count, first) = run();
    assert_eq!((count, first.trim_end().len()), (1, 64));
    // The image is gone, and the fingerprint is known still.
    fs::remove_dir_all(place.path().join("images")).unwrap();
    fs::create_dir(place.path().join("images")).unwrap();
    assert_eq!(run(), (0, first.clone()));
    fs::write(place.path().join("rootfs/etc/new"), "new").unwrap();
    let (count, second) = run();
    assert!(count == 1 && second != first, "{second}");
    assert_eq!(run(), (1, second));
}

/// What a help text says of exit codes, code by code.
pub(crate) fn exit_codes(help: &str) -> Vec<(&str, String)> {
    let (_, codes) = help.split_once("Exit codes:\n").unwrap_or_else(|| panic!("no exit codes: {help}"));
    let mut found: Vec<(&str, String)> = Vec::new();
    for line in codes.lines().take_while(|line| !line.is_empty()) {
        match (line[2..].split_once("  "), found.last_mut()) {
            (Some((code, text)), _) if !code.is_empty() => found.push((code, text.trim().to_owned())),
            (_, Some((_, text))) => *text = format!("{text} {}", line.trim()),
            (_, None) => panic!("{help}"),
        }
    }
    found
}

#[test]
fn every_help_says_what_it_exits_with() {
    for (subcommand, codes) in [
        (&[][..], &["0", "1", "2", "3", "4", "128 + N"][..]),
        (&["pack"], &["0", "1", "2", "3", "4", "128 + N"]),
        (&["verify"], &["0", "1", "2"]),
        (&["inspect"], &["0", "1", "2"]),
        (&["diff"], &["0", "1", "2"]),
        (&["completions"], &["0", "1", "2"]),
        (&["man"], &["0", "1", "2"]),
    ] {
        let help = said(&[subcommand, &["--help"]].concat());
        let found: Vec<&str> = exit_codes(&help).into_iter().map(|(code, _)| code).collect();
        assert_eq!(found, codes, "{subcommand:?}");
    }
}

/// The options that a help text lists, as it lists them: `-o, --output <DIR>`.
pub(crate) fn signatures(help: &str) -> Vec<&str> {
    let (options, _) = help.split_once("\nExamples:").unwrap_or((help, ""));
    options.lines().map(str::trim).filter(|line| line.starts_with('-') && line.contains("--")).collect()
}

/// The long name in an option's signature.
fn long(signature: &str) -> &str {
    let name = signature.split_whitespace().find(|word| word.starts_with("--")).unwrap();
    name.split(['[', '=']).next().unwrap()
}

#[test]
fn the_page_and_the_completions_have_every_option() {
    for subcommand in ["pack", "verify"] {
        let help = said(&[subcommand, "--help"]);
        let (options, page) = (signatures(&help), said(&["man", subcommand]).replace('\\', ""));
        assert!(options.len() >= if subcommand == "pack" { 32 } else { 10 }, "{options:?}");
        for option in options.iter().map(|signature| long(signature)) {
            assert!(page.contains(option), "the manual page has no {option}");
            for shell in ["bash", "zsh", "fish"] {
                let completions = said(&["completions", shell]);
                assert!(completions.contains(&option[2..]), "{shell} does not complete {option}");
            }
        }
        assert!(page.contains("Exit codes") && page.contains("Examples"), "{page}");
    }
    let all = said(&["man"]);
    for command in SUBCOMMANDS {
        assert!(all.contains(command));
    }
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

/// A full disk behind standard output is a failure, and not wrong use.
#[test]
fn documents_that_cannot_be_written_are_a_failure() {
    for arguments in [&["man"][..], &["completions", "bash"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_onepass")).args(arguments).stdout(full).output().unwrap();
        let told = "onepass: cannot write to standard output: no space left on device\n";
        assert_eq!((run.status.code(), String::from_utf8(run.stderr).unwrap()), (Some(1), told.to_owned()));
    }
}
