//! Threads, open files and ends of programs that the surroundings refuse: the same image, or one line that says so.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;
use testkit::cases::Noise;
use testkit::log::skip;

use crate::trees;

const ONEPASS: &str = env!("CARGO_BIN_EXE_onepass");

/// A directory that everyone may read, with a tree in `tree`.
fn place() -> TempDir {
    let place = TempDir::new().unwrap();
    trees::some().create(&place.path().join("tree"), false);
    // A user without rights packs it.
    let opened = Command::new("chmod").args(["-R", "a+rX"]).arg(place.path()).status().unwrap();
    assert!(opened.success());
    place
}

/// Packs the tree to standard output, as the last argument of a program.
fn pack(place: &Path, program: &[&str], options: &[&str]) -> Output {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).args([ONEPASS, "pack", "tree", "-o", "-", "-q"]).args(options);
    command.current_dir(place).output().unwrap()
}

/// With as few threads as there may be, and none at all. A user of its own counts no threads but these.
#[test]
fn threads_that_cannot_be_started() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can become a user that has no other processes");
    }
    let place = place();
    let user = ["--reuid=64321", "--regid=64321", "--clear-groups"];
    for options in [["-t", "7", "-c", "gzip"], ["-t", "1", "-c", "zstd"], ["-t", "2", "-c", "external:gzip"]] {
        let whole = pack(place.path(), &["env"], &options);
        assert!(whole.status.success(), "{whole:?}");
        let (mut succeeded, mut refused) = (0, 0);
        for limit in 1..=12 {
            let limit = format!("--nproc={limit}");
            let program = [&["setpriv"], &user[..], &["prlimit", &limit]].concat();
            let run = pack(place.path(), &program, &options);
            let said = String::from_utf8_lossy(&run.stderr);
            assert_eq!(said.trim_end().lines().count(), 1, "{limit} {options:?}: {said}");
            if run.status.success() {
                assert!(run.stdout == whole.stdout, "{limit} {options:?}: another image");
                succeeded += 1;
            } else {
                assert_eq!(run.status.code(), Some(1), "{limit} {options:?}: {said}");
                // A program is not started either.
                let is_told = said.contains("temporarily unavailable");
                assert!(is_told, "{limit} {options:?}: {said}");
                refused += 1;
            }
        }
        assert!(succeeded > 2 && refused > 0, "{options:?}: {succeeded} {refused}");
    }
}

#[test]
fn more_threads_than_any_system_has() {
    let place = place();
    let whole = pack(place.path(), &["env"], &["-t", "1"]);
    let run = pack(place.path(), &["env"], &["-t", &usize::MAX.to_string()]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(run.stdout == whole.stdout);
}

/// Both limits: the command raises the lower one as far as it may.
#[test]
fn many_threads_and_few_open_files() {
    let place = TempDir::new().unwrap();
    // Enough segments that every thread gets some.
    for number in 0..200 {
        let directory = place.path().join(format!("tree/{number:03}/{}", ["d"; 22].join("/")));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("file"), Noise(number).bytes(300_000)).unwrap();
    }
    let whole = pack(place.path(), &["env"], &["-c", "none"]);
    assert!(whole.status.success());
    for (limit, threads) in [("200:", "32"), ("200", "32"), ("200", "300"), ("64", "32"), ("48", "8"), ("1024", "1000")]
    {
        let run = pack(place.path(), &["prlimit", &format!("--nofile={limit}")], &["-c", "none", "-t", threads]);
        assert!(run.status.success(), "{limit} {threads}: {}", String::from_utf8_lossy(&run.stderr));
        assert!(run.stdout == whole.stdout, "{limit} {threads}");
    }
}

/// Then the system forgets how a program ended before it is asked.
#[test]
fn a_parent_that_ignores_the_ends_of_programs() {
    let place = place();
    for options in [["-c", "external:gzip"], ["-c", "external:zstd"]] {
        let whole = pack(place.path(), &["env"], &options);
        let run = pack(place.path(), &["env", "--ignore-signal=CHLD"], &options);
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        assert!(run.stdout == whole.stdout);
    }
}

/// No worker finishes what nobody can write any more: here each has seconds to encode.
#[test]
fn a_full_disk_is_told_while_others_still_encode() {
    let place = TempDir::new().unwrap();
    fs::create_dir_all(place.path().join("tree")).unwrap();
    fs::create_dir(place.path().join("out")).unwrap();
    fs::write(place.path().join("tree/noise"), Noise(1).bytes(40 << 20)).unwrap();
    let script = "mount -t tmpfs -o size=64k none out && exec \"$ONEPASS\" pack tree -o out -c xz:9 -t 2";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "strace", "-f", "-qq", "-ttt", "-o", "log"]);
    command.args(["-e", "trace=write,pwrite64,exit_group", "sh", "-c", script]);
    let run = command.env("ONEPASS", ONEPASS).current_dir(place.path()).output().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", String::from_utf8_lossy(&run.stderr));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(said.contains("no space left on device") && said.lines().count() == 1, "{said}");
    let log = fs::read_to_string(place.path().join("log")).unwrap();
    let time = |line: Option<&str>| -> f64 { line.unwrap().split_whitespace().nth(1).unwrap().parse().unwrap() };
    let refused = log.lines().find(|line| line.contains("ENOSPC"));
    let ended = log.lines().rfind(|line| line.contains("exit_group"));
    let late = Duration::from_secs_f64(time(ended) - time(refused));
    assert!(late < Duration::from_secs(1), "told after {late:?}");
}
