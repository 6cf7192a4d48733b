//! What a run of tests leaves behind besides passes and failures: skipped tests, and counts of what was tried.
//!
//! All test binaries of a run append to one file. `ONEPASS_TEST_LOG` names it; without that, it lies in the target directory
//! and is named by the process that started the binary: `cargo test` starts all of them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Reports the calling test as skipped. With `CI` or `ONEPASS_STRICT` set it fails: there nothing may be skipped.
///
/// # Panics
///
/// If nothing may be skipped, or the log cannot be written.
#[track_caller]
pub fn skip(reason: &str) {
    let test = test();
    assert!(!is_strict(), "`{test}` cannot run: {reason}");
    append(&format!("skipped\t{test}\t{}\n", reason.trim().replace(['\n', '\t'], " ")));
    // Not captured, as the output of the macros is: a skipped test counts as passed.
    let _ = writeln!(io::stderr(), "skipped: {test}: {}", reason.trim());
}

/// Adds to what a run has tried: kills, power cuts, failed calls.
///
/// # Panics
///
/// If the log cannot be written.
pub fn count(what: &str, number: usize) {
    append(&format!("count\t{what}\t{number}\n"));
}

/// Reports the calling test as one of the deep tier.
///
/// # Panics
///
/// If the log cannot be written.
pub fn deep_only() {
    append(&format!("deep\t{}\n", test()));
}

/// The tests that this run has skipped, with the reason of each.
pub fn skipped() -> Vec<(String, String)> {
    let log = path().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let mut skipped: Vec<_> = log
        .lines()
        .filter_map(|line| line.strip_prefix("skipped\t")?.split_once('\t'))
        .map(|(test, reason)| (test.to_owned(), reason.to_owned()))
        .collect();
    skipped.sort();
    skipped.dedup();
    skipped
}

fn is_strict() -> bool {
    ["CI", "ONEPASS_STRICT"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// The test harness names its threads by their tests.
fn test() -> String {
    std::thread::current().name().unwrap_or("a thread without a name").to_owned()
}

fn append(line: &str) {
    let path = path().expect("a test binary lies in a target directory");
    // One write for a line: other binaries may append to the same file.
    let file = File::options().create(true).append(true).open(&path);
    file.and_then(|mut file| file.write_all(line.as_bytes())).unwrap();
}

fn path() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ONEPASS_TEST_LOG") {
        return Some(path.into());
    }
    // target/debug/deps/it-0123456789abcdef
    let place = std::env::current_exe().ok()?.ancestors().nth(3)?.join("tmp/test-logs");
    fs::create_dir_all(&place).ok()?;
    remove_old(&place);
    let parent = std::os::unix::process::parent_id();
    Some(place.join(name(parent)?))
}

/// A process by its id and the time of its start, since ids are used again.
fn name(process: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name, which may hold anything, the start is the twentieth field.
    let start = status.rsplit_once(") ")?.1.split(' ').nth(19)?.to_owned();
    Some(format!("{process}-{start}"))
}

/// Removes the logs of runs that are over.
fn remove_old(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let is_running = file.to_str().and_then(|file| {
            let process = file.split_once('-')?.0.parse().ok()?;
            Some(name(process)? == file)
        });
        if is_running != Some(true) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check of the check, in a process of its own: this one's log is the run's.
    #[test]
    fn what_is_skipped_is_logged_and_where_nothing_may_be_skipped_it_fails() {
        const INSIDE: &str = "ONEPASS_TEST_INSIDE";
        if std::env::var_os(INSIDE).is_some() {
            return skip("a reason\nof two lines");
        }
        let log = std::env::temp_dir().join(format!("testkit-{}", std::process::id()));
        for (strict, expected) in [(false, "skipped\t"), (true, "")] {
            let mut run = std::process::Command::new(std::env::current_exe().unwrap());
            run.args(["--exact", "log::tests::what_is_skipped_is_logged_and_where_nothing_may_be_skipped_it_fails"]);
            run.env(INSIDE, "1").env("ONEPASS_TEST_LOG", &log).env_remove("CI").env_remove("ONEPASS_STRICT");
            if strict {
                run.env("ONEPASS_STRICT", "1");
            }
            let run = run.output().unwrap();
            assert_eq!(run.status.success(), !strict, "{}", String::from_utf8_lossy(&run.stdout));
            let lines = fs::read_to_string(&log).unwrap_or_default();
            let _ = fs::remove_file(&log);
            assert!(lines.starts_with(expected) && strict == lines.is_empty(), "{lines}");
            assert!(strict || lines.ends_with("fails\ta reason of two lines\n"), "{lines}");
        }
    }
}
