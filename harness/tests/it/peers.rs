//! Peers: what they are compared with, what their images hold, and what becomes of one that does less.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use harness::bench::Bench;
use harness::inspect::{Comparison, Listing};
use harness::plan::{HashProgram, Limit, Maker, PEERS, Parallelism, Peer, PeerKind, Suite, Work};
use harness::record::{Journal, PeerRecord, Record, Role, Sample};
use harness::report::Report;
use harness::run::{PeerRunner, Processes};
use harness::stats::{peer_comparisons, peer_lines};
use tempfile::TempDir;

use super::{Ear, Fake, Fault, bench};

/// A tree of some kinds of entries.
fn tree() -> TempDir {
    let tree = TempDir::new().unwrap();
    let at = |name: &str| tree.path().join(name);
    fs::create_dir_all(at("etc/empty")).unwrap();
    // Not compressible: scripts find the layer of an image by its size.
    let bytes = (0_u32..40_000).map(|place| place.wrapping_mul(2_654_435_761).rotate_left(place % 31).to_le_bytes()[0]);
    fs::write(at("etc/passwd"), bytes.collect::<Vec<u8>>()).unwrap();
    fs::write(at("etc/shadow"), "").unwrap();
    fs::hard_link(at("etc/passwd"), at("a-name")).unwrap();
    symlink("etc/passwd", at("link")).unwrap();
    tree
}

/// Runs a script as a peer, and compares its image with a tree.
fn tried(rootfs: &Path, script: &str, limits: &[Limit]) -> harness::Result<Result<Comparison, String>> {
    let scratch = TempDir::new().unwrap();
    let mut runner = Processes { rootfs: rootfs.into(), scratch: scratch.path().into(), ..Processes::default() };
    let work = Work::Peer { name: "peer", script, maker: Maker::Pipeline, threads: 2 };
    let found = runner.inspect_peer(work, &Listing::of_tree(rootfs).unwrap(), limits).map(|(_, found)| found);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "{script}");
    found
}

fn told(rootfs: &Path, script: &str, limits: &[Limit]) -> Option<String> {
    tried(rootfs, script, limits).unwrap().unwrap().told()
}

const WHOLE: &str = "tar --xattrs -C \"$ROOTFS\" -cf \"$OUT/image\" .";

#[test]
fn a_peer_that_packs_half_the_tree_is_found_out() {
    let tree = tree();
    assert_eq!(told(tree.path(), WHOLE, &[]), None);
    for (script, found) in [
        ("tar --xattrs -C \"$ROOTFS\" -cf \"$OUT/image\" --exclude=./etc .", "`etc` is missing; 3 more entries differ"),
        ("tar --xattrs -C \"$ROOTFS\" -cf \"$OUT/image\" ./etc | cat", "`.` is missing; 2 more entries differ"),
        (
            "cd \"$ROOTFS\" && tar --xattrs --hard-dereference -cf \"$OUT/image\" .",
            "kind is file, in the tree hard link",
        ),
        (": > \"$OUT/image\"", "`.` is missing; 7 more entries differ"),
        (
            "cp -a \"$ROOTFS\" \"$OUT/copy\" && touch \"$OUT/copy/new\" && touch -r \"$ROOTFS\" \"$OUT/copy\" && tar --xattrs -C \"$OUT/copy\" -cf \"$OUT/image\" .",
            "`new` is not in the tree",
        ),
    ] {
        let words = told(tree.path(), script, &[]).unwrap_or_default();
        assert!(words.contains(found), "{script}: {words}");
    }
}

/// Labels that the host gives to every file are in the images of other tools, and make none of them different.
#[test]
fn labels_of_the_host_make_no_difference() {
    let tree = tree();
    let label = b"system_u:object_r:etc_t:s0\0";
    let flags = rustix::fs::XattrFlags::empty();
    if let Err(error) = rustix::fs::setxattr(tree.path(), "security.selinux", label, flags) {
        return testkit::log::skip(&format!("no labels here: {error}"));
    }
    let labelled = WHOLE.replace("--xattrs", "--xattrs --xattrs-include='*'");
    assert_eq!(told(tree.path(), &labelled, &[]), None);
    let image = labelled + " && grep -aq security.selinux \"$OUT/image\"";
    assert_eq!(told(tree.path(), &image, &[]), None, "the label is not in the image");
}

#[test]
fn an_image_that_cannot_be_read_is_said_to_be_so() {
    let tree = tree();
    for (script, why) in [
        (WHOLE.to_owned() + " && truncate -s 1100 \"$OUT/image\"", "failed to fill"),
        (WHOLE.to_owned() + " && gzip \"$OUT/image\" && head -c 300 \"$OUT/image.gz\" > \"$OUT/image\"", "deflate"),
        ("echo text > \"$OUT/image\"".to_owned(), "end of file"),
    ] {
        let found = tried(tree.path(), &script, &[]).unwrap();
        assert!(found.is_err(), "{why} {found:?}");
    }
    let failed = tried(tree.path(), "cat \"$ROOTFS/none\" \"$OUT/none\"", &[]).unwrap_err().to_string();
    assert!(failed.contains("$ROOTFS/none") && failed.contains("$OUT/none"), "a record has no places: {failed}");
}

/// A limit explains one loss, and nothing else.
#[test]
fn a_known_limit_explains_its_loss_and_no_other() {
    let tree = tree();
    fs::create_dir(tree.path().join("dev")).unwrap();
    fs::write(tree.path().join("dev/null"), "").unwrap();
    for (limit, script, entries, without) in [
        (Limit::WholeSeconds, "tar --format=gnu -C \"$ROOTFS\" -cf \"$OUT/image\" .", 9, "`.`: time is"),
        (Limit::TopDirectory, "cd \"$ROOTFS\" && tar --xattrs -cf \"$OUT/image\" *", 1, "`.` is missing"),
        (
            Limit::BelowDev,
            "tar --xattrs -C \"$ROOTFS\" --exclude='./dev/*' -cf \"$OUT/image\" .",
            1,
            "`dev/null` is missing",
        ),
        (
            Limit::End,
            "tar --xattrs -b 1 -C \"$ROOTFS\" -cf - . | head -c -1024 > \"$OUT/image\"",
            1,
            "the end of the archive is missing",
        ),
    ] {
        let found = tried(tree.path(), script, &[limit]).unwrap().unwrap();
        assert_eq!((found.told(), found.losses), (None, BTreeMap::from([(limit, entries)])), "{limit:?}");
        let others: Vec<Limit> = Limit::ALL.into_iter().filter(|other| *other != limit).collect();
        let words = told(tree.path(), script, &others).unwrap_or_default();
        assert!(words.starts_with(without), "{limit:?}: {words}");
    }
    for script in [
        "tar --xattrs -C \"$ROOTFS\" --mtime=@5 -cf \"$OUT/image\" .",
        "tar --xattrs -C \"$ROOTFS\" --exclude=./dev -cf \"$OUT/image\" .",
        "tar --xattrs -C \"$ROOTFS\" --exclude=./link -cf \"$OUT/image\" .",
        "tar --xattrs -b 1 -C \"$ROOTFS\" -cf - . | head -c -2048 > \"$OUT/image\"",
        "tar --xattrs -C \"$ROOTFS\" -cf \"$OUT/image\" . etc/passwd",
    ] {
        let found = tried(tree.path(), script, &Limit::ALL).unwrap().map(|found| found.told());
        assert_ne!(found, Ok(None), "{script}");
    }
}

/// Each installed tool makes an image of the tree, within the limits that are known of it.
#[test]
fn every_peer_packs_the_tree() {
    let tree = tree();
    let hash = HashProgram::detect();
    let mut tried_peers = 0;
    for peer in PEERS.iter().filter(|peer| peer.maker == Maker::Pipeline) {
        if let Some(missing) = peer.missing(hash) {
            testkit::log::skip(&format!("{missing} is not installed"));
            continue;
        }
        let found = match tried(tree.path(), &peer.script(hash), peer.limits) {
            // It needs to mount.
            Err(error) if peer.name == "buildah-commit" => {
                testkit::log::skip(&error.to_string());
                continue;
            }
            found => found.unwrap().unwrap_or_else(|why| panic!("{}: {why}", peer.name)),
        };
        assert_eq!(found.told(), None, "{}", peer.name);
        assert!(found.losses.keys().all(|limit| peer.limits.contains(limit)), "{}: {found:?}", peer.name);
        tried_peers += 1;
    }
    assert!(tried_peers > 5, "{tried_peers}");
}

/// The peer of the fake's plan.
fn planned(record: &Record) -> &PeerRecord {
    &record.run.peers[0]
}

#[test]
fn a_peer_that_does_less_or_fails_is_reported_and_not_timed() {
    for (fault, words) in [
        (Fault::HalfPeer, "another image, so not timed: `etc` is missing; 616 more entries differ"),
        (Fault::UnreadablePeer, "another image, so not timed: it cannot be read: no tar"),
        (Fault::FailingPeer, "failed: pipe-gzip, 1 thread failed: exit code 125: no mounts"),
    ] {
        let results = TempDir::new().unwrap();
        let (record, directory) = bench(fault, &results);
        let record = record.unwrap();
        assert!(record.run.complete && record.run.checks.iter().all(|check| check.holds));
        assert_eq!(planned(&record).untimed().as_deref(), Some(words));
        assert!(record.samples.iter().all(|sample| sample.arm != "peer" || sample.role == Role::Verify));
        assert!(record.samples.iter().all(|sample| sample.beside.is_none()) && record.run.peer_comparisons.is_empty());
        let report = Report::new(&record);
        report.write(&directory).unwrap();
        let page = fs::read_to_string(directory.join("report.md")).unwrap();
        assert!(page.contains(&format!("| {words} |")), "{page}");
        assert!(!report.verdict.join(" ").contains("Other tools"), "{:?}", report.verdict);
    }
}

/// A peer that fails later than when it is tried takes nothing with it but its own comparisons.
#[test]
fn a_peer_that_fails_later_is_left_out_from_then_on() {
    let results = TempDir::new().unwrap();
    let (record, _) = bench(Fault::TiringPeer, &results);
    let record = record.unwrap();
    assert!(record.run.complete && record.run.checks.iter().all(|check| check.holds));
    let words = planned(&record).untimed().unwrap();
    assert!(words.starts_with("failed: in round ") && words.ends_with("exit code 125: no mounts"), "{words}");
    let timed = |sample: &&Sample| sample.role == Role::Measure && sample.arm == "peer";
    assert_eq!(record.samples.iter().filter(timed).count(), 1, "one run was tried, one timed, and the third failed");
    assert!(record.run.peer_comparisons.is_empty() && peer_lines(&record)[0].times.is_empty());
    assert!(record.run.comparisons.iter().all(|found| found.pairs == 8), "our own pairs are whole");
}

/// The fake's peers take 9 s, and our one stream 4.
#[test]
fn ours_and_the_peer_are_adjacent_and_their_ratio_is_of_pairs() {
    let results = TempDir::new().unwrap();
    let record = bench(Fault::None, &results).0.unwrap();
    let beside = |sample: &&Sample| sample.beside.as_deref() == Some("pipe-gzip");
    let ours: Vec<&Sample> = record.samples.iter().filter(beside).collect();
    let cases: Vec<&str> = ours.iter().map(|sample| sample.case.as_str()).collect();
    assert_eq!(cases.iter().filter(|case| **case == "gzip:5 1 thread").count(), 3, "{cases:?}");
    assert_eq!(cases.iter().filter(|case| **case == "gzip:5 2 threads").count(), 3, "{cases:?}");
    for sample in ours {
        let is_it = |near: &Sample| near.case == "pipe-gzip" && near.pair == sample.pair && near.threads == Some(1);
        let near = [sample.sequence - 1, sample.sequence + 1].map(|place| record.samples.get(place));
        assert!(near.into_iter().flatten().any(is_it), "{sample:?}");
    }
    assert_eq!(record.run.peer_comparisons, peer_comparisons(&record));
    let [one, all] = &record.run.peer_comparisons[..] else { panic!("{:?}", record.run.peer_comparisons) };
    assert_eq!((one.threads, all.threads, one.pairs, all.pairs), (1, 2, 3, 3));
    for found in [one, all] {
        assert!((found.ratio.value - 2.25).abs() < 0.03, "{found:?}");
        assert!((found.ratio.confidence - 0.75).abs() < 1e-9, "three pairs are worth three quarters: {found:?}");
    }
    // The pairs of both strategies are those that were planned.
    assert!(record.run.comparisons.iter().all(|found| found.pairs == 8));
    let line = &peer_lines(&record)[0];
    assert!(line.one.as_ref() == Some(one) && line.all.as_ref() == Some(all));
    let report = Report::new(&record);
    assert!(report.peers.text().contains("2.25× ["), "{}", report.peers.text());
    assert!(report.peers.text().contains("(75 %)") && report.verdict.join(" ").contains("(75 %)"));
}

/// In the fake's world both pipelines take the same time; what ran beside ours does not count.
#[test]
fn the_two_pipelines_of_2019_are_adjacent_pairs() {
    let results = TempDir::new().unwrap();
    let mut run = super::planned();
    run.peers = PEERS[..2].iter().map(|peer| PeerRecord::planned(peer, HashProgram::Openssl, None)).collect();
    let bench = Bench { run, tree: Listing::default(), peer_rounds: 6, floors: Vec::new() };
    let mut journal = Journal::create(results.path(), "2026-01-02", "test").unwrap();
    let mut fake = Fake { runs: 0, peers: 0, fault: Fault::None };
    let mut record = bench.run(&mut fake, &mut journal, &mut Ear::default()).unwrap();
    let beside = |sample: &&Sample, name: &str| sample.beside.as_deref() == Some(name);
    let pipes: Vec<&Sample> = record.samples.iter().filter(|sample| beside(sample, "files-gzip")).collect();
    let pipes: Vec<&Sample> = pipes.into_iter().filter(|sample| sample.arm == "peer").collect();
    assert_eq!(pipes.len(), 6);
    for pipe in pipes {
        let is_it = |near: &Sample| near.case == "files-gzip" && beside(&near, "pipe-gzip") && near.pair == pipe.pair;
        let near = [pipe.sequence - 1, pipe.sequence + 1].map(|place| record.samples.get(place));
        assert!(near.into_iter().flatten().any(is_it), "{pipe:?}");
    }
    for sample in record.samples.iter_mut().filter(|sample| sample.arm == "peer") {
        sample.wall_ns *= match (&*sample.case, sample.beside.is_none()) {
            ("files-gzip", _) => 10,
            (_, false) => 8,
            (_, true) => 50,
        };
    }
    let told = Report::new(&record).verdict.into_iter().find(|line| line.contains("2019")).unwrap();
    assert!(told.contains("tar and gzip −20."), "{told}");
}

/// A peer whose threads are pinned is compared with ours with as many, each in runs of its own.
#[test]
fn one_thread_stands_beside_one_and_all_beside_all() {
    let results = TempDir::new().unwrap();
    let mut record = bench(Fault::None, &results).0.unwrap();
    record.run.peers[0].parallelism = Some(Parallelism::Pinned);
    for sample in &mut record.samples {
        if sample.beside.is_some() && sample.case == "gzip:5 2 threads" {
            sample.wall_ns /= 2;
        }
    }
    let mut with_two: Vec<Sample> = record.samples.iter().filter(|sample| sample.arm == "peer").cloned().collect();
    with_two.iter_mut().for_each(|sample| (sample.threads, sample.wall_ns) = (Some(2), sample.wall_ns / 3));
    record.samples.extend(with_two);
    let found: BTreeMap<usize, f64> =
        peer_comparisons(&record).into_iter().map(|found| (found.threads, found.ratio.value)).collect();
    assert!((found[&1] - 2.25).abs() < 0.03 && (found[&2] - 1.5).abs() < 0.03, "{found:?}");
}

#[test]
fn no_tar_is_compared_with_a_filesystem() {
    let squashfs: Vec<&Peer> = PEERS.iter().filter(|peer| peer.script.contains("mksquashfs")).collect();
    assert_eq!(squashfs.len(), 1);
    let record = PeerRecord::planned(squashfs[0], HashProgram::Openssl, None);
    assert_eq!(record.like, "squashfs");
    assert!(Suite::Full.cases(2).iter().all(|case| case.compression != record.like));
}

#[test]
fn what_images_lack_is_shown() {
    let results = TempDir::new().unwrap();
    let (record, directory) = bench(Fault::None, &results);
    let mut record = record.unwrap();
    let page = |record: &Record| {
        Report::new(record).write(&directory).unwrap();
        fs::read_to_string(directory.join("report.md")).unwrap()
    };
    assert!(!page(&record).contains("its image lacks"));
    record.run.peers[0].losses = Limit::ALL.iter().map(|limit| (*limit, 3)).collect();
    let page = page(&record);
    assert!(Limit::ALL.iter().all(|limit| page.contains(&format!("{} (3 entries)", limit.name()))), "{page}");
}

#[test]
fn each_limit_is_known_of_a_peer_and_told_in_the_methodology() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("METHODOLOGY.md")).unwrap();
    for limit in Limit::ALL {
        assert!(PEERS.iter().any(|peer| peer.limits.contains(&limit)), "{limit:?}");
        assert!(text.contains(&format!("| {} |", limit.name())), "{limit:?}");
    }
    let typed = PEERS.iter().filter(|peer| peer.kind == PeerKind::AsTyped);
    assert!(typed.clone().count() > 2 && typed.clone().all(|peer| peer.title.contains("as people type it")));
}
