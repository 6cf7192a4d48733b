//! Runs that pass every gate, for tests to spoil.

use packer::Strategy;

use crate::inspect::{Comparison, InnerTar, Inspection};
use crate::plan::Case;
use crate::run::{BytesWritten, Io, Outcome, PackRecord, Usage};
use crate::verify::InspectedPack;

/// The size of the tar.
pub(crate) const TAR: u64 = 100_000_000;

/// The size of every image.
pub(crate) const IMAGE: u64 = 40_000_000;

/// The outcome of a correct run.
pub(crate) fn outcome(strategy: Strategy) -> Outcome {
    let temporary_tar = if strategy == Strategy::TwoPass { TAR } else { 0 };
    let pack = PackRecord {
        fingerprint: "image".into(),
        size: IMAGE,
        tar_size: TAR,
        bytes_read: TAR * 9 / 10,
        bytes_written: BytesWritten { temporary_tar, image: IMAGE },
        scratch_peak: IMAGE + temporary_tar,
        vm_hwm: Some(20 << 20),
        ..PackRecord::default()
    };
    let io = Io { read: TAR * 9 / 10 + 20_000, written: IMAGE + temporary_tar + 2_000, fetched: 0, ..Io::default() };
    let usage = Usage { io: Some(io), ..Usage::default() };
    Outcome { wall_ns: 1, usage, image_size: IMAGE, pack: Some(pack), ..Outcome::default() }
}

/// Two passes, and one stream twice.
pub(crate) fn seen(compression: &str) -> Vec<InspectedPack> {
    let one = |strategy| InspectedPack {
        case: Case { compression: compression.into(), threads: 2 },
        strategy,
        outcome: outcome(strategy),
        inspection: Inspection {
            sha256: "image".into(),
            tar: Ok(InnerTar { diff_id: "tar".into(), size: TAR, comparison: Ok(Comparison::default()) }),
        },
    };
    [Strategy::TwoPass, Strategy::SingleStream, Strategy::SingleStream].map(one).to_vec()
}
