//! However a bench or a run of the gates ends, what it measured is kept, and nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use harness::gate::gate_run::{GateOutcome, GateRun};
use harness::record::{Record, Sample, samples};
use tempfile::TempDir;

/// How long something may take that takes a moment, or a minute where others are at work.
const PATIENCE: Duration = Duration::from_secs(600);

/// A small tree, a place for scratch, and one for records.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Place(TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        for name in ["tree", "scratch", "results"] {
            fs::create_dir(place.at(name)).unwrap();
        }
        for number in 0..50 {
            fs::write(place.at(&format!("tree/{number}")), "content ".repeat(number * 100)).unwrap();
        }
        place
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The bench, after what stands before its program.
    fn bench(&self, before: &[&str]) -> Command {
        let mut command = self.task(before, &["bench", "--suite", "smoke"]);
        command.arg("--rootfs").arg(self.at("tree")).stdout(Stdio::null());
        command
    }

    /// The exact gates.
    fn gate(&self, before: &[&str]) -> Command {
        self.task(before, &["gate", "--without-time"])
    }

    /// Any task, after what stands before its program.
    pub(crate) fn task(&self, before: &[&str], task: &[&str]) -> Command {
        let program = [before, &[env!("CARGO_BIN_EXE_xtask")], task].concat();
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg("--scratch").arg(self.at("scratch")).arg("--results").arg(self.at("results"));
        // Of the test harness: builds of the packer would start anew.
        command.stdin(Stdio::null()).env_remove("RUSTC_BOOTSTRAP").env("ONEPASS_BUILT", &*ONEPASS);
        command
    }

    /// The one record, once it is there.
    pub(crate) fn record(&self) -> Option<PathBuf> {
        fs::read_dir(self.at("results")).unwrap().next().map(|entry| entry.unwrap().path())
    }
}

/// Whoever runs the tests in the background may have them ignore Ctrl-C.
pub(crate) const NO_SIGNAL_IGNORED: [&str; 2] = ["env", "--default-signal=INT,TERM"];

#[track_caller]
pub(crate) fn in_time(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

/// The packer, as it is built for tests: by `cargo test --workspace`, or here. A release would take minutes.
static ONEPASS: LazyLock<PathBuf> = LazyLock::new(|| {
    let onepass = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("onepass");
    if !onepass.exists() {
        let build = ["build", "--quiet", "--package", "packer", "--bin", "onepass"];
        assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
    }
    onepass
});

#[test]
fn a_bench_that_is_killed_leaves_what_it_measured_and_no_scratch() {
    let whole = Place::new();
    assert!(whole.bench(&[]).stderr(Stdio::null()).status().unwrap().success());
    assert!(is_empty(&whole.at("scratch")));
    let all = samples(&whole.record().unwrap()).unwrap();
    // Of each process something tells the memory.
    let memory = |sample: &Sample| sample.memory.or(sample.pack.as_ref().and_then(|pack| pack.vm_hwm));
    assert!(all.iter().all(|sample| sample.arm == "floor" || memory(sample) > Some(0)), "{all:?}");
    let all = all.len();
    for (signal, wanted) in [("KILL", 0), ("KILL", 1), ("KILL", all / 2), ("TERM", 3), ("INT", 5)] {
        let place = Place::new();
        let mut bench = place.bench(&NO_SIGNAL_IGNORED).stderr(Stdio::null()).spawn().unwrap();
        let noted = || place.record().and_then(|record| samples(&record).ok()).map_or(0, |samples| samples.len());
        let has_begun = || place.record().is_some_and(|record| record.join("samples.jsonl").exists());
        in_time("a bench that measures", || has_begun() && noted() >= wanted);
        let killed = Command::new("kill").args(["-s", signal, &bench.id().to_string()]).status().unwrap();
        bench.wait().unwrap();
        assert!(killed.success());
        in_time("scratch space that is gone", || is_empty(&place.at("scratch")));
        let record = place.record().unwrap();
        let kept = samples(&record).unwrap();
        assert!((wanted..all).contains(&kept.len()), "{} of {all} after {signal}", kept.len());
        let sequence: Vec<usize> = kept.iter().map(|sample| sample.sequence).collect();
        assert_eq!(sequence, (0..kept.len()).collect::<Vec<_>>());
        // What has no run.json was killed before there was one.
        if record.join("run.json").exists() {
            assert!(!harness::record::Record::read(&record).unwrap().run.complete);
        } else {
            assert_eq!(kept.len(), 0);
        }
    }
}

/// The first is killed while it makes trees, the other while it packs.
#[test]
fn gates_that_are_killed_leave_what_they_measured_and_no_scratch() {
    for (signal, wanted) in [("KILL", 0), ("INT", 2)] {
        let place = Place::new();
        let mut gate = place.gate(&NO_SIGNAL_IGNORED).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let recorded = || place.record().is_some_and(|record| record.join("gate.json").exists());
        let noted = || place.record().and_then(|record| samples(&record).ok()).map_or(0, |samples| samples.len());
        in_time("gates that measure", || recorded() && noted() >= wanted);
        let killed = Command::new("kill").args(["-s", signal, &gate.id().to_string()]).status().unwrap();
        gate.wait().unwrap();
        assert!(killed.success());
        in_time("scratch space that is gone", || is_empty(&place.at("scratch")));
        let record = place.record().unwrap();
        let run = GateRun::read(&record).unwrap();
        assert!(!run.complete && run.conclusion() == GateOutcome::NotMeasured, "{:?}", run.conclusion());
        assert!(samples(&record).unwrap().len() >= wanted);
        let accepted = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("accept").arg(&record).output().unwrap();
        let said = String::from_utf8_lossy(&accepted.stderr).into_owned();
        assert!(!accepted.status.success() && said.contains("did not come to its end"), "{said}");
    }
}

/// In a mount namespace of its own, `$1` is a filesystem with these options.
fn mounted(options: &str) -> Vec<&str> {
    let mount = "mount -t tmpfs -o \"$0\" none \"$1\" && shift && exec \"$@\"";
    vec!["unshare", "--map-root-user", "--mount", "sh", "-c", mount, options]
}

fn mounts_can_be_made() -> bool {
    let tried = Command::new("unshare").args(["--map-root-user", "--mount", "true"]).output();
    let can = tried.is_ok_and(|run| run.status.success());
    if !can {
        testkit::log::skip("no mount namespace can be made");
    }
    can
}

#[test]
fn what_cannot_be_written_is_one_line() {
    let place = Place::new();
    if !mounts_can_be_made() {
        return;
    }
    let [results, scratch] = ["results", "scratch"].map(|name| place.at(name).display().to_string());
    for (before, words) in [
        ([&mounted("ro")[..], &[results.as_str()]].concat(), ["cannot create directory", "read-only file system"]),
        (
            [&mounted("ro")[..], &[scratch.as_str()]].concat(),
            ["cannot create a scratch directory", "read-only file system"],
        ),
        ([&mounted("size=64k")[..], &[scratch.as_str()]].concat(), ["onepass", "no space left on device"]),
        ([&mounted("size=64k")[..], &[results.as_str()]].concat(), ["cannot write", "no space left on device"]),
    ] {
        let run = place.bench(&before).output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        let last = said.lines().last().unwrap_or_default();
        assert!(!run.status.success() && last.starts_with("xtask: "), "{before:?}: {said}");
        assert!(words.iter().all(|word| last.to_lowercase().contains(word)), "{words:?}: {said}");
        let others = said.lines().filter(|line| !line.contains(" runs, ")).count();
        assert_eq!(others, 1, "{said}");
        assert!(is_empty(&place.at("scratch")), "{before:?}");
    }
}

/// Every timed run makes another image than the verified one: the figures are kept, and the command fails and says so.
#[test]
fn a_bench_whose_timed_runs_make_another_image_fails() {
    let place = Place::new();
    let (script, count) = (place.at("onepass"), place.at("count"));
    let cores = std::thread::available_parallelism().unwrap().get();
    let verified = 2 * 3 * cores.min(2);
    let text = format!(
        "#!/bin/sh\necho >> {count}\n[ $(wc -l < {count}) -le {verified} ] || set -- \"$@\" --clamp-mtime @0\nexec {onepass} \"$@\"\n",
        count = count.display(),
        onepass = ONEPASS.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let run = place.bench(&[]).env("ONEPASS_BUILT", &script).stdout(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert_eq!(run.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("FAILED after the runs were measured. What does not hold: every timed run made"), "{said}");
    let record = Record::read(&place.record().unwrap()).unwrap();
    assert!(record.run.complete && !record.run.holds() && !record.run.comparisons.is_empty());
    assert!(fs::read_to_string(place.record().unwrap().join("report.md")).unwrap().contains("FAILED after"));
}

/// What keeps the gates from being tried is no failure of the packer: exit code 2, and the one line says why.
#[test]
fn gates_that_cannot_be_tried_say_so_in_one_line() {
    let place = Place::new();
    let check = |command: &mut Command, words: &str| {
        let run = command.output().unwrap();
        let [said, noise] = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert_eq!(run.status.code(), Some(2), "{words}: {said}{noise}");
        assert!(said.starts_with("NOT MEASURED: ") && said.to_lowercase().contains(words), "{words}: {said}{noise}");
        assert_eq!((said.lines().count(), noise.as_str()), (1, ""), "{words}");
        assert!(is_empty(&place.at("scratch")), "{words}");
    };
    check(
        place.gate(&[]).env_remove("ONEPASS_BUILT").env("CARGO", "/missing/cargo"),
        "cannot run cargo: no such file or directory",
    );
    check(&mut place.task(&[], &["gate", "--base", "nothing"]), "`nothing` is no revision");
    if !mounts_can_be_made() {
        return;
    }
    let [results, scratch] = ["results", "scratch"].map(|name| place.at(name).display().to_string());
    check(&mut place.gate(&[&mounted("ro")[..], &[results.as_str()]].concat()), "read-only file system");
    check(&mut place.gate(&[&mounted("ro")[..], &[scratch.as_str()]].concat()), "cannot create a scratch directory");
    check(&mut place.gate(&[&mounted("size=4m")[..], &[scratch.as_str()]].concat()), "no space left on device");
}
