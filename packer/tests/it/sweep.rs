//! Every system call of a pack fails once, in every way that it can: no image, nothing left and the cause told, or an image
//! that is whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::corners::skip;
use crate::formats::{Files, files};
use crate::squashfs::can_be_made;

/// Calls, and how they may fail. `EINTR` comes from signals, and from network and user-space filesystems.
const CALLS: [(&str, &[&str]); 16] = [
    ("openat", &["EIO", "EMFILE", "ENOMEM", "EINTR", "EOPNOTSUPP"]),
    ("read", &["EIO", "EINTR"]),
    ("pread64", &["EIO", "EINTR"]),
    ("getdents64", &["EIO", "EINTR"]),
    ("statx", &["EIO", "ENOMEM"]),
    ("readlinkat", &["EIO"]),
    ("write", &["ENOSPC", "EIO", "EDQUOT", "EINTR"]),
    ("pwrite64", &["ENOSPC", "EIO", "EDQUOT", "EINTR"]),
    ("fsync", &["ENOSPC", "EIO", "EDQUOT", "EINTR"]),
    ("linkat", &["ENOSPC", "EIO", "EDQUOT", "EOPNOTSUPP"]),
    ("renameat2", &["ENOSPC", "EIO", "EDQUOT"]),
    ("mkdirat", &["ENOSPC", "EIO", "EDQUOT"]),
    ("unlinkat", &["EIO"]),
    ("flock", &["EINTR"]),
    ("close", &["EIO", "EINTR"]),
    ("fcntl", &["EINVAL"]),
];

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
        let mut place = Place { root, way, whole: Files::new(), fingerprint: String::new() };
        let output = place.output(Standing::Nothing);
        let run = place.command(&output, None).output().unwrap();
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

    fn command(&self, output: &Path, injection: Option<(&str, String)>) -> Command {
        let mut command = Command::new("strace");
        // Where cargo lets the loader look, it looks a hundred times.
        command.env_remove("LD_LIBRARY_PATH");
        match injection {
            Some((call, injection)) => {
                command.args(["-f", "--seccomp-bpf", "-qq", "-e", &format!("trace={call}"), "-e", &injection, "-o"]);
                command.arg(self.root.path().join("log"));
            }
            None => drop(command.args(["-f", "-qq", "-e", "trace=none"])),
        }
        command.arg(env!("CARGO_BIN_EXE_onepass")).args(["pack", "-t", "1"]).args(self.way).arg("-o").arg(output);
        command.arg(self.root.path().join("tree"));
        command
    }

    /// How many of these calls come before the packer's first: the loader's, and those of the standard library's start.
    fn before_main(&self, call: &str) -> usize {
        let log = self.root.path().join("log");
        let mut command = Command::new("strace");
        command.env_remove("LD_LIBRARY_PATH");
        command.args(["-qq", "-e", &format!("trace={call}"), "-o"]).arg(&log);
        assert!(command.arg(env!("CARGO_BIN_EXE_onepass")).arg("--version").output().unwrap().status.success());
        // All that the packer itself does there is to write its version.
        let calls = fs::read_to_string(log).unwrap().lines().filter(|line| line.starts_with(call)).count();
        let before = if call == "write" { 0 } else { calls };
        assert!(before == 0 || self.is_of_one_thread(call), "{call}: the first of another thread would be left out");
        before
    }

    /// Whether no thread of a pack but the first makes such a call.
    fn is_of_one_thread(&self, call: &str) -> bool {
        let log = self.root.path().join("log");
        let mut command = Command::new("strace");
        command
            .env_remove("LD_LIBRARY_PATH")
            .args(["-f", "-qq", "-e", &format!("trace=execve,{call}"), "-o"])
            .arg(&log);
        command.arg(env!("CARGO_BIN_EXE_onepass")).args(["pack", "-t", "1"]).args(self.way);
        let run = command.arg("-o").arg(self.output(Standing::Nothing)).arg(self.root.path().join("tree")).output();
        assert!(run.unwrap().status.success());
        let log = fs::read_to_string(log).unwrap();
        let threads: Vec<_> = log.lines().filter_map(|line| line.split_whitespace().next()).collect();
        threads.iter().all(|thread| *thread == threads[0])
    }

    /// Lets the Nth call of each thread fail; false if no thread makes so many.
    fn fails(&self, call: &str, error: &str, number: usize, standing: Standing) -> bool {
        let output = self.output(standing);
        let injection = format!("inject={call}:error={error}:when={number}");
        let run = self.command(&output, Some((call, injection))).output().unwrap();
        let at = format!("{call} {number} with {error}, {standing:?}, {:?}", self.way);
        self.law(&run, &output, (call, error), standing, &at);
        fs::read_to_string(self.root.path().join("log")).unwrap().contains("INJECTED")
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
            let elsewhere = elsewhere.iter().any(|words| told.contains(words));
            assert!(caused || elsewhere, "{at}: {told}");
        }
        // The failure may be that of the last fsync: the image has its name, and is whole.
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
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("strace is not installed");
    }
    let place = Place::new(way);
    let mut failures = 0;
    // What strace makes fail is not done: a pipe would stay open that was closed, whatever close said.
    let program = ["external:gzip", "squashfs"].iter().any(|program| way.contains(program));
    let calls = CALLS.iter().filter(|(call, _)| *call != "close" || !program);
    for (call, errors) in calls {
        // A program that the packer starts counts its calls from one, too.
        let first = if program { 1 } else { place.before_main(call) + 1 };
        for error in *errors {
            for standing in before {
                let mut number = first;
                while place.fails(call, error, number, *standing) {
                    number += 1;
                }
                failures += number - first;
            }
        }
    }
    assert!(failures > 100 * before.len(), "only {failures} calls failed");
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
    sweep(&["-f", "split", "--arch", "amd64"], &EVERYTHING);
}

#[test]
fn of_a_layout() {
    sweep(&["-f", "oci", "--arch", "amd64", "--tag", "x"], &EVERYTHING);
}
