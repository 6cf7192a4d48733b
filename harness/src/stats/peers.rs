//! One line for each peer, beside our single stream.

use super::comparison::comparisons;
use super::estimate;
use crate::plan::{Case, Maker};
use crate::record::{Interval, PeerRecord, Record, Role, Sample};

/// A peer beside our case of the same codec.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerLine {
    /// Its name.
    pub name: String,
    /// In words.
    pub title: String,
    /// The reason for missing figures.
    pub missing: Option<String>,
    /// The median and the range of its times in nanoseconds, and its image's size.
    pub measured: Option<(Interval, f64, f64, u64)>,
    /// Our case, its median time, and the size of our image.
    pub ours: Option<(String, Interval, u64)>,
    /// Our median time with one thread, if that is another case.
    pub alone: Option<Interval>,
    /// The peak of memory of the largest of its processes in bytes, if that is known.
    pub memory: Option<u64>,
    /// At most this all of its processes held together, in bytes, if that is known.
    pub memory_together: Option<u64>,
}

impl PeerLine {
    /// How many times as fast ours is.
    #[must_use]
    pub fn times(&self) -> Option<f64> {
        Some(self.measured.as_ref()?.0.value / self.ours.as_ref()?.1.value)
    }

    /// The same of ours with one thread.
    #[must_use]
    pub fn times_alone(&self) -> Option<f64> {
        Some(self.measured.as_ref()?.0.value / self.alone.as_ref()?.value)
    }
}

/// The peers of a record, in its order, each beside our single stream with all threads.
#[must_use]
pub fn peer_lines(record: &Record) -> Vec<PeerLine> {
    let comparisons = comparisons(record);
    let ours = |like: &str| {
        let widest = record.run.cases.iter().filter(|case| case.compression == like).max_by_key(|case| case.threads)?;
        let found = comparisons.iter().find(|comparison| comparison.case == widest.name())?;
        Some((found.case.clone(), found.single_stream.wall_ns, found.single_stream.image_size))
    };
    let alone = |like: &str| {
        let one = |case: &&Case| case.compression == like && case.threads == 1;
        let name = record.run.cases.iter().find(one)?.name();
        Some(comparisons.iter().find(|comparison| comparison.case == name)?.single_stream.wall_ns)
    };
    let line = |peer: &PeerRecord| {
        let samples: Vec<&Sample> = record
            .samples
            .iter()
            .filter(|sample| sample.role == Role::Measure && sample.case == peer.name && sample.arm == "peer")
            .collect();
        let walls: Vec<f64> = samples.iter().map(|sample| sample.wall_ns as f64).collect();
        let (low, high) = (walls.iter().copied().fold(f64::MAX, f64::min), walls.iter().copied().fold(0.0, f64::max));
        let size = samples.iter().map(|sample| sample.image_size).max().unwrap_or(0);
        PeerLine {
            name: peer.name.clone(),
            title: peer.title.clone(),
            missing: peer.missing.as_ref().map(|missing| match peer.maker {
                Maker::Pipeline => format!("{missing} is not installed"),
                Maker::Lxd => missing.clone(),
            }),
            measured: estimate::median(&walls).map(|median| (median.into(), low, high, size)),
            ours: ours(&peer.like),
            alone: alone(&peer.like),
            memory: samples.iter().filter_map(|sample| sample.memory).max(),
            memory_together: samples.iter().filter_map(|sample| sample.memory_together).max(),
        }
    };
    record.run.peers.iter().map(line).collect()
}
