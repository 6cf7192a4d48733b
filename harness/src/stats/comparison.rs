//! One comparison of the two strategies for each case.

use packer::Strategy;

use super::estimate;
use crate::record::{Arm, Interval, Record, Role, Sample, StrategyComparison};
use crate::run::PackRecord;

/// The most scratch space that was seen from outside.
pub(crate) fn peak(sample: &Sample) -> u64 {
    sample.scratch.as_ref().map_or(0, |scratch| scratch.peak)
}

/// The comparisons of a record, in the order of its cases.
#[must_use]
pub fn comparisons(record: &Record) -> Vec<StrategyComparison> {
    record.run.cases.iter().filter_map(|case| comparison(&record.samples, &case.name())).collect()
}

/// The intervals of the ratios of these cases, so wide that all of them hold together with 95 % confidence.
#[must_use]
pub fn family(record: &Record, cases: &[&str]) -> Vec<Interval> {
    let of = |case: &str, strategy: Strategy| -> Vec<&Sample> {
        record.samples.iter().filter(|sample| counts(sample, case, strategy)).collect()
    };
    let ratio = |case: &&str| {
        let pairs = pairs(&of(case, Strategy::SingleStream), &of(case, Strategy::TwoPass));
        estimate::ratio_in_family(&pairs, cases.len()).map(Interval::from)
    };
    cases.iter().filter_map(ratio).collect()
}

pub(super) fn comparison(samples: &[Sample], case: &str) -> Option<StrategyComparison> {
    let of = |strategy: Strategy| -> Vec<&Sample> {
        samples.iter().filter(|sample| counts(sample, case, strategy)).collect()
    };
    let (two, single) = (of(Strategy::TwoPass), of(Strategy::SingleStream));
    let pairs = pairs(&single, &two);
    Some(StrategyComparison {
        case: case.to_owned(),
        pairs: pairs.len(),
        ratio: estimate::ratio(&pairs)?.into(),
        two_pass: arm(&two)?,
        single_stream: arm(&single)?,
    })
}

/// The times of runs of the same pair.
pub(crate) fn pairs(ones: &[&Sample], others: &[&Sample]) -> Vec<(f64, f64)> {
    let other = |one: &Sample| others.iter().find(|other| other.pair == one.pair).map(|other| other.wall_ns as f64);
    ones.iter().filter_map(|one| Some((one.wall_ns as f64, other(one)?))).collect()
}

/// Whether a sample is a timed run of a case, in a pair of both strategies.
pub(super) fn counts(sample: &Sample, case: &str, strategy: Strategy) -> bool {
    sample.role == Role::Measure && sample.beside.is_none() && sample.case == case && sample.arm == strategy.name()
}

fn arm(samples: &[&Sample]) -> Option<Arm> {
    let walls: Vec<f64> = samples.iter().map(|sample| sample.wall_ns as f64).collect();
    let usages = samples.iter().filter_map(|sample| sample.usage);
    let cpu: Vec<f64> = usages.map(|usage| (usage.user_ns + usage.system_ns) as f64).collect();
    let most = |what: fn(&Sample) -> u64| samples.iter().map(|sample| what(sample)).max().unwrap_or(0);
    let packed = |sample: &Sample| sample.pack.clone().unwrap_or_default();
    let pack_most =
        |what: fn(&PackRecord) -> u64| samples.iter().map(|sample| what(&packed(sample))).max().unwrap_or(0);
    Some(Arm {
        wall_ns: estimate::median(&walls)?.into(),
        cpu_ns: estimate::median(&cpu)?.value as u64,
        scratch_peak: pack_most(|pack| pack.scratch_peak),
        scratch_seen: most(peak),
        bytes_written: pack_most(|pack| pack.bytes_written.image + pack.bytes_written.temporary_tar),
        bytes_read: pack_most(|pack| pack.bytes_read),
        memory: pack_most(|pack| pack.vm_hwm.unwrap_or(0)),
        image_size: most(|sample| sample.image_size),
    })
}
