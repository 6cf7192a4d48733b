//! A runner that starts no process: packs, peers and floors with figures that are made up, and faults on demand.

use harness::Result;
use harness::inspect::{Comparison, Difference, InnerTar, Inspection, Listing};
use harness::plan::{Limit, Work};
use harness::run::{BytesWritten, Conditions, Curve, Floor, Io, Outcome, PackRecord, PeerRunner, Runner, Usage};
use packer::Strategy;

/// Runs nothing. Single-stream takes 0.8 of the time of two-pass, give or take what the run's number says.
pub(super) struct Fake {
    pub(super) runs: u64,
    /// Those of peers.
    pub(super) peers: u64,
    pub(super) fault: Fault,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Fault {
    None,
    /// Two-pass with one thread makes another image.
    OtherImage,
    /// The image is not what its name says.
    OtherHash,
    /// One image decodes to another tar.
    OtherTar,
    /// One image cannot be decoded.
    NoTar,
    /// One image lacks an entry.
    Dropped,
    /// One stream writes its image twice.
    WrittenTwice,
    /// A timed run makes another image.
    Unsteady,
    /// Single-stream holds a hidden file.
    HiddenScratch,
    /// The tenth run fails.
    Failure,
    /// Peers pack half the tree.
    HalfPeer,
    /// The images of peers cannot be read.
    UnreadablePeer,
    /// Peers fail when they are tried.
    FailingPeer,
    /// Peers fail from their third run on.
    TiringPeer,
}

const TAR: u64 = 100_000_000;

impl Runner for Fake {
    fn run(&mut self, work: Work<'_>) -> Result<Outcome> {
        self.runs += 1;
        if self.fault == Fault::Failure && self.runs == 10 {
            return Err(harness::Error::run(work.name(), "exit code 1: no space left on device"));
        }
        let is_peer = matches!(work, Work::Peer { .. });
        self.peers += u64::from(is_peer);
        if self.fault == Fault::TiringPeer && self.peers > 2 && is_peer {
            return Err(harness::Error::run(work.name(), "exit code 125: no mounts"));
        }
        let noise = 1.0 + (self.runs * 37 % 11) as f64 / 1_000.0;
        let outcome = |seconds: f64, size, peak, pack| Outcome {
            wall_ns: (seconds * noise * 1e9) as u64,
            conditions: Some(Conditions { steal_ns: Some(40_000_000), ..Conditions::default() }),
            image_size: size,
            scratch: Curve { peak, points: vec![(0, 0), (1_000_000, peak / 2), (2_000_000, peak)] },
            pack,
            ..Outcome::default()
        };
        Ok(match work {
            Work::Peer { .. } => outcome(9.0, 41_000_000, 41_000_000, None),
            Work::Floor(_) => {
                let floor = Floor { read_ns: 1_000_000_000, encode_ns: 6_000_000_000, hash_ns: 500_000_000 };
                Outcome { floor: Some(floor), ..outcome(8.0, 0, 0, None) }
            }
            Work::Pack(case, strategy) => {
                let size = if case.compression == "none" { TAR } else { 40_000_000 };
                let two = strategy == Strategy::TwoPass && case.compression != "none";
                let temporary_tar = if two { TAR } else { 0 };
                let hidden =
                    if self.fault == Fault::HiddenScratch && strategy == Strategy::SingleStream { 4096 } else { 0 };
                let other = self.fault == Fault::OtherImage && two && case.threads == 1
                    || self.fault == Fault::Unsteady && self.runs == 20;
                let twice = if self.fault == Fault::WrittenTwice && !two { size } else { 0 };
                let io = Io {
                    read: TAR + 20_000,
                    written: size + temporary_tar + twice + 2_000,
                    fetched: 0,
                    ..Io::default()
                };
                let pack = PackRecord {
                    fingerprint: format!("{}{other}", case.compression),
                    size,
                    tar_size: TAR,
                    entries: 1_234,
                    bytes_written: BytesWritten { temporary_tar, image: size },
                    scratch_peak: size + temporary_tar + hidden,
                    vm_hwm: Some(20_000_000),
                    phases_ns: [(if two { "tar" } else { "stream" }.to_owned(), 1_000_000_000)].into(),
                    ..PackRecord::default()
                };
                let usage = Usage { io: Some(io), ..Usage::default() };
                Outcome { usage, ..outcome(if two { 5.0 } else { 4.0 }, size, size + temporary_tar, Some(pack)) }
            }
        })
    }

    fn inspect(&mut self, work: Work<'_>, _: &Listing) -> Result<(Outcome, Inspection)> {
        let outcome = self.run(work)?;
        let fingerprint = outcome.pack.as_ref().map(|pack| pack.fingerprint.clone()).unwrap_or_default();
        let odd = self.runs == 3;
        let sha256 = if odd && self.fault == Fault::OtherHash { "other".into() } else { fingerprint };
        let diff_id = if odd && self.fault == Fault::OtherTar { "other" } else { "tar" };
        let dropped =
            Comparison { differing: 1, first: Some(Difference::Missing { path: "a".into() }), ..Comparison::default() };
        let comparison = if odd && self.fault == Fault::Dropped { dropped } else { Comparison::default() };
        let tar = InnerTar { diff_id: diff_id.into(), size: TAR, comparison: Ok(comparison) };
        let tar = if odd && self.fault == Fault::NoTar { Err("invalid gzip data".into()) } else { Ok(tar) };
        Ok((outcome, Inspection { sha256, tar }))
    }
}

impl PeerRunner for Fake {
    fn inspect_peer(
        &mut self,
        work: Work<'_>,
        _: &Listing,
        limits: &[Limit],
    ) -> Result<(Outcome, std::result::Result<Comparison, String>)> {
        let outcome = self.run(work)?;
        let losses = limits.iter().map(|limit| (*limit, 7)).collect();
        let whole = Comparison { losses, ..Comparison::default() };
        let half =
            Comparison { differing: 617, first: Some(Difference::Missing { path: "etc".into() }), ..whole.clone() };
        Ok(match self.fault {
            Fault::HalfPeer => (outcome, Ok(half)),
            Fault::UnreadablePeer => (outcome, Err("no tar".into())),
            Fault::FailingPeer => return Err(harness::Error::run(work.name(), "exit code 125: no mounts")),
            _ => (outcome, Ok(whole)),
        })
    }
}
