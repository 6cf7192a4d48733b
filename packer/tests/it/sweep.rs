//! Every system call of a pack fails once: no image, nothing left and the cause told, or an image that is whole.
//!
//! The fast tier lists the calls of a pack, and fails each that differs from those before it in its name, its arguments or its
//! result. The deep tier fails every call with every error, over every kind of output directory, with one and four threads.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use testkit::log::count;
use testkit::tier::is_deep;

use crate::formats::{Files, files};
use crate::squashfs::can_be_made;
use crate::strace::{self, Calls, strace};

/// Calls, and how they may fail. `EINTR` comes from signals, and from network and user-space filesystems.
const CALLS: [(&str, &[&str]); 17] = [
    ("openat", &["EIO", "EMFILE", "ENOMEM", "EINTR", "EOPNOTSUPP"]),
    ("read", &["EIO", "EINTR"]),
    ("pread64", &["EIO", "EINTR"]),
    ("getdents64", &["EIO", "EINTR"]),
    ("statx", &["EIO", "ENOMEM"]),
    ("readlinkat", &["EIO"]),
    ("write", &["ENOSPC", "EIO", "EDQUOT", "EINTR"]),
    ("pwrite64", &["ENOSPC", "EIO", "EDQUOT", "EINTR"]),
    ("fchmod", &["EIO"]),
    ("fsync", &["ENOSPC", "EIO", "EDQUOT", "EINTR"]),
    ("linkat", &["ENOSPC", "EIO", "EDQUOT", "EOPNOTSUPP"]),
    ("renameat2", &["ENOSPC", "EIO", "EDQUOT"]),
    ("mkdirat", &["ENOSPC", "EIO", "EDQUOT"]),
    ("unlinkat", &["EIO"]),
    ("flock", &["EINTR"]),
    ("close", &["EIO", "EINTR"]),
    ("fcntl", &["EINVAL"]),
];

/// All of them, as an option of strace.
fn traced() -> String {
    let names: Vec<&str> = CALLS.iter().map(|(call, _)| *call).collect();
    format!("trace={}", names.join(","))
}

/// What an error is called in a message.
fn words(error: &str) -> &'static [&'static str] {
    match error {
        "EIO" => &["input/output error", "Input/output error"],
        "EMFILE" => &["too many open files", "Too many open files"],
        "ENOMEM" => &["annot allocate memory"],
        "ENOSPC" => &["no space left on device"],
        "EDQUOT" => &["disk quota exceeded", "quota exceeded"],
        "EINTR" => &["nterrupted"],
        "EOPNOTSUPP" => &["not supported", "Operation not supported"],
        _ => &["nvalid argument"],
    }
}

/// What stands in the output directory before the pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Nothing,
    /// The same image, whole.
    Image,
    /// The remains of a crash under its name, and a temporary file.
    Remains,
}

struct Place {
    root: TempDir,
    way: &'static [&'static str],
    /// What the pack makes of an empty output directory.
    whole: Files,
    fingerprint: String,
}

impl Place {
    fn new(way: &'static [&'static str]) -> Self {
        let root = TempDir::new().unwrap();
        let tree = root.path().join("tree");
        fs::create_dir_all(tree.join("directory/below")).unwrap();
        fs::write(tree.join("directory/file"), "text ".repeat(30_000)).unwrap();
        fs::write(tree.join("directory/below/other"), "other").unwrap();
        std::os::unix::fs::symlink("directory/file", tree.join("link")).unwrap();
        // What a format looks up by path: a program's architecture, and os-release behind a link.
        for directory in ["bin", "etc", "usr/lib"] {
            fs::create_dir_all(tree.join(directory)).unwrap();
        }
        let program = fs::read("/proc/self/exe").unwrap();
        fs::write(tree.join("bin/sh"), &program[..64]).unwrap();
        fs::write(tree.join("usr/lib/os-release"), "ID=swept\n").unwrap();
        std::os::unix::fs::symlink("../usr/lib/os-release", tree.join("etc/os-release")).unwrap();
        let mut place = Place { root, way, whole: Files::new(), fingerprint: String::new() };
        let output = place.output(Standing::Nothing);
        let run = place.command(&output, "1", &["-f", "-e", "trace=none"]).output().unwrap();
        assert!(run.status.success());
        place.fingerprint = String::from_utf8(run.stdout).unwrap()[..64].to_owned();
        place.whole = files(&output);
        place
    }

    /// A new output directory.
    fn output(&self, standing: Standing) -> PathBuf {
        let output = self.root.path().join("out");
        let _ = fs::remove_dir_all(&output);
        fs::create_dir(&output).unwrap();
        for (path, bytes) in self.before(standing) {
            let path = output.join(path);
            match bytes {
                None => fs::create_dir_all(path).unwrap(),
                Some(bytes) => {
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, bytes).unwrap();
                }
            }
        }
        if standing == Standing::Remains {
            fs::write(output.join(".onepass-00000000000000aa.tmp"), "left").unwrap();
        }
        output
    }

    /// What stands there, but for temporary files.
    fn before(&self, standing: Standing) -> Files {
        let mut before = if standing == Standing::Nothing { Files::new() } else { self.whole.clone() };
        // What has a fingerprint for a name is half of what it was.
        for bytes in before.iter_mut().filter(|(path, _)| !is_document(path)).filter_map(|(_, bytes)| bytes.as_mut()) {
            bytes.truncate(if standing == Standing::Remains { bytes.len() / 2 } else { usize::MAX });
        }
        before
    }

    /// A pack under strace with some options, of a log and of what is to fail.
    fn command(&self, output: &Path, threads: &str, options: &[&str]) -> Command {
        let mut command = strace(options, &self.log());
        command.args(["pack", "-t", threads]).args(self.way).arg("-o").arg(output).arg(self.root.path().join("tree"));
        command
    }

    fn has_program(&self) -> bool {
        ["external:gzip", "squashfs"].iter().any(|program| self.way.contains(program))
    }

    fn log(&self) -> PathBuf {
        self.root.path().join("log")
    }

    /// The calls that a pack makes over what stands there.
    fn calls(&self, standing: Standing) -> Calls {
        let output = self.output(standing);
        assert!(self.command(&output, "1", &["-ff", "-y", "-e", &traced()]).output().unwrap().status.success());
        Calls::take(&self.log())
    }

    /// The calls of a program that does nothing: the loader's, and those of the standard library's start.
    fn calls_before_main(&self) -> Calls {
        let mut command = strace(&["-ff", "-y", "-e", &traced()], &self.log());
        assert!(command.arg("--version").output().unwrap().status.success());
        let mut calls = Calls::take(&self.log());
        // All that the packer itself does there is to write its version.
        calls.0.retain(|(call, _), _| call != "write");
        calls
    }

    /// Lets the Nth call of each thread fail; false if no thread makes so many.
    fn fails(&self, threads: &str, call: &str, error: &str, number: usize, standing: Standing) -> bool {
        let output = self.output(standing);
        let [trace, injection] = [format!("trace={call}"), format!("inject={call}:error={error}:when={number}")];
        let run =
            self.command(&output, threads, &["-f", "--seccomp-bpf", "-e", &trace, "-e", &injection]).output().unwrap();
        let at = format!("{call} {number} with {error}, {standing:?}, {threads} threads, {:?}", self.way);
        self.law(&run, &output, (call, error), standing, &at);
        fs::read_to_string(self.log()).unwrap().contains("INJECTED")
    }

    fn law(&self, run: &Output, output: &Path, (call, error): (&str, &str), standing: Standing, at: &str) {
        let told = String::from_utf8_lossy(&run.stderr);
        let mut left = files(output);
        left.retain(|path, _| standing != Standing::Remains || !path.ends_with(".onepass-00000000000000aa.tmp"));
        // What cannot be removed stays, and the next pack removes it.
        left.retain(|path, _| call != "unlinkat" || !path.to_str().unwrap().starts_with(".onepass-"));
        if run.status.success() {
            assert!(String::from_utf8_lossy(&run.stdout).starts_with(&self.fingerprint), "{at}");
            assert!(left == self.whole, "{at}: {:?}", left.keys());
            return;
        }
        // Calls are counted by thread: when the first `write` fails, that of the message may fail as well.
        let speechless = call == "write" && (told.is_empty() || !run.stdout.is_empty());
        // The standard library cannot start a program if it cannot read how that went.
        let pipe = told.contains("the CLOEXEC pipe failed");
        if !speechless && !pipe {
            assert!(run.stdout.is_empty(), "{at}: {:?}", run.stdout);
            assert_eq!(told.lines().count(), 1, "{at}: {told}");
            let caused = words(error).iter().any(|words| told.contains(words));
            // A program's loader may fail; and when its words cannot be read, it has none.
            let elsewhere = ["error while loading shared libraries", "`gzip` ", "`tar2sqfs` "];
            let elsewhere = (self.has_program() || is_deep()) && elsewhere.iter().any(|words| told.contains(words));
            assert!(caused || elsewhere, "{at}: {told}");
        }
        // The failure may be that of the last fsync, or of the report: the image has its name, and is whole.
        let is_late = run.status.code() == Some(4);
        assert!(!is_late || left == self.whole, "{at}: {:?}", left.keys());
        assert!(is_late || standing != Standing::Nothing || left != self.whole, "{at}: {:?}", run.status);
        let before = self.before(standing);
        let kept = |(path, bytes): (&PathBuf, &Option<Vec<u8>>)| {
            [&before, &self.whole].iter().any(|files| files.get(path).is_some_and(|expected| expected == bytes))
        };
        let complete = left.len() == before.len() || left == self.whole;
        assert!(complete && left.iter().all(kept), "{at}: {:?}", left.keys());
    }
}

/// Whether a file of a layout is named by what it is for.
fn is_document(path: &Path) -> bool {
    ["oci-layout", "index.json"].map(Path::new).contains(&path)
}

const EVERYTHING: [Standing; 3] = [Standing::Nothing, Standing::Image, Standing::Remains];

fn sweep(way: &'static [&'static str], before: &[Standing]) {
    if !strace::is_installed() {
        return;
    }
    let place = Place::new(way);
    let failures = if is_deep() { every_call(&place, before) } else { every_different_call(&place, before) };
    count("failed calls", failures);
    assert!(failures > 100, "only {failures} calls failed");
}

/// The calls of this way that may fail, with their errors.
fn calls(place: &Place) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    // What strace makes fail is not done: a pipe would stay open that was closed, whatever close said.
    let has_program = place.has_program();
    CALLS.into_iter().filter(move |(call, _)| *call != "close" || !has_program)
}

/// Fails each call that differs from those before it: with one of the errors that a disk gives, each in turn, and once with
/// each error that packs treat in a way of its own.
fn every_different_call(place: &Place, before: &[Standing]) -> usize {
    let mut seen: BTreeSet<String> = place.calls_before_main().0.into_values().flatten().collect();
    let (mut tried, mut failures) = (0, 0);
    for standing in before {
        let made = place.calls(*standing);
        for (call, errors) in calls(place) {
            let (own, usual): (Vec<_>, Vec<_>) =
                errors.iter().copied().partition(|error| ["EINTR", "EOPNOTSUPP"].contains(error));
            let numbers = made.0.iter().filter(|((name, _), _)| name == call);
            for ((_, number), lines) in numbers {
                let is_new = lines.iter().filter(|line| seen.insert(line.to_string())).count() > 0;
                // Of what is not new over an image, a sample.
                if !is_new && (*standing == Standing::Nothing || *number % 5 > 0) {
                    continue;
                }
                let usual = usual.get(number % usual.len().max(1)).copied();
                for error in usual.into_iter().chain(own.iter().copied().filter(|_| is_new)) {
                    tried += 1;
                    failures += usize::from(place.fails("1", call, error, *number, *standing));
                }
            }
        }
    }
    // What a thread reads of a pipe may come in more or fewer pieces.
    assert!(failures * 20 >= tried * 19, "of {tried} calls only {failures} were made again");
    failures
}

/// Fails every call with every error.
fn every_call(place: &Place, before: &[Standing]) -> usize {
    /// After so many runs in which no thread made the Nth call there is none. With four threads it depends on the run.
    const MISSES: usize = 3;
    let mut failures = 0;
    for (call, errors) in calls(place) {
        for (error, standing) in errors.iter().flat_map(|error| before.iter().map(move |standing| (error, standing))) {
            for threads in ["1", "4"] {
                let (mut number, mut misses) = (1, 0);
                while misses < MISSES {
                    let failed = place.fails(threads, call, error, number, *standing);
                    misses = if failed { 0 } else { misses + 1 };
                    failures += usize::from(failed);
                    number += 1;
                }
            }
        }
    }
    failures
}

#[test]
fn of_one_stream() {
    sweep(&["-c", "gzip"], &EVERYTHING);
}

#[test]
fn of_two_passes() {
    sweep(&["-c", "zstd", "--strategy", "two-pass"], &EVERYTHING);
}

#[test]
fn of_a_compressor() {
    sweep(&["-c", "external:gzip"], &EVERYTHING);
}

#[test]
fn of_a_filesystem() {
    if can_be_made() {
        sweep(&["-c", "squashfs"], &[Standing::Nothing]);
    }
}

#[test]
fn of_two_files() {
    sweep(&["-f", "split"], &EVERYTHING);
}

#[test]
fn of_a_layout() {
    sweep(&["-f", "oci", "--arch", "amd64", "--tag", "x"], &EVERYTHING);
}
