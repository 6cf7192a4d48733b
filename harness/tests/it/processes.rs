//! The real runner: a child that fails is an error with the cause in it, nothing is left on the disk, and a disk that
//! was made small is small.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use harness::plan::{Case, Maker, Work};
use harness::run::{DiskLimitRunner, LimitedRun, Processes, Runner};
use packer::Strategy;
use tempfile::TempDir;

/// A runner whose `onepass` is this shell script.
fn processes(directory: &TempDir, script: &str) -> Processes {
    let at = |name: &str| directory.path().join(name);
    fs::write(at("onepass"), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(at("onepass"), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["rootfs", "scratch"] {
        fs::create_dir(at(name)).unwrap();
    }
    Processes { onepass: at("onepass"), rootfs: at("rootfs"), scratch: at("scratch"), ..Processes::default() }
}

fn peer(script: &str) -> Work<'_> {
    Work::Peer { name: "peer", script, maker: Maker::Pipeline, threads: 2 }
}

/// What the runner says of `work`, after it was seen that the scratch directory is empty.
fn failure(script: &str, peer: Option<Work<'_>>) -> String {
    let directory = TempDir::new().unwrap();
    let mut runner = processes(&directory, script);
    let case = Case { compression: "gzip:5".into(), threads: 1 };
    let work = peer.unwrap_or(Work::Pack(&case, Strategy::TwoPass));
    let error = runner.run(work).unwrap_err().to_string();
    assert_eq!(fs::read_dir(directory.path().join("scratch")).unwrap().count(), 0, "{script}");
    error
}

#[test]
fn a_packer_that_fails_is_an_error_that_names_the_cause() {
    for (script, cause) in [
        ("echo 'onepass: no space left on device' >&2; exit 1", "exit code 1: onepass: no space left on device"),
        ("kill -9 $$", "exit code 137"),
        ("echo 'not JSON'", "expected"),
        ("exit 0", "EOF"),
    ] {
        let error = failure(script, None);
        assert!(error.contains("gzip:5 1 thread, two-pass failed") && error.contains(cause), "{script}: {error}");
    }
}

#[test]
fn a_pipeline_fails_with_any_of_its_parts_and_without_an_image() {
    for (script, cause) in [
        ("false | cat > \"$OUT/image\"", "exit code 1"),
        ("(echo half; exit 3) | tee \"$OUT/image\" | cat", "exit code 3"),
        ("true", "image"),
    ] {
        let error = failure("", Some(peer(script)));
        assert!(error.contains(cause), "{script}: {error}");
    }
}

#[test]
fn a_run_has_a_fixed_environment_and_its_figures() {
    let directory = TempDir::new().unwrap();
    let mut runner = processes(&directory, "");
    let script = "env > \"$OUT/image\"; dd if=/dev/zero of=/dev/null bs=1M count=64 2>&1";
    let outcome = runner.run(peer(script)).unwrap();
    assert!(outcome.wall_ns > 0 && outcome.usage.user_ns + outcome.usage.system_ns > 0);
    assert!(outcome.usage.minor_faults > 0 && outcome.image_size > 0);
    // What children of the shell did is counted with it.
    let io = outcome.usage.io.unwrap();
    assert!((64 << 20..72 << 20).contains(&io.read) && (64 << 20..72 << 20).contains(&io.written), "{io:?}");
    let script = "test -z \"$(env | grep -vE '^(PATH|LC_ALL|ROOTFS|OUT|THREADS|PWD|SHLVL|OLDPWD|_)=')\" && test $THREADS = 2 && echo x > \"$OUT/image\"";
    runner.run(peer(script)).unwrap();
}

/// What is synced is on the device when the run is over.
#[test]
fn a_run_has_the_bytes_that_its_disk_wrote() {
    const SIZE: u64 = 8 << 20;
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut runner = processes(&directory, "");
    let script = "dd if=/dev/zero of=\"$OUT/image\" bs=1M count=8 conv=fsync 2>&1";
    let outcome = runner.run(peer(script)).unwrap();
    let conditions = outcome.conditions.unwrap();
    let Some(device) = conditions.device else {
        return testkit::log::skip("no block device below the target directory");
    };
    assert!(device.written >= SIZE, "{device:?}");
    let io = outcome.usage.io.unwrap();
    assert!(io.write_bytes.unwrap() >= SIZE && io.cancelled_write_bytes.is_some(), "{io:?}");
}

/// A packer that writes one MiB fits a disk of one MiB, and not one of a page less; with what is written elsewhere
/// nobody is concerned.
#[test]
fn a_pack_in_limited_space_fits_or_does_not() {
    let directory = TempDir::new().unwrap();
    let script = "dd if=/dev/zero of=\"$OUT/image\" bs=4096 count=256";
    let mut runner = processes(&directory, script);
    let case = Case { compression: "none".into(), threads: 1 };
    let mut confined = |room| runner.run_with_disk_limit(Work::Pack(&case, Strategy::SingleStream), room).unwrap();
    match confined(1 << 20) {
        LimitedRun::Forbidden(why) => return testkit::log::skip(&why),
        outcome => assert_eq!(outcome, LimitedRun::Succeeded),
    }
    let LimitedRun::Failed(words) = confined((1 << 20) - 4096) else { panic!("it fitted") };
    assert!(words.to_lowercase().contains("no space left on device"), "{words}");
    assert_eq!(fs::read_dir(directory.path().join("scratch")).unwrap().count(), 0);
}
