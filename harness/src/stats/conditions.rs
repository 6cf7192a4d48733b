//! The conditions of the timed runs: whether the page cache was warm, whether the machine was ours, and whether the two
//! accounts of scratch space agree.

use crate::record::{Record, Role, Sample};
use crate::run::{self, Conditions, Usage};

/// Whether a run found its tree on a disk and not in memory: it fetched more than a hundredth of the tar.
#[must_use]
pub fn is_cold(usage: &Usage, tar_size: u64) -> bool {
    usage.io.is_some_and(|io| io.fetched > tar_size / 100)
}

/// The timed runs that read their tree from a disk, and all timed runs with I/O counters; `None` in records without
/// counters.
#[must_use]
pub fn cold(record: &Record) -> Option<(usize, usize)> {
    let tar = record.run.subject.tar_size;
    let timed = record.samples.iter().filter(|sample| sample.role == Role::Measure);
    let told: Vec<Usage> = timed.filter_map(|sample| sample.usage).filter(|usage| usage.io.is_some()).collect();
    let cold = told.iter().filter(|usage| is_cold(usage, tar)).count();
    (!told.is_empty()).then_some((cold, told.len()))
}

/// What took the machine away from the timed runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disturbance {
    /// Timed runs during which the machine was watched.
    pub runs: usize,
    /// Those during which it was suspended.
    pub suspended: usize,
    /// The largest part of the processors' time that the hypervisor gave to others during a run; `None` where no kernel
    /// counted it.
    pub steal: Option<f64>,
}

/// What took the machine away from the timed runs; `None` in records of runs that were not watched.
#[must_use]
pub fn disturbance(record: &Record) -> Option<Disturbance> {
    let timed = record.samples.iter().filter(|sample| sample.role == Role::Measure);
    let watched: Vec<(u64, &Conditions)> =
        timed.filter_map(|sample| Some((sample.wall_ns, sample.conditions.as_ref()?))).collect();
    let suspended = watched.iter().filter(|(_, conditions)| conditions.suspended_ns > 0).count();
    let cores = record.run.environment.cores.max(1) as f64;
    let part = |(wall_ns, conditions): &(u64, &Conditions)| {
        Some(conditions.steal_ns? as f64 / ((*wall_ns).max(1) as f64 * cores))
    };
    let steal = watched.iter().filter_map(part).reduce(f64::max);
    (!watched.is_empty()).then_some(Disturbance { runs: watched.len(), suspended, steal })
}

/// The largest difference between the packer's account of its scratch space and the free space of the filesystem, in
/// bytes, and the number of timed runs in which it exceeds a hundredth and 2 MiB; `None` without such runs.
#[must_use]
pub fn accounts(record: &Record) -> Option<(u64, usize)> {
    let apart = |sample: &Sample| {
        let own = sample.pack.as_ref()?.scratch_peak;
        let apart = own.abs_diff(sample.scratch.as_ref()?.peak);
        Some((apart, apart > run::tolerance(own)))
    };
    let timed = record.samples.iter().filter(|sample| sample.role == Role::Measure);
    let apart: Vec<(u64, bool)> = timed.filter_map(apart).collect();
    Some((apart.iter().map(|(apart, _)| *apart).max()?, apart.iter().filter(|(_, far)| *far).count()))
}
