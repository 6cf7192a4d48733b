//! `lxc publish` as a peer, by an LXD that is made up: what is measured, what is not, and that nothing stays there.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use harness::bench::Bench;
use harness::inspect::Listing;
use harness::plan::{HashProgram, PEERS, Peer, Work};
use harness::record::{Journal, PeerRecord, Record};
use harness::report::Report;
use harness::run::{Container, Lxd, Processes, Runner};
use tempfile::TempDir;

use super::{Ear, Fake, Fault, planned};

/// A client with its LXD, and a packer that makes an image of three bytes.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Place(TempDir::new().unwrap());
        for name in ["bin/state", "scratch", "rootfs"] {
            fs::create_dir_all(place.at(name)).unwrap();
        }
        place.program("bin/lxc", include_str!("lxc.sh"));
        place.program("onepass", "#!/bin/sh\nshift 9\nprintf abc > \"$1/image\" && echo \"fp  $1/image\"\n");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn find(&self) -> Result<Lxd, &'static str> {
        let path = format!("{}:/usr/bin:/bin", self.at("bin").display());
        Lxd::find(|name| (name == "PATH").then(|| OsString::from(&path)), &self.at("scratch"))
    }

    fn take(&self) -> harness::Result<Container> {
        self.find().unwrap().take(&self.at("onepass"), &self.at("rootfs"), &self.at("scratch"))
    }

    fn runner(&self) -> Processes {
        let [onepass, rootfs, scratch] = ["onepass", "rootfs", "scratch"].map(|name| self.at(name));
        Processes { onepass, rootfs, scratch, container: Some(self.take().unwrap()), ..Processes::default() }
    }

    /// What LXD has.
    fn has(&self) -> Vec<String> {
        let names = fs::read_dir(self.at("bin/state")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> =
            names.filter(|name| name.starts_with("image-") || name.starts_with("container-")).collect();
        names.sort();
        names
    }
}

fn peer(name: &str) -> &'static Peer {
    PEERS.iter().find(|peer| peer.name == name).unwrap()
}

/// A run of a peer with two threads.
fn work(name: &str) -> Work<'static> {
    let peer = peer(name);
    Work::Peer { name: peer.name, script: peer.script, maker: peer.maker, threads: 2 }
}

#[test]
fn where_no_lxd_answers_that_is_told() {
    let place = Place::new();
    assert_eq!(place.find().map(drop), Ok(()));
    place.program("bin/lxc", "#!/bin/sh\necho 'Error: connection refused' >&2\nexit 1\n");
    assert_eq!(place.find().map(drop), Err("no LXD answers"));
    let nowhere = |name: &str| (name == "PATH").then(|| OsString::from("/nowhere"));
    assert_eq!(Lxd::find(nowhere, Path::new("/")).map(drop), Err("lxc is not installed"));
}

#[test]
fn publish_is_timed_and_nothing_stays() {
    let place = Place::new();
    let mut runner = place.runner();
    let name = format!("container-onepass-bench-{}", std::process::id());
    assert_eq!(place.has(), [name.as_str()], "of the image that it was made of nothing is needed");
    assert_eq!(runner.container.as_ref().unwrap().version(), "5.0");
    for round in 0..2 {
        let outcome = runner.run(work("publish-gzip")).unwrap();
        assert_eq!(outcome.image_size, "abc".len() as u64);
        assert!(outcome.wall_ns > 0);
        assert_eq!(place.has(), [name.as_str()], "after round {round}");
    }
    runner.container.take().unwrap().remove().unwrap();
    assert_eq!(place.has(), [""; 0]);
    let left: Vec<_> = fs::read_dir(place.at("scratch")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lxc"], "what the client keeps goes with the scratch directory");
}

#[test]
fn what_fails_leaves_nothing_in_lxd_and_says_why() {
    let place = Place::new();
    fs::write(place.at("bin/state/full"), "").unwrap();
    let mut runner = place.runner();
    let error = runner.run(work("publish-none")).unwrap_err().to_string();
    assert!(error.contains("publish-none, 2 threads failed") && error.contains("no space left on device"), "{error}");
    drop(runner);
    assert_eq!(place.has(), [""; 0]);
    // An image that LXD does not take.
    place.program("onepass", "#!/bin/sh\necho 'fp  /missing'\n");
    let error = place.take().unwrap_err().to_string();
    assert!(error.contains("giving the tree to LXD failed") && error.contains("/missing"), "{error}");
    assert_eq!(place.has(), [""; 0]);
    let mut without = Processes { scratch: place.at("scratch"), ..Processes::default() };
    assert!(without.run(work("publish-none")).is_err());
}

#[test]
fn what_lxd_still_has_is_told() {
    let place = Place::new();
    let container = place.take().unwrap();
    // It deletes nothing any more.
    let stubborn = include_str!("lxc.sh").replace("rm \"$state/container", "false \"$state/container");
    place.program("bin/lxc", &stubborn);
    place.program("bin/sleep", "#!/bin/sh\n");
    let error = container.remove().unwrap_err().to_string();
    assert!(error.contains("LXD may still have the container `onepass-bench-"), "{error}");
}

/// A bench with a peer that LXD makes, if it is not missing.
fn bench(missing: Option<&str>) -> (Record, String) {
    let results = TempDir::new().unwrap();
    let mut journal = Journal::create(results.path(), "2026-01-02", "test").unwrap();
    let peer = peer("publish-gzip");
    let record = PeerRecord::planned(peer, HashProgram::Openssl, missing.map(String::from));
    let mut run = planned();
    run.peers = vec![record];
    let bench = Bench { run, tree: Listing::default(), peer_rounds: 3, floors: Vec::new() };
    let mut fake = Fake { runs: 0, peers: 0, fault: Fault::None };
    bench.run(&mut fake, &mut journal, &mut Ear::default()).unwrap();
    let record = Record::read(journal.directory()).unwrap();
    Report::new(&record).write(journal.directory()).unwrap();
    let page = fs::read_to_string(journal.directory().join("report.md")).unwrap();
    (record, page)
}

#[test]
fn of_the_work_of_a_daemon_only_the_time_is_recorded_and_the_report_says_so() {
    let (record, page) = bench(None);
    let (by_lxd, ours): (Vec<_>, Vec<_>) = record.samples.iter().partition(|sample| sample.case == "publish-gzip");
    assert_eq!(by_lxd.len(), 1 + 3);
    for sample in by_lxd {
        let line = serde_json::to_string(sample).unwrap();
        assert!(sample.wall_ns > 0 && sample.image_size > 0, "{line}");
        assert!(!line.contains("usage") && !line.contains("scratch"), "{line}");
    }
    assert!(ours.iter().all(|sample| sample.usage.is_some() && sample.scratch.is_some()));
    for words in ["only the time from the request to the answer is known", "they are not zero", "$CONTAINER"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let (_, page) = bench(Some("no LXD answers"));
    assert!(page.contains("| no LXD answers |") && !page.contains("only the time"), "{page}");
}
