//! `--output -`: the image goes to standard output, and no file of it is ever there.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use packer::{Compression, Format, Outcome, Pack, Strategy};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::laws::names;
use testkit::cases::Noise;

/// A tree whose image is larger than what a pipe holds, and a place for it.
fn place() -> TempDir {
    let place = TempDir::new().unwrap();
    fs::create_dir_all(place.path().join("tree/directory")).unwrap();
    fs::create_dir(place.path().join("out")).unwrap();
    fs::write(place.path().join("tree/noise"), Noise(3).bytes(3 << 20)).unwrap();
    fs::write(place.path().join("tree/directory/text"), "text ".repeat(9_000)).unwrap();
    place
}

fn onepass(place: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onepass"));
    command.args(["pack", "tree", "--output"]).args(arguments).current_dir(place.path());
    command
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_stream_has_the_bytes_of_the_file() {
    let place = place();
    for way in [
        &["-c", "none"][..],
        &["-c", "gzip", "-t", "1"],
        &["-c", "zstd"],
        &["-c", "external:gzip"],
        &["-f", "unified", "--arch", "arm64"],
    ] {
        let file = onepass(&place, &["out"]).args(way).output().unwrap();
        let line = text(file.stdout);
        let (fingerprint, path) = line.trim_end().split_once("  ").unwrap();
        let expected = fs::read(place.path().join(path)).unwrap();
        fs::remove_file(place.path().join(path)).unwrap();
        let piped = onepass(&place, &["-"]).args(way).output().unwrap();
        assert!(piped.status.success() && piped.stdout == expected, "{way:?}");
        assert_eq!(text(piped.stderr), format!("{fingerprint}  -\n"), "{way:?}");
        let into = fs::File::create(place.path().join("into")).unwrap();
        assert!(onepass(&place, &["-"]).args(way).stdout(into).output().unwrap().status.success());
        assert!(fs::read(place.path().join("into")).unwrap() == expected, "{way:?}");
        assert_eq!(names(&place.path().join("out")).len(), 0);
    }
}

/// No file at all: the tree cannot be written to, and there is no other directory that could.
#[test]
fn nothing_is_written_to_a_disk() {
    let place = place();
    let script = format!(
        "mount --bind tree tree && mount -o remount,ro,bind tree && cd tree && exec strace -f -qq -o ../log \
         -e trace=openat,open,creat,mkdirat,linkat {} pack . -o - -c zstd > /dev/null",
        env!("CARGO_BIN_EXE_onepass")
    );
    let command = ["--mount", "--map-root-user", "sh", "-c", &script];
    let run = Command::new("unshare").args(command).current_dir(place.path()).output().unwrap();
    let told = text(run.stderr);
    if told.contains("strace: not found") {
        return testkit::log::skip("strace is not installed");
    }
    assert!(run.status.success(), "{told}");
    let calls = text(fs::read(place.path().join("log")).unwrap());
    let written: Vec<_> = calls
        .lines()
        .filter(|call| ["O_WRONLY", "O_RDWR", "O_CREAT", "TMPFILE", "link"].iter().any(|word| call.contains(word)))
        .collect();
    assert!(written.iter().all(|call| call.contains("/proc/self/fd/1") || call.contains("/dev/null")), "{written:?}");
}

#[test]
fn the_record_goes_where_it_is_wanted() {
    let place = place();
    let file = onepass(&place, &["-", "--json=record"]).output().unwrap();
    let record: Value = serde_json::from_slice(&fs::read(place.path().join("record")).unwrap()).unwrap();
    let size = file.stdout.len();
    assert_eq!(
        (&record["outcome"], &record["path"], &record["size"]),
        (&"streamed".into(), &Value::Null, &size.into())
    );
    assert_eq!(record["scratch_peak"], 0);
    assert!(text(file.stderr).starts_with(record["fingerprint"].as_str().unwrap()));
    let script = format!("{} pack tree -o - --json=/dev/fd/3 3>&1 >/dev/null", env!("CARGO_BIN_EXE_onepass"));
    let run = Command::new("sh").arg("-c").arg(script).current_dir(place.path()).output().unwrap();
    let again: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(again["fingerprint"], record["fingerprint"]);
    // With a directory the line is printed as well.
    let both = onepass(&place, &["out", "--json=record"]).output().unwrap();
    let again: Value = serde_json::from_slice(&fs::read(place.path().join("record")).unwrap()).unwrap();
    assert_eq!(text(both.stdout).trim_end().split_once("  ").unwrap().1, again["path"]);
}

#[test]
fn what_cannot_be_streamed_is_refused_at_once() {
    let place = place();
    for (options, words) in [
        (&["--json"][..], "standard output takes the image or the record"),
        (&["-f", "split", "--arch", "amd64"], "in the format split is more than one file"),
        (&["-f", "oci", "--arch", "amd64"], "in the format oci is more than one file"),
        (&["--strategy", "two-pass"], "two passes need a directory"),
        (&["-c", "squashfs"], "squashfs makes a filesystem, which needs a file"),
    ] {
        let run = onepass(&place, &["-"]).args(options).output().unwrap();
        let told = text(run.stderr);
        assert!(run.status.code() == Some(2) && told.contains(words), "{options:?}: {told}");
        assert!(run.stdout.is_empty(), "{options:?}");
    }
    let run = onepass(&place, &["-", "--json=missing/record"]).output().unwrap();
    let told = "onepass: cannot create `missing/record` for the record: no such file or directory\n";
    assert_eq!((run.status.code(), text(run.stderr)), (Some(1), told.to_owned()));
    // `script` gives it a terminal.
    let command = format!("{} pack tree -o -", env!("CARGO_BIN_EXE_onepass"));
    if let Ok(run) = Command::new("script").args(["-qec", &command, "/dev/null"]).current_dir(place.path()).output() {
        assert!(text(run.stdout).contains("standard output is a terminal"));
    }
}

#[test]
fn a_reader_that_goes_away_is_the_cause() {
    let place = place();
    let mut child = onepass(&place, &["-"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 1_000];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let run = child.wait_with_output().unwrap();
    assert_eq!(
        (run.status.code(), text(run.stderr)),
        (Some(1), "onepass: cannot write the image: broken pipe\n".to_owned())
    );
}

#[test]
fn a_full_disk_is_the_cause() {
    let place = place();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let run = onepass(&place, &["-"]).stdout(full).output().unwrap();
    let told = text(run.stderr);
    assert_eq!((run.status.code(), &*told), (Some(1), "onepass: cannot write the image: no space left on device\n"));
}

/// Whoever reads neither goes away nor reads on; the pack ends all the same.
#[test]
fn a_signal_ends_a_pack_whose_reader_does_nothing() {
    let place = place();
    let (pipe, socket) = (std::io::pipe().unwrap(), std::os::unix::net::UnixStream::pair().unwrap());
    for (stdout, reader) in [
        (Stdio::from(pipe.1), std::os::fd::OwnedFd::from(pipe.0)),
        (Stdio::from(std::os::fd::OwnedFd::from(socket.0)), socket.1.into()),
    ] {
        let mut child = onepass(&place, &["-", "-c", "none"]).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        // It has handlers once it packs, and it packs once something comes.
        assert_eq!(rustix::io::read(&reader, &mut [0; 1]).unwrap(), 1);
        let started = Instant::now();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        let took = started.elapsed();
        assert_eq!(status.code(), Some(128 + 15));
        // 200 ms are promised; a busy machine may take its time.
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

/// What the library writes to anything that takes bytes.
#[test]
fn the_library_writes_to_whatever_takes_bytes() {
    let place = place();
    let pack = Pack::new(place.path().join("tree")).compression(Compression::ZSTD);
    let mut bytes = Vec::new();
    let streamed = pack.write(&mut bytes).unwrap();
    let image = pack.publish(place.path().join("out")).unwrap();
    assert!(bytes == fs::read(image.path.unwrap()).unwrap());
    assert_eq!((streamed.fingerprint, streamed.outcome, streamed.path), (image.fingerprint, Outcome::Streamed, None));
    let format = Format::Split(packer::LxdOptions::new());
    assert!(pack.clone().format(format).write(&mut Vec::new()).is_err());
    assert!(pack.strategy(Strategy::TwoPass).write(&mut Vec::new()).is_err());
}

/// A writer that fails at any byte: its own error, and nothing else.
#[test]
fn a_writer_that_fails_at_any_byte_is_the_cause() {
    struct Failing(usize);
    impl std::io::Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("the far end has hung up"));
            }
            let count = bytes.len().min(self.0).min(700);
            self.0 -= count;
            Ok(count)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("file"), "text ".repeat(500)).unwrap();
    for compression in [Compression::None, Compression::GZIP, Compression::ZSTD] {
        let pack = Pack::new(place.path()).compression(compression);
        let whole = pack.write(&mut Vec::new()).unwrap().size as usize;
        for room in 0..whole {
            let error = pack.write(&mut Failing(room)).unwrap_err();
            assert_eq!(format!("{error:#}"), "cannot write the image: the far end has hung up", "{compression} {room}");
        }
        pack.write(&mut Failing(whole)).unwrap();
    }
}
