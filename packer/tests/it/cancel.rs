//! A pack that is cancelled ends at once, and leaves nothing.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use packer::{CancelToken, Pack, Strategy};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testkit::tier::sized;

use crate::laws::names;
use crate::squashfs::can_be_made;
use crate::{faults, trees};
use testkit::cases::Noise;

/// How long an end may take. The promise is 200 ms; tests run beside each other, on machines that are busy.
const AT_ONCE: Duration = Duration::from_millis(3_000);

/// A token that is cancelled once it was asked `count` times.
pub(crate) fn cancelled_after(count: u64) -> CancelToken {
    counted(count).0
}

/// A token that is cancelled once it was asked `count` times, and how often it was asked.
fn counted(count: u64) -> (CancelToken, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    (CancelToken::when(move || counter.fetch_add(1, Ordering::SeqCst) >= count), asked)
}

fn of(root: &Path, compression: &str, strategy: Strategy) -> Pack {
    let pack = Pack::new(root).compression(compression.parse().unwrap()).strategy(strategy);
    pack.threads(NonZeroUsize::new(2).unwrap())
}

#[test]
fn at_whatever_moment_it_comes_nothing_is_left() {
    let root = TempDir::new().unwrap();
    let tree = root.path().join("tree");
    sized(trees::fewer(), trees::some()).create(&tree, false);
    for compression in ["none", "gzip", "zstd:10", "xz:1", "external:gzip"] {
        for strategy in Strategy::ALL {
            let output = TempDir::new().unwrap();
            let pack = of(&tree, compression, strategy);
            let mut leave = 0;
            loop {
                match pack.clone().cancel_token(cancelled_after(leave)).publish(output.path()) {
                    Ok(image) => {
                        packer::verify(image.path.as_ref().unwrap()).unwrap();
                        assert!(leave > 10, "{compression}, {strategy}: asked only {leave} times");
                        break;
                    }
                    Err(error) => {
                        assert!(
                            error.kind() == packer::ErrorKind::Cancelled,
                            "{compression}, {strategy}, after {leave}: {error}"
                        );
                        assert!(names(output.path()).is_empty(), "{compression}, {strategy}, after {leave}");
                    }
                }
                // Every moment at first, then fewer: entries are all alike.
                leave += 1 + leave / 16;
            }
        }
    }
}

/// So many times 16 MiB of text.
fn large(files: usize) -> TempDir {
    let root = TempDir::new().unwrap();
    let mut noise = Noise(1);
    let mut text = Vec::new();
    while text.len() < 16 << 20 {
        let number = noise.number();
        text.extend_from_slice(&format!("{number:x} ").as_bytes().repeat(1 + (number >> 22) as usize));
    }
    for number in 0..files {
        fs::write(root.path().join(number.to_string()), &text).unwrap();
    }
    root
}

const SLOW: [&str; 9] = ["gzip", "gzip:12", "zstd:9", "zstd:19", "xz:0", "xz", "xz:9", "external:gzip:9", "squashfs"];

/// Once the answer is yes, each thread asks at most once more: no machine is too slow for that.
#[test]
fn nobody_goes_on_after_the_answer() {
    /// The walk, two encoders, what writes, what feeds and what waits.
    const THREADS: u64 = 8;
    let root = large(2);
    for compression in SLOW.into_iter().filter(|compression| *compression != "squashfs" || can_be_made()) {
        for strategy in Strategy::ALL {
            for before in [5, 12, 20] {
                let output = TempDir::new().unwrap();
                let (token, asked) = counted(before);
                let error =
                    of(root.path(), compression, strategy).cancel_token(token).publish(output.path()).unwrap_err();
                assert!(error.kind() == packer::ErrorKind::Cancelled, "{compression}, {strategy}: {error}");
                let after = asked.load(Ordering::SeqCst) - before;
                assert!(after <= THREADS, "{compression}, {strategy}: asked {after} more times");
                assert!(names(output.path()).is_empty());
            }
        }
    }
}

/// What is done between two questions is bounded: slow levels ask for every few hundred KiB, fast ones for every half segment.
#[test]
fn the_slower_a_level_the_more_often_it_asks() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("text"), "text of no kind ".repeat(1 << 19)).unwrap();
    for (compression, bytes) in
        [("gzip:12", 4 << 20), ("zstd:9", 4 << 20), ("zstd:19", 1 << 20), ("xz:0", 1 << 20), ("xz:9", 1 << 20)]
    {
        let (token, asked) = counted(u64::MAX);
        let image =
            of(root.path(), compression, Strategy::SingleStream).cancel_token(token).write(&mut Vec::new()).unwrap();
        let asked = asked.load(Ordering::SeqCst);
        assert!(asked >= image.tar_size / bytes, "{compression}: asked {asked} times");
    }
}

/// By the clock, with what takes every codec more than a second.
#[test]
fn a_call_ends_at_once() {
    let (files, slow) = sized((8, &SLOW[6..7]), (32, &SLOW[..]));
    let root = large(files);
    for compression in slow.iter().filter(|compression| **compression != "squashfs" || can_be_made()) {
        for strategy in Strategy::ALL {
            let output = TempDir::new().unwrap();
            let start = Instant::now();
            let late = CancelToken::when(move || start.elapsed() > Duration::from_millis(200));
            let error = of(root.path(), compression, strategy).cancel_token(late).publish(output.path()).unwrap_err();
            let took = start.elapsed().saturating_sub(Duration::from_millis(200));
            assert!(error.kind() == packer::ErrorKind::Cancelled, "{compression}, {strategy}: {error}");
            assert!(took < AT_ONCE, "{compression}, {strategy}: {took:?}");
            assert!(names(output.path()).is_empty());
        }
    }
}

/// A pack that is at work: it tells of its progress. The second value reads what it writes to standard error.
fn start(root: &Path, output: &Path, options: &[&str]) -> (Child, BufReader<ChildStderr>) {
    // Tests in the background of a shell ignore Ctrl-C, and so would what they start.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_onepass")]);
    command.arg("pack").arg(root).arg("-o").arg(output).args(options).args(["--progress", "json"]);
    at_work(&mut command)
}

fn at_work(command: &mut Command) -> (Child, BufReader<ChildStderr>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(line.starts_with('{'), "{line}");
    (child, told)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_signal_ends_the_command_at_once() {
    let ways: [&[&str]; 4] =
        [&["-c", "xz:9"], &["-c", "gzip:12"], &["-c", "zstd:19"], &["-c", "external:gzip:9", "--strategy", "two-pass"]];
    let (files, ways) = sized((8, &ways[..1]), (32, &ways[..]));
    let root = large(files);
    for options in ways {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
            let output = TempDir::new().unwrap();
            let (child, mut told) = start(root.path(), output.path(), options);
            let sent = Instant::now();
            send(&child, signal);
            let mut words = String::new();
            told.read_to_string(&mut words).unwrap();
            let run = child.wait_with_output().unwrap();
            let took = sent.elapsed();
            let words: Vec<&str> = words.lines().filter(|line| !line.starts_with('{')).collect();
            assert_eq!(run.status.code(), Some(code), "{options:?}: {words:?}");
            assert!(took < AT_ONCE, "{options:?}, {signal:?}: {took:?}");
            assert!(words.len() == 1 && words[0].contains("ended by signal"), "{words:?}");
            assert!(run.stdout.is_empty() && names(output.path()).is_empty());
        }
    }
}

/// A program that never says which version it is would be waited for half a minute.
#[test]
fn a_signal_ends_the_wait_for_a_compressor_that_does_not_answer() {
    let place = faults::place();
    let script = "mount -t tmpfs none /usr/local/sbin && printf '%s\\n' '#!/bin/sh' ': > /usr/local/sbin/asked' \
                  'exec sleep 20' > /usr/local/sbin/gzip && chmod +x /usr/local/sbin/gzip && \
                  { $ONEPASS pack tree -o out -c external:gzip & } && \
                  until [ -e /usr/local/sbin/asked ]; do :; done; kill -TERM $!; wait $!";
    let asked = Instant::now();
    let run = faults::run(&place, script);
    let words = String::from_utf8(run.stderr).unwrap();
    assert_eq!((run.status.code(), names(&place.path().join("out")).len()), (Some(143), 0), "{words}");
    assert!(words.contains("ended by signal 15") && asked.elapsed() < Duration::from_secs(15), "{words}");
}

#[test]
fn what_was_ignored_at_the_start_stays_ignored() {
    let (root, output) = (large(4), TempDir::new().unwrap());
    let script = format!(
        "trap '' HUP; exec {} pack {} -o {} -c gzip:9 --progress json",
        env!("CARGO_BIN_EXE_onepass"),
        root.path().display(),
        output.path().display()
    );
    let (child, mut told) = at_work(Command::new("sh").args(["-c", &script]));
    send(&child, Signal::HUP);
    told.read_to_string(&mut String::new()).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(names(output.path()).len(), 1);
}

/// A pipe that nobody reads and that takes nothing more; it is closed with its reader.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while rustix::io::write(&writer, &[b' '; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

/// A pack of a large tree whose progress nobody reads, once it takes signals.
fn unread(output: &Path, root: &Path, compression: &str) -> (std::io::PipeReader, Child) {
    let (reader, writer) = full_pipe();
    // Tests in the background of a shell ignore Ctrl-C, and so would what they start.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_onepass")]);
    command.arg("pack").arg(root).arg("-o").arg(output).args(["-c", compression, "--progress", "json"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::from(writer)).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    until(|| {
        let status = fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap();
        let takes = u64::from_str_radix(caught, 16).unwrap() & (1 << (Signal::TERM.as_raw() - 1)) != 0;
        takes || child.try_wait().unwrap().is_some()
    });
    (reader, child)
}

#[test]
fn progress_that_nobody_reads_keeps_no_pack_from_ending() {
    let (root, output) = (large(4), TempDir::new().unwrap());
    let (reader, mut child) = unread(output.path(), root.path(), "zstd:1");
    assert!(child.wait().unwrap().success());
    assert_eq!(names(output.path()).len(), 1);
    drop(reader);
}

/// Runs a command on a terminal, and stops the terminal (Ctrl-S) once the command has shown something there. Exits with 3 if the command
/// does not end then.
const STOPPED_TERMINAL: &str = "
import os, pty, subprocess, sys, termios
main, terminal = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stderr=terminal, stdout=subprocess.DEVNULL)
os.read(main, 1)
termios.tcflow(terminal, termios.TCOOFF)
try:
    sys.exit(child.wait(20))
except subprocess.TimeoutExpired:
    child.kill()
    sys.exit(3)
";

/// What is being written when the terminal stops waits for it, so there are some trials.
#[test]
fn a_bar_on_a_stopped_terminal_keeps_no_pack_from_ending() {
    let root = large(4);
    let ends = || {
        let output = TempDir::new().unwrap();
        let mut command = Command::new("python3");
        command.args([
            "-c",
            STOPPED_TERMINAL,
            env!("CARGO_BIN_EXE_onepass"),
            "pack",
            "-c",
            "zstd:1",
            "--progress",
            "bar",
        ]);
        let run = command.arg(root.path()).arg("-o").arg(output.path()).output().ok()?;
        assert!([Some(0), Some(3)].contains(&run.status.code()), "{}", String::from_utf8_lossy(&run.stderr));
        assert!(!run.status.success() || names(output.path()).len() == 1);
        Some(run.status.success())
    };
    for _ in 0..4 {
        match ends() {
            Some(true) => return,
            Some(false) => {}
            None => return testkit::log::skip("python3 is not installed"),
        }
    }
    panic!("the command waits for the terminal");
}

/// Nobody reads why it ended, and the pipe is full: nothing that the command could do ends that.
#[test]
fn a_second_signal_ends_what_cannot_end_itself() {
    let (root, output) = (large(4), TempDir::new().unwrap());
    let (reader, mut child) = unread(output.path(), root.path(), "xz:9");
    let tasks = format!("/proc/{}/task", child.id());
    let waits = |task: &Path| fs::read_to_string(task.join("wchan")).is_ok_and(|place| place.contains("pipe_write"));
    send(&child, Signal::TERM);
    until(|| {
        assert_eq!(child.try_wait().unwrap(), None, "it ended although nobody reads what it says");
        fs::read_dir(&tasks).unwrap().any(|task| waits(&task.unwrap().path()))
    });
    until(|| {
        send(&child, Signal::TERM);
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(15));
    drop(reader);
    assert!(names(output.path()).is_empty());
}

/// Looks again and again until something holds.
fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        std::thread::sleep(Duration::from_millis(10));
    }
}
