//! A bench with LXD: what that was given it does not keep, however the bench ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use harness::record::Record;

use crate::ends::{NO_SIGNAL_IGNORED, Place, in_time, is_empty};

/// A place with an LXD that is made up.
fn place() -> Place {
    let place = Place::new();
    fs::create_dir_all(place.at("bin/state")).unwrap();
    let client = place.at("bin/lxc");
    fs::write(&client, include_str!("../../../harness/tests/it/lxc.sh")).unwrap();
    fs::set_permissions(client, fs::Permissions::from_mode(0o755)).unwrap();
    place
}

fn bench(place: &Place) -> Command {
    let mut command = place.task(
        &NO_SIGNAL_IGNORED,
        &["bench", "--suite", "full", "--pairs", "2", "--rounds", "2", "--compression", "none"],
    );
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", place.at("bin").display()));
    command.arg("--rootfs").arg(place.at("tree")).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn state(place: &Place, name: &str) -> PathBuf {
    place.at("bin/state").join(name)
}

/// What LXD was asked for, in order.
fn log(place: &Place) -> Vec<String> {
    let log = fs::read_to_string(state(place, "log")).unwrap_or_default();
    log.lines().map(String::from).collect()
}

/// Whether LXD has nothing of ours.
fn is_clean(place: &Place) -> bool {
    let mut names = fs::read_dir(place.at("bin/state")).unwrap().map(|entry| entry.unwrap().file_name());
    names.all(|name| name == "log")
}

#[test]
fn a_bench_measures_publish_and_lxd_keeps_nothing() {
    let place = place();
    assert!(bench(&place).status().unwrap().success());
    assert!(is_clean(&place) && is_empty(&place.at("scratch")));
    let record = Record::read(&place.record().unwrap()).unwrap();
    assert_eq!(record.run.environment.tools["lxd"], "5.0");
    let samples: Vec<_> = record.samples.iter().filter(|sample| sample.case == "publish-none").collect();
    assert_eq!(samples.len(), 1 + 2);
    assert!(samples.iter().all(|sample| sample.image_size > 0 && sample.usage.is_none()));
    assert_eq!(log(&place).iter().filter(|line| *line == "published").count(), 1 + 2);
}

#[test]
fn a_tree_that_lxd_does_not_take_is_a_row_that_says_so() {
    let place = place();
    fs::write(state(&place, "refuse"), "").unwrap();
    assert!(bench(&place).status().unwrap().success());
    let directory = place.record().unwrap();
    let record = Record::read(&directory).unwrap();
    let peer = record.run.peers.iter().find(|peer| peer.name == "publish-none").unwrap();
    assert_eq!(peer.missing.as_deref(), Some("LXD did not take the tree"));
    assert!(record.run.complete && record.samples.iter().all(|sample| sample.case != "publish-none"));
    assert!(fs::read_to_string(directory.join("report.md")).unwrap().contains("| LXD did not take the tree |"));
    assert!(!log(&place).iter().any(|line| line.starts_with("publish ")));
}

/// LXD is at work on the image when the bench is killed: that comes to its end, and then all is removed.
#[test]
fn a_bench_that_is_killed_leaves_nothing_in_lxd() {
    for signal in ["KILL", "TERM", "INT"] {
        let place = place();
        fs::write(state(&place, "hold"), "").unwrap();
        let mut bench = bench(&place).spawn().unwrap();
        in_time("LXD at work", || log(&place).iter().any(|line| line == "publishing"));
        let killed = Command::new("kill").args(["-s", signal, &bench.id().to_string()]).status().unwrap();
        bench.wait().unwrap();
        assert!(killed.success() && !is_clean(&place));
        fs::remove_file(state(&place, "hold")).unwrap();
        in_time("an LXD that has nothing of ours", || is_clean(&place));
        let log = log(&place);
        let at = |wanted: &str| log.iter().position(|line| line.starts_with(wanted)).unwrap();
        assert!(at("published") < at("delete --force"), "{log:?}");
        in_time("scratch space that is gone", || is_empty(&place.at("scratch")));
        assert!(!Record::read(&place.record().unwrap()).unwrap().run.complete);
    }
}
