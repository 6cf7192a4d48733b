//! Disks that are full and compressors that fail: the cause is told, nothing is left behind, nothing hangs.
//!
//! Each case runs in a mount namespace of its own, where a small filesystem or another `gzip` stands in the way.

use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::at_once;
use testkit::tier::runs_deep;

use crate::squashfs::can_be_made;
use crate::trees;

/// A directory with a tree of some megabytes in `tree`, and an empty `out`.
pub(crate) fn place() -> TempDir {
    let place = TempDir::new().unwrap();
    trees::some().create(&place.path().join("tree"), false);
    fs::create_dir(place.path().join("out")).unwrap();
    place
}

/// Runs a script in a mount namespace; `$ONEPASS` is the command.
pub(crate) fn run(place: &TempDir, script: &str) -> Output {
    Command::new("timeout")
        .args(["60", "unshare", "--mount", "--map-root-user", "sh", "-c", script])
        .env("ONEPASS", env!("CARGO_BIN_EXE_onepass"))
        .current_dir(place.path())
        .output()
        .unwrap()
}

#[track_caller]
pub(crate) fn fails(place: &TempDir, script: &str, words: &str) {
    let run = run(place, script);
    let message = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{script}: {message}");
    assert!(message.contains(words), "{script}: {message}");
    assert!(run.stdout.is_empty());
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
}

#[test]
fn a_full_disk_is_told_as_what_it_is() {
    let place = place();
    for compression in ["none", "gzip", "zstd", "xz:1", "external:gzip", "squashfs"] {
        if compression == "squashfs" && !can_be_made() {
            continue;
        }
        for strategy in ["single-stream", "two-pass"] {
            for threads in [1, 2, 7] {
                let script = format!(
                    "mount -t tmpfs -o size=256k none out && \
                     $ONEPASS pack tree -o out -c {compression} --strategy {strategy} -t {threads}; code=$?; \
                     [ -z \"$(ls -A out)\" ] || echo left behind >&2; \
                     [ $(df --output=used -k out | tail -n 1) -le 4 ] || echo not freed >&2; exit $code"
                );
                fails(&place, &script, "no space left on device");
            }
        }
    }
}

#[test]
fn a_compressor_that_fails_is_named_with_its_own_words() {
    let place = place();
    let faults = [
        ("echo boom >&2; exit 3", "`gzip` failed (exit status: 3): boom"),
        ("exit 0", "`gzip` ended before it had read all of its input"),
        ("kill -9 $$", "`gzip` failed (signal: 9"),
        ("exec <&-; exec sleep 100", "`gzip` ended before it had read all of its input"),
        ("cat >/dev/null; exec >&-; exec sleep 100", "`gzip` closed its output and did not end"),
        ("sleep 20 & exit 4", "`gzip` failed (exit status: 4)"),
        ("cat; sleep 20 & exit 5", "`gzip` failed (exit status: 5)"),
        ("head -c 1000000 /dev/zero | tr \\\\0 x >&2; exit 6", "`gzip` failed (exit status: 6): xxxx"),
        ("head -c 100000 >/dev/null; kill -9 $$", "`gzip` failed (signal: 9"),
        ("head -c 100000; exec <&-; exit 0", "`gzip` ended before it had read all of its input"),
        ("cat >/dev/null; echo late >&2; exit 1", "`gzip` failed (exit status: 1): late"),
        ("cat >/dev/null", "`gzip` wrote nothing"),
    ];
    // They wait more than they work: all at once.
    let cases = faults.iter().flat_map(|fault| ["single-stream", "two-pass"].map(|strategy| (fault, strategy)));
    at_once(cases, |number, ((gzip, words), strategy)| {
        let out = place.path().join(format!("out/{number}"));
        fs::create_dir(&out).unwrap();
        let script = format!(
            "mount -t tmpfs none /usr/local/sbin && printf '%s\\n' '#!/bin/sh' '[ \"$1\" != --version ] || exit 0' '{gzip}' \
             > /usr/local/sbin/gzip && chmod +x /usr/local/sbin/gzip && \
             exec $ONEPASS pack tree -o out/{number} -c external:gzip --strategy {strategy}"
        );
        let started = Instant::now();
        fails(&place, &script, words);
        assert!(started.elapsed() < Duration::from_secs(25), "{gzip}: {:?}", started.elapsed());
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "{gzip}: left behind");
    });
}

/// All of a small tar fits the pipe, so that nobody notices a compressor that never reads it – but for what is left there.
#[test]
fn a_compressor_that_reads_nothing_of_a_small_tar_is_noticed() {
    let place = place();
    fs::create_dir(place.path().join("small")).unwrap();
    let script = "mount -t tmpfs none /usr/local/sbin && printf '%s\\n' '#!/bin/sh' 'echo something' \
                  > /usr/local/sbin/gzip && chmod +x /usr/local/sbin/gzip && exec $ONEPASS pack small -o out -c external:gzip";
    fails(&place, script, "`gzip` ended before it had read all of its input");
}

/// It takes half a minute, which is how long a compressor may do nothing at all.
#[test]
fn a_compressor_that_does_nothing_is_given_up() {
    if !runs_deep() {
        return;
    }
    let place = place();
    let script = "mount -t tmpfs none /usr/local/sbin && printf '%s\\n' '#!/bin/sh' '[ \"$1\" != --version ] || exit 0' \
                  'exec sleep 100' > /usr/local/sbin/gzip && chmod +x /usr/local/sbin/gzip && \
                  exec $ONEPASS pack tree -o out -c external:gzip";
    fails(&place, script, "`gzip` has neither read nor written anything for 30 s");
}

/// The shell reads the script by a handle of its own, number 10 or above; what it was started with is below.
#[test]
fn a_compressor_gets_its_pipes_a_clean_environment_and_nothing_else() {
    let place = place();
    let script = "mount -t tmpfs none /usr/local/sbin && printf '%s\\n' '#!/bin/sh' '[ \"$1\" != --version ] || exit 0' \
                  'for n in 0 1 2 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$n ] || echo -n \"$n \" >&2; done; tr \"\\0\" \" \" < /proc/$$/environ >&2; pwd >&2; exit 7' \
                  > /usr/local/sbin/gzip && chmod +x /usr/local/sbin/gzip && \
                  export SECRET=1 && exec 5</etc/passwd && exec $ONEPASS pack tree -o out -c external:gzip -t 2";
    let run = run(&place, script);
    let said = String::from_utf8_lossy(&run.stderr);
    let told = said.split_once("failed (exit status: 7): ").unwrap_or_else(|| panic!("{said}")).1;
    let handles: Vec<&str> = told.split(' ').take_while(|word| word.parse::<u32>().is_ok()).collect();
    assert_eq!(handles, ["0", "1", "2"], "{told}");
    let mut environment: Vec<&str> = told.trim_end().split(' ').skip(handles.len()).collect();
    assert_eq!(environment.pop(), Some("/"));
    environment.sort_unstable();
    let path = environment.pop().unwrap();
    assert!(path.starts_with("PATH=/usr/local/sbin:") && environment == ["LC_ALL=C"], "{told}");
}
