//! Each system call of a pack is refused by a filter (seccomp), as containers, old kernels and broken filesystems do: the same image,
//! or no image and the cause.
//!
//! strace makes calls fail one at a time, and only those that it knows by name. A filter refuses a call by its number, in all threads.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use tempfile::TempDir;
use testkit::at_once;
use testkit::log::{count, skip};
use testkit::tier::is_deep;

use crate::corners::PLACE;
use crate::formats::{Files, files};
use crate::strace::{self, strace};

/// Starts a program under a filter that answers one call with an error.
const FILTER: &str = "
import ctypes, os, struct, sys
number, error = int(sys.argv[1]), int(sys.argv[2])
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | error), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *rule) for rule in rules))
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('code', ctypes.c_void_p)]
program = Program(len(rules), ctypes.addressof(code))
kernel = ctypes.CDLL(None)
assert kernel.prctl(38, 1, 0, 0, 0) == 0
assert kernel.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execv(sys.argv[3], sys.argv[3:])
";

/// What filters of containers answer, what kernels without a call do, and what a broken disk does.
const ERRORS: [Errno; 3] = [Errno::PERM, Errno::NOSYS, Errno::IO];

/// Calls that no program can do without: who cannot wait or end does neither.
const NEEDED: [&str; 8] =
    ["execve", "exit", "exit_group", "futex", "restart_syscall", "rt_sigreturn", "brk", "arch_prctl"];

/// The standard library panics if this call, which only can be unknown or refused, fails otherwise.
const NEVER_BROKEN: &str = "getrandom";

/// After so long a pack hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// A tree with all that a pack looks at: attributes, links, holes, os-release, a shell.
fn tree(tree: &Path) {
    for directory in ["bin", "etc", "usr/lib", "empty"] {
        fs::create_dir_all(tree.join(directory)).unwrap();
    }
    let program = fs::read("/proc/self/exe").unwrap();
    fs::write(tree.join("bin/sh"), &program[..64]).unwrap();
    fs::write(tree.join("usr/lib/os-release"), "ID=refused\n").unwrap();
    std::os::unix::fs::symlink("../usr/lib/os-release", tree.join("etc/os-release")).unwrap();
    fs::hard_link(tree.join("usr/lib/os-release"), tree.join("etc/linked")).unwrap();
    for number in 0..40 {
        fs::write(tree.join(format!("usr/lib/{number}")), number.to_string().repeat(20_000)).unwrap();
    }
    let sparse = fs::File::create(tree.join("sparse")).unwrap();
    sparse.set_len(32 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", 20 << 20).unwrap();
    rustix::fs::setxattr(tree.join("bin/sh"), "user.kept", b"value", XattrFlags::empty()).unwrap();
}

/// The numbers of the calls that a command makes, with the names that strace has for them.
fn numbers(command: &Path, arguments: &[&str], log: &Path) -> BTreeMap<u32, String> {
    let mut run = strace(&["-f", "-n"], log);
    assert!(run.current_dir(command).args(arguments).output().unwrap().status.success());
    let of = |line: &str| {
        let (_, call) = line.split_once('[')?;
        let (number, call) = call.split_once(']')?;
        let name = call.trim().split_once('(')?.0.to_owned();
        Some((number.trim().parse().ok()?, name))
    };
    fs::read_to_string(log).unwrap().lines().filter_map(of).collect()
}

/// How a pack ended, and what it left.
struct Ended {
    /// The exit code; none for a signal, which the loader and `abort` send.
    code: Option<i32>,
    printed: String,
    told: String,
    left: Files,
}

impl Ended {
    /// What is wrong with it, beside a pack that nothing was refused.
    fn fault(&self, whole: &Ended, error: Errno) -> Option<&'static str> {
        // The loader and the start of the standard library end in words of their own.
        let is_ours = self.told.starts_with("onepass: ");
        match self.code {
            Some(0) if self.left != whole.left => Some("another image"),
            Some(0) if self.printed.get(..64) != whole.printed.get(..64) => Some("another line"),
            Some(0) => None,
            Some(4) if self.left != whole.left => Some("no whole image"),
            code if code != Some(4) && !self.left.is_empty() => Some("something is left"),
            _ if self.told.contains("panicked") => Some("a panic"),
            _ if is_ours && self.told.lines().count() > 1 => Some("more than one line"),
            _ if is_ours && !says_all(&self.told, error) => Some("not what failed, with what, and why"),
            _ => None,
        }
    }
}

/// What fails without a thing that has a name.
const NAMELESS: [&str; 4] = ["start a thread", "handle signals", "look at standard output", "write to standard output"];

/// Whether a line names the operation, the thing and the cause.
fn says_all(told: &str, error: Errno) -> bool {
    let cause = std::io::Error::from(error).to_string().to_lowercase();
    let cause = cause.split(" (os error").next().unwrap_or_default();
    let names_thing = told.contains('`') || NAMELESS.iter().any(|operation| told.contains(operation));
    told.contains("cannot ") && names_thing && told.trim_end().ends_with(cause)
}

/// A pack under a filter, which has to end.
fn refused(place: &Path, arguments: &[&str], number: u32, error: Errno) -> Result<Ended, String> {
    let work = TempDir::new_in(place).unwrap();
    let output = work.path().join("out");
    fs::create_dir(&output).unwrap();
    let [printed, told] = ["printed", "told"].map(|name| work.path().join(name));
    let file = |path: &PathBuf| Stdio::from(fs::File::create(path).unwrap());
    let mut command = Command::new("python3");
    command.args(["-c", FILTER, &number.to_string(), &error.raw_os_error().to_string(), env!("CARGO_BIN_EXE_onepass")]);
    command.current_dir(place).args(arguments).arg(&output).stdout(file(&printed)).stderr(file(&told));
    let (mut child, started) = (command.spawn().unwrap(), Instant::now());
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > LONGEST {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(format!("call {number} refused with {error}: it does not end"));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.code().is_some() || status.signal().is_some());
    let [printed, told] = [printed, told].map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
    Ok(Ended { code: status.code(), printed, told, left: files(&output) })
}

fn sweep(way: &[&str]) {
    if !strace::is_installed() {
        return;
    }
    if !Command::new("python3").arg("--version").output().is_ok_and(|run| run.status.success()) {
        return skip("python3 is not installed");
    }
    let place = TempDir::new_in(PLACE).unwrap();
    tree(&place.path().join("tree"));
    for (threads, usual) in [("1", Errno::PERM), ("4", Errno::NOSYS)] {
        let arguments = [&["pack", "tree", "-t", threads][..], way, &["-o"]].concat();
        // A number that no call has.
        let whole = refused(place.path(), &arguments, 9_999, Errno::NOSYS).unwrap();
        assert_eq!(whole.code, Some(0), "{}", whole.told);
        fs::create_dir_all(place.path().join("traced")).unwrap();
        let traced = [&arguments[..], &["traced"]].concat();
        let mut calls = numbers(place.path(), &traced, &place.path().join("log"));
        calls.retain(|_, name| !NEEDED.contains(&&**name));
        assert!(calls.len() > 30, "{calls:?}");
        let errors = if is_deep() { &ERRORS[..] } else { &[usual] };
        let mut all: Vec<_> = calls.iter().flat_map(|call| errors.iter().map(move |error| (call, *error))).collect();
        all.retain(|((_, name), error)| *name != NEVER_BROKEN || *error != Errno::IO);
        count("refused calls", all.len());
        let faults = in_turns(all, |((number, name), error)| {
            let ended = refused(place.path(), &arguments, *number, error)?;
            // rustix tries this call with no arguments when it first fails, and takes it for unknown if that fails otherwise than it should.
            let told = if *name == "statx" { Errno::NOSYS } else { error };
            ended.fault(&whole, told).map_or(Ok(()), |fault| {
                Err(format!(
                    "{name} ({number}) refused with {error}, {threads} threads: {fault}: {:?} {}",
                    ended.code, ended.told
                ))
            })
        });
        assert!(faults.is_empty(), "{way:?}:\n{}", faults.join("\n"));
    }
}

/// Tries all cases, a few at once; returns what failed.
fn in_turns<Case: Send>(cases: Vec<Case>, check: impl Fn(Case) -> Result<(), String> + Sync) -> Vec<String> {
    let (cases, faults) = (Mutex::new(cases.into_iter()), Mutex::new(Vec::new()));
    at_once(0..4, |_, _| {
        while let Some(case) = { cases.lock().unwrap().next() } {
            if let Err(fault) = check(case) {
                faults.lock().unwrap().push(fault);
            }
        }
    });
    faults.into_inner().unwrap()
}

#[test]
fn of_one_stream() {
    sweep(&["-c", "gzip", "-f", "unified"]);
}

#[test]
fn of_two_passes() {
    sweep(&["-c", "zstd", "--strategy", "two-pass", "-f", "split"]);
}
