//! Files that change while they are packed: no image, or – a live tree – one that tells of it, and as many bytes as promised.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use packer::{Compression, Pack, Progress, Strategy};
use tempfile::TempDir;

use crate::laws::names;
use crate::strace;
use testkit::listing;

/// A progress callback that makes `change` once, at the first report: the walk is ahead of the files at the end by then.
pub(crate) fn at_first_report(change: impl Fn() + Send + Sync + 'static) -> impl Fn(&Progress) + Send + Sync + 'static {
    let done = AtomicBool::new(false);
    move |_| {
        if !done.swap(true, Ordering::SeqCst) {
            change();
        }
    }
}

/// A large file whose packing takes many segments, the last of them after the change.
fn tree() -> TempDir {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("a"), b"first").unwrap();
    fs::write(root.path().join("large"), vec![7; 48 << 20]).unwrap();
    root
}

#[track_caller]
fn fails(change: impl Fn(&Path) + Clone + Send + Sync + 'static, words: &str) {
    for strategy in Strategy::ALL {
        let (root, output) = (tree(), TempDir::new().unwrap());
        let (change, large) = (change.clone(), root.path().join("large"));
        let pack = Pack::new(root.path()).strategy(strategy).on_progress(at_first_report(move || change(&large)));
        let error = pack.publish(output.path()).unwrap_err();
        assert!(error.to_string().contains(words), "{strategy}: {error}");
        assert_eq!(error.path(), Some(&*root.path().join("large")));
        assert!(names(output.path()).is_empty(), "{strategy} left something");
    }
}

#[test]
fn a_file_that_shrinks_grows_or_is_touched_fails_the_pack() {
    fails(|file| OpenOptions::new().write(true).open(file).unwrap().set_len(1 << 20).unwrap(), "it shrank");
    fails(|file| OpenOptions::new().append(true).open(file).unwrap().write_all(b"more").unwrap(), "it grew");
    fails(
        |file| {
            let file = OpenOptions::new().write(true).open(file).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        },
        "it was touched",
    );
}

#[test]
fn a_file_that_vanishes_or_is_replaced_fails_the_pack() {
    fails(|file| fs::remove_file(file).unwrap(), "it vanished");
    fails(
        |file| {
            fs::rename(file, file.with_file_name("aside")).unwrap();
            fs::write(file, vec![7; 48 << 20]).unwrap();
        },
        "another file took its place",
    );
    fails(
        |file| {
            fs::remove_file(file).unwrap();
            symlink("/etc/passwd", file).unwrap();
        },
        "another file took its place",
    );
}

/// What a live tree's image holds of the large file after `change`, and what is told of it.
#[track_caller]
fn completes(change: impl Fn(&Path) + Clone + Send + Sync + 'static, what: &str) -> Vec<u8> {
    let mut contents = Vec::new();
    for strategy in Strategy::ALL {
        let (root, output) = (tree(), TempDir::new().unwrap());
        let large = root.path().join("large");
        let (change, file) = (change.clone(), large.clone());
        let pack = Pack::new(root.path()).strategy(strategy).compression(Compression::None).live(true);
        let image = pack.on_progress(at_first_report(move || change(&file))).publish(output.path()).unwrap();
        let mut told: Vec<_> = image.changes.iter().map(|change| (change.path.clone(), change.what)).collect();
        // The directory lost a name, too.
        let has_lost_name = ["it vanished", "another file took its place"].contains(&what);
        assert_eq!(has_lost_name, told[0].0 == root.path(), "{strategy}: {told:?}");
        told.retain(|(path, _)| path != root.path());
        assert_eq!(told, [(large.clone(), what)], "{strategy}");
        packer::verify(image.path.as_ref().unwrap()).unwrap();
        let member = listing::of_tar(&fs::read(image.path.as_ref().unwrap()).unwrap()).pop().unwrap();
        assert_eq!((&*member.path, member.content.len()), (&b"large"[..], 48 << 20));
        contents = member.content;
    }
    contents
}

#[test]
fn a_live_tree_is_completed_to_the_promised_bytes_and_told_of() {
    let whole = |content: &[u8]| content.iter().all(|byte| *byte == 7);
    let cut = |content: &[u8]| {
        let kept = content.iter().take_while(|byte| **byte == 7).count();
        kept < 48 << 20 && content[kept..].iter().all(|byte| *byte == 0)
    };
    assert!(cut(&completes(
        |file| OpenOptions::new().write(true).open(file).unwrap().set_len(1 << 20).unwrap(),
        "it shrank"
    )));
    // What was added looks like a member of its own, and is not to be read.
    let header = [&b"evil"[..], &[0; 508]].concat();
    let grow = move |file: &Path| OpenOptions::new().append(true).open(file).unwrap().write_all(&header).unwrap();
    assert!(whole(&completes(grow, "it grew")));
    let touch = |file: &Path| {
        let file = OpenOptions::new().write(true).open(file).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    };
    assert!(whole(&completes(touch, "it was touched")));
    assert!(cut(&completes(|file| fs::remove_file(file).unwrap(), "it vanished")));
    let replace = |file: &Path| {
        fs::rename(file, file.with_file_name("aside")).unwrap();
        fs::write(file, vec![9; 48 << 20]).unwrap();
    };
    assert!(cut(&completes(replace, "another file took its place")));
}

/// Files of sysfs promise 4,096 bytes and have fewer: they shrink whenever they are packed (or are touched, which some kernels say first).
#[test]
fn the_command_lists_changes_and_exits_with_3() {
    let output = TempDir::new().unwrap();
    let run = |live: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onepass"));
        command.args(["pack", "/sys/devices/system/cpu/cpu0/topology", "-c", "none", "--json", "-o"]);
        command.arg(output.path()).args(live).output().unwrap()
    };
    let stopped = run(&[]);
    let words = String::from_utf8(stopped.stderr).unwrap();
    assert_eq!(stopped.status.code(), Some(1), "{words}");
    assert!(words.contains("changed while it was packed: it ") && words.lines().count() == 1, "{words}");
    assert!(names(output.path()).is_empty());
    let live = run(&["--live"]);
    let words = String::from_utf8(live.stderr).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&live.stdout).unwrap();
    assert_eq!(live.status.code(), Some(3), "{words}");
    let changes = record["changes"].as_array().unwrap();
    assert!(!changes.is_empty() && changes.len() == words.lines().count(), "{words}");
    assert!(changes.iter().all(|change| change["what"].is_string() && change["path"].is_string()), "{changes:?}");
    packer::verify(record["path"].as_str().unwrap()).unwrap();
}

/// A disk that cannot be read is no change, live or not.
#[test]
fn an_error_of_the_disk_is_never_papered_over() {
    if !strace::is_installed() {
        return;
    }
    for live in [&[][..], &["--live"]] {
        let (root, output) = (tree(), TempDir::new().unwrap());
        let run = Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=pread64", "-e", "inject=pread64:error=EIO:when=5", "-o", "/dev/null"])
            .arg(env!("CARGO_BIN_EXE_onepass"))
            .arg("pack")
            .arg(root.path())
            .arg("-o")
            .arg(output.path())
            .args(live)
            .output()
            .unwrap();
        let words = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(1), "{words}");
        assert!(words.contains("large`: input/output error") && words.lines().count() == 1, "{words}");
        assert!(names(output.path()).is_empty());
    }
}
