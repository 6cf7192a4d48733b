//! Ours beside each peer: how many times as fast, from adjacent runs.

use super::comparison::{comparisons, pairs};
use super::estimate;
use crate::plan::{Case, Parallelism};
use crate::record::{Interval, PeerComparison, PeerRecord, Record, Role, Sample};

/// A peer with its times, and ours beside it.
#[derive(Clone, Debug)]
pub struct PeerLine<'a> {
    /// The peer.
    pub peer: &'a PeerRecord,
    /// Its times, those with fewer threads first; none if it was not timed.
    pub times: Vec<PeerTimes>,
    /// Ours with all threads beside it.
    pub all: Option<PeerComparison>,
    /// Ours with one thread beside it, if that is another case.
    pub one: Option<PeerComparison>,
}

/// The times of a peer with one number of threads.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerTimes {
    /// How many threads it was told to take; `None` in older records.
    pub threads: Option<usize>,
    /// The median in nanoseconds.
    pub median: Interval,
    /// The least and the most.
    pub range: [u64; 2],
    /// The size of its image.
    pub image_size: u64,
    /// The peak of memory of the largest of its processes in bytes, if that is known.
    pub memory: Option<u64>,
    /// The sum of the peaks of those of its processes that were seen alive at one moment, in bytes, if that is known.
    pub memory_together: Option<u64>,
}

/// The peers of a record, in its order.
#[must_use]
pub fn peer_lines(record: &Record) -> Vec<PeerLine<'_>> {
    let comparisons = peer_comparisons(record);
    let line = |peer| {
        let mut threads: Vec<Option<usize>> = theirs(record, peer, None).iter().map(|sample| sample.threads).collect();
        threads.sort_unstable();
        threads.dedup();
        // What a failed peer did before says nothing.
        threads.retain(|_| peer.untimed().is_none());
        let times = threads.into_iter().filter_map(|threads| times(&theirs(record, peer, threads), threads)).collect();
        let mut beside = comparisons.iter().filter(|found| found.peer == peer.name).cloned();
        let all = beside.clone().max_by_key(|found| found.threads);
        let one = beside.find(|found| found.threads == 1 && all.as_ref().is_some_and(|all| all.threads > 1));
        PeerLine { peer, times, all, one }
    };
    record.run.peers.iter().map(line).collect()
}

/// A comparison for each peer that was timed and each of our cases beside it, in the order of the record; that with
/// fewer threads first.
#[must_use]
pub fn peer_comparisons(record: &Record) -> Vec<PeerComparison> {
    let mut found = Vec::new();
    for peer in record.run.peers.iter().filter(|peer| peer.untimed().is_none()) {
        let mut cases: Vec<&Case> = record.run.cases.iter().filter(|case| case.compression == peer.like).collect();
        cases.sort_by_key(|case| case.threads);
        found.extend(cases.into_iter().filter_map(|case| compare(record, peer, case)));
    }
    found
}

/// The times of runs with one number of threads.
fn times(samples: &[&Sample], threads: Option<usize>) -> Option<PeerTimes> {
    let walls = || samples.iter().map(|sample| sample.wall_ns);
    Some(PeerTimes {
        threads,
        median: estimate::median(&walls().map(|wall| wall as f64).collect::<Vec<_>>())?.into(),
        range: [walls().min()?, walls().max()?],
        image_size: samples.iter().map(|sample| sample.image_size).max()?,
        memory: samples.iter().filter_map(|sample| sample.memory).max(),
        memory_together: samples.iter().filter_map(|sample| sample.memory_together).max(),
    })
}

/// The timed runs of a peer with so many threads, or with any in older records.
fn theirs<'a>(record: &'a Record, peer: &PeerRecord, threads: Option<usize>) -> Vec<&'a Sample> {
    let is_its = |sample: &&Sample| {
        sample.role == Role::Measure && sample.arm == "peer" && sample.case == peer.name && sample.beside.is_none()
    };
    let takes = |sample: &&Sample| threads.is_none() || sample.threads == threads;
    record.samples.iter().filter(is_its).filter(takes).collect()
}

fn compare(record: &Record, peer: &PeerRecord, case: &Case) -> Option<PeerComparison> {
    let threads = match peer.parallelism {
        None => None,
        Some(Parallelism::Single) => Some(1),
        Some(Parallelism::Pinned) => Some(case.threads),
        Some(Parallelism::All) => Some(record.run.environment.cores),
    };
    let theirs = theirs(record, peer, threads);
    let is_beside = |sample: &&Sample| {
        sample.role == Role::Measure && sample.case == case.name() && sample.beside.as_deref() == Some(&peer.name)
    };
    let ours: Vec<&Sample> = record.samples.iter().filter(is_beside).collect();
    let pairs = pairs(&theirs, &ours);
    let PeerTimes { median, range, image_size, memory, memory_together, .. } = times(&theirs, threads)?;
    let (ratio, ours, our_size) = match (estimate::ratio(&pairs), times(&ours, None)) {
        (Some(ratio), Some(ours)) => (ratio.into(), ours.median, ours.image_size),
        // Older records have no runs of ours beside those of peers.
        _ if peer.parallelism.is_none() => {
            let found = comparisons(record).into_iter().find(|comparison| comparison.case == case.name())?;
            let ours = found.single_stream;
            (estimate::quotient(&ours.wall_ns, &median), ours.wall_ns, ours.image_size)
        }
        _ => return None,
    };
    Some(PeerComparison {
        peer: peer.name.clone(),
        case: case.name(),
        threads: case.threads,
        ratio,
        pairs: pairs.len(),
        theirs: median,
        range,
        ours,
        image_size,
        our_size,
        memory,
        memory_together,
    })
}
