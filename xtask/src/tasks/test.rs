//! `cargo xtask test`: the tests of the workspace, their fast tier or their deep one, with times and what was skipped.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::{print, repository, today};

/// Run the tests of the workspace: the fast tier, as `cargo test` does, or the deep one
///
/// Prints the slowest tests, the counts of what was tried, and each skipped test with its reason.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo xtask test --deep --record    Run the deep tier and keep its counts")]
pub(crate) struct Arguments {
    /// The deep tier, which takes at most an hour: the same tests with larger numbers, real clients, planted faults
    #[arg(long)]
    deep: bool,
    /// Write the counts and times of the deep tier to results/deep.json
    #[arg(long, requires = "deep", conflicts_with = "names")]
    record: bool,
    /// Only count the commits to the packer since that record: warn above 40, fail above 120
    #[arg(long, conflicts_with_all = ["deep", "names"])]
    check_record: bool,
    /// Only tests with one of these in their names
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Commits to the packer since the last deep run: above the first there is a warning, above the second a failure.
const OLD: [usize; 2] = [40, 120];

/// How many of the slowest tests are printed and recorded.
const SLOWEST: usize = 20;

/// Fixtures that are near a real tree, or of a known size, at their full scale; the fidelity of each is a claim.
const NEAR: [&str; 8] =
    ["debian-base", "node-app", "alpine-mini", "tiny-50k", "incompressible", "zeros", "sparse", "tar-corners"];

/// Fixtures that are near a real tree at a quarter of their scale, which is what the suites use.
const NEAR_AT_A_QUARTER: [&str; 2] = ["python-app", "toolchain"];

const RECORD: &str = "results/deep.json";

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.check_record {
        return check_record();
    }
    let revision = if arguments.record { committed()? } else { String::new() };
    let started = Instant::now();
    let mut outcome = tests(arguments.deep, &arguments.names)?;
    if arguments.deep && arguments.names.is_empty() {
        steps(&mut outcome)?;
    }
    let seconds = started.elapsed().as_secs();
    outcome.summarize(seconds)?;
    if arguments.record {
        let record = outcome.record(&revision, seconds)?;
        fs::write(repository().join(RECORD), record).with_context(|| format!("cannot write `{RECORD}`"))?;
    }
    Ok(if outcome.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a run did.
#[derive(Debug, Default)]
struct Outcome {
    /// The seconds that each test took.
    passed: BTreeMap<String, f64>,
    /// Tests and steps.
    failed: Vec<String>,
    /// Tests, each with the reason.
    skipped: BTreeMap<String, String>,
    /// Tests that run in the deep tier only.
    deep_only: Vec<String>,
    /// What was tried, by what it is: kills, power cuts, failed calls.
    counts: BTreeMap<String, u64>,
    /// The seconds that each step beside the tests took.
    steps: BTreeMap<String, u64>,
}

/// Runs all tests, and the examples in the documentation.
fn tests(deep: bool, names: &[String]) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let place = tempfile::tempdir().context("cannot create a directory for the log")?;
    let log = place.path().join("log");
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"], deep);
    if names.is_empty() {
        command.args(["--lib", "--bins", "--tests", "--examples"]);
    } else {
        command.arg("--tests");
    }
    // The standard test harness tells times as JSON only, and does so only for who takes what is unstable; cargo must not
    // see that variable, or it builds everything anew.
    command.args(["--config", "target.'cfg(all())'.runner = ['env', 'RUSTC_BOOTSTRAP=1']"]);
    command.args(["--", "-Z", "unstable-options", "--format", "json", "--report-time"]).args(names);
    let mut run = command.env("ONEPASS_TEST_LOG", &log).stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
    let output = run.stdout.take().context("cargo has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("cannot read what cargo prints")?;
        match serde_json::from_str(&line) {
            Ok(event) => outcome.add(&event)?,
            Err(_) => print(line)?,
        }
    }
    if !run.wait().context("cannot wait for cargo")?.success() && outcome.failed.is_empty() {
        outcome.failed.push("cargo test".to_owned());
    }
    if names.is_empty() && !cargo(&["test", "--quiet", "--workspace", "--doc"], deep).status()?.success() {
        outcome.failed.push("the examples in the documentation".to_owned());
    }
    outcome.add_log(&fs::read_to_string(&log).unwrap_or_default());
    Ok(outcome)
}

fn cargo(arguments: &[&str], deep: bool) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository()).args(arguments).stdin(Stdio::null()).env_remove("ONEPASS_DEEP");
    if deep {
        command.env("ONEPASS_DEEP", "1");
    }
    command
}

/// Other tasks that belong to the deep tier: they prove what no test can, on a real tree and with real clients.
fn steps(outcome: &mut Outcome) -> Result<()> {
    let scratch = tempfile::tempdir().context("cannot create a scratch directory")?;
    let place = scratch.path().to_str().context("the scratch directory has a name that is no text")?;
    let tree = format!("{place}/rootfs");
    for (name, arguments) in [
        ("rootfs", &["rootfs", "--minimal", &tree][..]),
        ("interop", &["interop", "--strict", "--rootfs", &tree, "--scratch", place]),
        ("fixtures", &[&["fixtures", "--verify"], &NEAR[..], &["--scratch", place]].concat()),
        (
            "fixtures x0.25",
            &[&["fixtures", "--verify"], &NEAR_AT_A_QUARTER[..], &["--scale", "0.25", "--scratch", place]].concat(),
        ),
        ("planted", &["planted", "--scratch", place]),
        // The smallest suite with enough pairs for the claim.
        ("bench", &["bench", "--suite", "quick", "--scratch", place, "--results", place]),
    ] {
        print(format!("== {name}"))?;
        let started = Instant::now();
        let status = Command::new(std::env::current_exe()?).args(arguments).stdin(Stdio::null()).status()?;
        outcome.steps.insert(name.to_owned(), started.elapsed().as_secs());
        if !status.success() {
            outcome.failed.push(format!("cargo xtask {}", arguments.join(" ")));
        }
    }
    Ok(())
}

impl Outcome {
    /// Takes what the test harness says; of a test that failed it is printed at once.
    fn add(&mut self, event: &Value) -> Result<()> {
        let name = event["name"].as_str().unwrap_or_default().to_owned();
        match (event["type"].as_str(), event["event"].as_str()) {
            (Some("test"), Some("ok")) => {
                self.passed.insert(name, event["exec_time"].as_f64().unwrap_or_default());
            }
            (Some("test"), Some("failed")) => {
                print(format!("---- {name} failed\n{}", event["stdout"].as_str().unwrap_or_default()))?;
                self.failed.push(name);
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes what tests have logged: `testkit::log` has the form.
    fn add_log(&mut self, log: &str) {
        for line in log.lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["skipped", test, reason] => drop(self.skipped.insert(test.to_owned(), reason.to_owned())),
                ["deep", test] => self.deep_only.push(test.to_owned()),
                ["count", what, number] => {
                    *self.counts.entry(what.to_owned()).or_default() += number.parse::<u64>().unwrap_or_default();
                }
                _ => {}
            }
        }
        self.deep_only.sort();
    }

    /// The tests that took longest, with their seconds.
    fn slowest(&self) -> Vec<(&str, f64)> {
        let mut times: Vec<_> = self.passed.iter().map(|(name, seconds)| (&**name, *seconds)).collect();
        times.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        times.truncate(SLOWEST);
        times
    }

    fn summarize(&self, seconds: u64) -> Result<()> {
        print("\nslowest:")?;
        for (name, seconds) in self.slowest() {
            print(format!("{seconds:>8.2} s  {name}"))?;
        }
        for (what, number) in &self.counts {
            print(format!("{number:>8} {what}"))?;
        }
        if !self.deep_only.is_empty() {
            print(format!("\nin the deep tier only:\n  {}", self.deep_only.join("\n  ")))?;
        }
        if !self.skipped.is_empty() {
            print("\nskipped:")?;
        }
        for (test, reason) in &self.skipped {
            print(format!("  {test}: {reason}"))?;
        }
        if !self.failed.is_empty() {
            print(format!("\nfailed:\n  {}", self.failed.join("\n  ")))?;
        }
        let (passed, failed, skipped) = (self.passed.len(), self.failed.len(), self.skipped.len());
        print(format!("\n{passed} passed, {failed} failed, {skipped} of them skipped, {seconds} s"))
    }

    /// The record of a run, as text.
    fn record(&self, revision: &str, seconds: u64) -> Result<String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let slowest: BTreeMap<_, _> =
            self.slowest().into_iter().map(|(name, seconds)| (name, seconds.round() as u64)).collect();
        let record = json!({
            "date": today()?,
            "revision": revision,
            "cores": cores,
            "seconds": seconds,
            "tests": { "passed": self.passed.len(), "failed": self.failed, "skipped": self.skipped },
            "counts": self.counts,
            "steps": self.steps,
            "slowest_seconds": slowest,
        });
        Ok(format!("{}\n", serde_json::to_string_pretty(&record)?))
    }
}

/// The present revision, of which nothing may be changed.
fn committed() -> Result<String> {
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    ensure!(changed.is_empty(), "only what is committed can be recorded: {changed}");
    git(&["rev-parse", "HEAD"])
}

/// Compares the record with the present revision.
fn check_record() -> Result<ExitCode> {
    let text = fs::read_to_string(repository().join(RECORD))
        .with_context(|| format!("cannot read `{RECORD}`, which `cargo xtask test --deep --record` writes"))?;
    let record: Value = serde_json::from_str(&text).with_context(|| format!("`{RECORD}` is not a record"))?;
    let (Some(revision), Some(date)) = (record["revision"].as_str(), record["date"].as_str()) else {
        bail!("`{RECORD}` names no revision and no date");
    };
    if record["tests"]["failed"].as_array().is_none_or(|failed| !failed.is_empty()) {
        bail!("the deep tier failed on {date}: see `{RECORD}`");
    }
    let range = format!("{revision}..HEAD");
    let behind: usize =
        git(&["rev-list", "--count", &range, "--", "packer"])?.parse().context("git counts no commits")?;
    let is_too_old = behind > OLD[1];
    let advice = if behind > OLD[0] { ": run `cargo xtask test --deep --record`" } else { "" };
    print(format!("the deep tier passed on {date}, {behind} commits to the packer ago{advice}"))?;
    Ok(if is_too_old { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What git prints in the repository.
fn git(arguments: &[&str]) -> Result<String> {
    let run = Command::new("git").current_dir(repository()).args(arguments).output().context("cannot run git")?;
    let told = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "git {} failed: {}", arguments.join(" "), told.trim());
    Ok(String::from_utf8_lossy(&run.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_harness_and_the_tests_say_is_taken() {
        let mut outcome = Outcome::default();
        for (name, event, seconds) in [("quick", "ok", 0.1), ("slow", "ok", 7.0), ("quick", "started", 0.0)] {
            outcome.add(&json!({"type": "test", "name": name, "event": event, "exec_time": seconds})).unwrap();
        }
        outcome.add_log("skipped\tquick\tno root\ncount\tkills\t3\ncount\tkills\t4\ndeep\tslow\nanything\n");
        assert_eq!(outcome.slowest(), [("slow", 7.0), ("quick", 0.1)]);
        assert_eq!(
            (outcome.counts["kills"], &*outcome.skipped["quick"], &*outcome.deep_only[0]),
            (7, "no root", "slow")
        );
        let record: Value = serde_json::from_str(&outcome.record("abc", 9).unwrap()).unwrap();
        assert_eq!((&record["tests"]["passed"], &record["counts"]["kills"]), (&json!(2), &json!(7)));
    }
}
