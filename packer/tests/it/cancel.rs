//! A pack that is cancelled ends at once, and leaves nothing.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use packer::{CancelToken, Pack, Strategy};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::laws::names;
use crate::squashfs::can_be_made;
use crate::{faults, trees};
use testkit::cases::Noise;

/// How long an end may take. The promise is 200 ms; tests run beside each other, on machines that are busy.
const AT_ONCE: Duration = Duration::from_millis(3_000);

/// A token that is cancelled once it was asked `count` times.
pub(crate) fn cancelled_after(count: u64) -> CancelToken {
    let asked = AtomicU64::new(0);
    CancelToken::when(move || asked.fetch_add(1, Ordering::SeqCst) >= count)
}

#[test]
fn at_whatever_moment_it_comes_nothing_is_left() {
    let root = TempDir::new().unwrap();
    let tree = root.path().join("tree");
    trees::some().create(&tree, false);
    for compression in ["none", "gzip", "zstd:10", "xz:1", "external:gzip"] {
        for strategy in Strategy::ALL {
            let output = TempDir::new().unwrap();
            let pack = Pack::new(&tree).compression(compression.parse().unwrap()).strategy(strategy);
            let pack = pack.threads(NonZeroUsize::new(2).unwrap());
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
                // Every moment at first, then fewer: hundreds of entries are all alike.
                leave += 1 + leave / 16;
            }
        }
    }
}

/// Half a gigabyte that takes every codec more than a second.
fn large() -> TempDir {
    let root = TempDir::new().unwrap();
    let mut noise = Noise(1);
    let mut text = Vec::new();
    while text.len() < 16 << 20 {
        let number = noise.number();
        text.extend_from_slice(&format!("{number:x} ").as_bytes().repeat(1 + (number >> 22) as usize));
    }
    for number in 0..32 {
        fs::write(root.path().join(number.to_string()), &text).unwrap();
    }
    root
}

#[test]
fn a_call_ends_at_once() {
    let root = large();
    for compression in ["gzip", "gzip:12", "zstd:9", "zstd:19", "xz:0", "xz", "xz:9", "external:gzip:9", "squashfs"] {
        if compression == "squashfs" && !can_be_made() {
            continue;
        }
        for strategy in Strategy::ALL {
            let output = TempDir::new().unwrap();
            let pack = Pack::new(root.path()).compression(compression.parse().unwrap());
            let start = Instant::now();
            let late = CancelToken::when(move || start.elapsed() > Duration::from_millis(200));
            let error = pack
                .strategy(strategy)
                .threads(NonZeroUsize::new(2).unwrap())
                .cancel_token(late)
                .publish(output.path())
                .unwrap_err();
            let took = start.elapsed().saturating_sub(Duration::from_millis(200));
            assert!(error.kind() == packer::ErrorKind::Cancelled, "{compression}, {strategy}: {error}");
            assert!(took < AT_ONCE, "{compression}, {strategy}: {took:?}");
            assert!(names(output.path()).is_empty());
        }
    }
}

fn start(root: &Path, output: &Path, options: &[&str]) -> Child {
    // Whoever runs the tests in the background may have them ignore Ctrl-C.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_onepass")]);
    command.arg("pack").arg(root).arg("-o").arg(output).args(options);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_signal_ends_the_command_at_once() {
    let root = large();
    for options in [
        &["-c", "gzip:12"][..],
        &["-c", "zstd:19"],
        &["-c", "xz:9"],
        &["-c", "external:gzip:9", "--strategy", "two-pass"],
    ] {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
            let output = TempDir::new().unwrap();
            let child = start(root.path(), output.path(), options);
            std::thread::sleep(Duration::from_millis(300));
            let sent = Instant::now();
            send(&child, signal);
            let run = child.wait_with_output().unwrap();
            let (took, words) = (sent.elapsed(), String::from_utf8(run.stderr).unwrap());
            assert_eq!(run.status.code(), Some(code), "{options:?}: {words}");
            assert!(took < AT_ONCE, "{options:?}, {signal:?}: {took:?}");
            assert!(words.contains("ended by signal") && words.lines().count() == 1, "{words}");
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
    let (root, output) = (large(), TempDir::new().unwrap());
    let script = format!(
        "trap '' HUP; exec {} pack {} -o {} -c none",
        env!("CARGO_BIN_EXE_onepass"),
        root.path().display(),
        output.path().display()
    );
    let child = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    send(&child, Signal::HUP);
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(names(output.path()).len(), 1);
}

/// Nobody reads what is said of the progress, and the pipe is full: nothing that the command could do ends that.
#[test]
fn a_second_signal_ends_what_cannot_end_itself() {
    let (root, output) = (large(), TempDir::new().unwrap());
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while rustix::io::write(&writer, &[b' '; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    // Whoever runs the tests in the background may have them ignore Ctrl-C.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_onepass")]);
    command.arg("pack").arg(root.path()).arg("-o").arg(output.path()).args(["-c", "gzip:12", "--progress", "json"]);
    let mut child = command.stderr(Stdio::from(writer)).spawn().unwrap();
    let tasks = format!("/proc/{}/task", child.id());
    let waits = |task: &Path| fs::read_to_string(task.join("wchan")).is_ok_and(|place| place.contains("pipe_write"));
    while !fs::read_dir(&tasks).unwrap().any(|task| waits(&task.unwrap().path())) {
        assert_eq!(child.try_wait().unwrap(), None, "it ended although nobody reads what it says");
        std::thread::sleep(Duration::from_millis(10));
    }
    send(&child, Signal::TERM);
    // The signal is taken, and the write goes on.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(child.try_wait().unwrap(), None);
    send(&child, Signal::TERM);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(15));
    drop(reader);
    assert!(names(output.path()).is_empty());
}
