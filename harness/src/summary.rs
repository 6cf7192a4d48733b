//! What follows from the samples: one comparison for each case, one line for each peer.

use std::cmp::Ordering;

use packer::Strategy;
use serde::{Deserialize, Serialize};

use crate::peers::Maker;
use crate::record::{Floor, Record, Role, Sample, Usage};
use crate::scratch;
use crate::statistics::{self, Estimate};

/// Two-pass against single-stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The case's name.
    pub case: String,
    /// Pairs that were measured.
    pub pairs: usize,
    /// Time of single-stream ÷ time of two-pass.
    pub ratio: Interval,
    /// With one temporary tar.
    pub two_pass: Arm,
    /// Without.
    pub single_stream: Arm,
}

/// One arm of a comparison. Sizes are bytes, and the largest of all runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// The median time, in nanoseconds.
    pub wall_ns: Interval,
    /// The median processor time, in nanoseconds.
    pub cpu_ns: u64,
    /// The most that it held on the disk, by its own account.
    pub scratch_peak: u64,
    /// The most that was seen from outside.
    pub scratch_seen: u64,
    /// All that it wrote.
    pub bytes_written: u64,
    /// All content that it read.
    pub bytes_read: u64,
    /// The most memory.
    pub memory: u64,
    /// The size of the image.
    pub image_size: u64,
}

/// An estimate with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// From.
    pub low: f64,
    /// To.
    pub high: f64,
    /// How often such an interval holds the truth.
    pub confidence: f64,
}

impl From<Estimate> for Interval {
    /// Ratios rounded to nine decimals, nanoseconds to whole ones: records do not depend on the last bit of a logarithm.
    fn from(estimate: Estimate) -> Self {
        let round = |value: f64| if value > 1e6 { value.round() } else { (value * 1e9).round() / 1e9 };
        let Estimate { value, low, high, confidence } = estimate;
        Interval { value: round(value), low: round(low), high: round(high), confidence: round(confidence) }
    }
}

impl Interval {
    /// Which side of one it is surely on; equal if it holds one.
    #[must_use]
    pub fn side(&self) -> Ordering {
        match self {
            _ if self.high < 1.0 => Ordering::Less,
            _ if self.low > 1.0 => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }
}

/// Whether a run found its tree on a disk and not in memory: it fetched more than a hundredth of the tar.
#[must_use]
pub fn is_cold(usage: &Usage, tar_size: u64) -> bool {
    usage.io.is_some_and(|io| io.fetched > tar_size / 100)
}

/// How many timed runs found their tree on a disk, of how many that can tell; nothing in records that do not say it.
#[must_use]
pub fn cold(record: &Record) -> Option<(usize, usize)> {
    let tar = record.run.subject.tar_size;
    let timed = record.samples.iter().filter(|sample| sample.role == Role::Measure);
    let told: Vec<Usage> = timed.filter_map(|sample| sample.usage).filter(|usage| usage.io.is_some()).collect();
    let cold = told.iter().filter(|usage| is_cold(usage, tar)).count();
    (!told.is_empty()).then_some((cold, told.len()))
}

/// How far the packer's account of its scratch space and what was seen from outside are apart at most, in bytes, and in how many
/// timed runs by more than a hundredth or 2 MiB; nothing without such runs.
#[must_use]
pub fn accounts(record: &Record) -> Option<(u64, usize)> {
    let apart = |sample: &Sample| {
        let own = sample.pack.as_ref()?.scratch_peak;
        let apart = own.abs_diff(sample.scratch.as_ref()?.peak);
        Some((apart, apart > scratch::tolerance(own)))
    };
    let timed = record.samples.iter().filter(|sample| sample.role == Role::Measure);
    let apart: Vec<(u64, bool)> = timed.filter_map(apart).collect();
    Some((apart.iter().map(|(apart, _)| *apart).max()?, apart.iter().filter(|(_, far)| *far).count()))
}

/// The most scratch space that was seen from outside.
pub(crate) fn peak(sample: &Sample) -> u64 {
    sample.scratch.as_ref().map_or(0, |scratch| scratch.peak)
}

/// A peer beside the case of ours that does the same.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerLine {
    /// Its name.
    pub name: String,
    /// In words.
    pub title: String,
    /// Why there are no figures.
    pub missing: Option<String>,
    /// The median and the range of its times in nanoseconds, and its image's size.
    pub measured: Option<(Interval, f64, f64, u64)>,
    /// Our case, its median time, and the size of our image.
    pub ours: Option<(String, Interval, u64)>,
    /// Our median time with one thread, if that is another case.
    pub alone: Option<Interval>,
    /// The peak of memory of the largest of its processes in bytes, if that is known.
    pub memory: Option<u64>,
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

/// The comparisons of a record, in the order of its cases.
#[must_use]
pub fn comparisons(record: &Record) -> Vec<Comparison> {
    record.run.cases.iter().filter_map(|case| comparison(&record.samples, &case.name())).collect()
}

fn comparison(samples: &[Sample], case: &str) -> Option<Comparison> {
    let of = |strategy: Strategy| -> Vec<&Sample> {
        samples.iter().filter(|sample| counts(sample, case, strategy)).collect()
    };
    let (two, single) = (of(Strategy::TwoPass), of(Strategy::SingleStream));
    let pairs = pairs(&single, &two);
    Some(Comparison {
        case: case.to_owned(),
        pairs: pairs.len(),
        ratio: statistics::ratio(&pairs)?.into(),
        two_pass: arm(&two)?,
        single_stream: arm(&single)?,
    })
}

/// The times of runs that stand beside each other.
pub(crate) fn pairs(ones: &[&Sample], others: &[&Sample]) -> Vec<(f64, f64)> {
    let other = |one: &Sample| others.iter().find(|other| other.pair == one.pair).map(|other| other.wall_ns as f64);
    ones.iter().filter_map(|one| Some((one.wall_ns as f64, other(one)?))).collect()
}

/// How much a case varied while nothing was changed.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseLine {
    /// The case's name.
    pub case: String,
    /// Pairs that were measured.
    pub pairs: usize,
    /// The standard deviation of the logarithm of a pair's ratio.
    pub pair: f64,
    /// The standard deviation of the logarithm of a time, of single-stream and of two-pass.
    pub arms: [f64; 2],
    /// Half the width of the ratio's interval, as a part of the ratio.
    pub half_width: f64,
}

/// The noise of a record, in the order of its cases. A case with one pair has none.
#[must_use]
pub fn noise_lines(record: &Record) -> Vec<NoiseLine> {
    let line = |case: &crate::cases::Case| {
        let name = case.name();
        let of = |strategy: Strategy| -> Vec<&Sample> {
            record.samples.iter().filter(|sample| counts(sample, &name, strategy)).collect()
        };
        let arms = [of(Strategy::SingleStream), of(Strategy::TwoPass)];
        let pairs = pairs(&arms[0], &arms[1]);
        let ratio: Interval = statistics::ratio(&pairs)?.into();
        let spread = |samples: &[&Sample]| {
            statistics::deviation(&samples.iter().map(|sample| (sample.wall_ns as f64).ln()).collect::<Vec<_>>())
        };
        Some(NoiseLine {
            case: name.clone(),
            pairs: pairs.len(),
            pair: statistics::deviation(&pairs.iter().map(|(one, other)| (one / other).ln()).collect::<Vec<_>>())?,
            arms: [spread(&arms[0])?, spread(&arms[1])?],
            half_width: (ratio.high / ratio.low).sqrt() - 1.0,
        })
    };
    record.run.cases.iter().filter_map(line).collect()
}

/// Whether a sample is a timed run of a case.
fn counts(sample: &Sample, case: &str, strategy: Strategy) -> bool {
    sample.role == Role::Measure && sample.case == case && sample.arm == strategy.name()
}

fn arm(samples: &[&Sample]) -> Option<Arm> {
    let walls: Vec<f64> = samples.iter().map(|sample| sample.wall_ns as f64).collect();
    let usages = samples.iter().filter_map(|sample| sample.usage);
    let cpu: Vec<f64> = usages.map(|usage| (usage.user_ns + usage.system_ns) as f64).collect();
    let most = |what: fn(&Sample) -> u64| samples.iter().map(|sample| what(sample)).max().unwrap_or(0);
    let packed = |sample: &Sample| sample.pack.clone().unwrap_or_default();
    let pack_most = |what: fn(&crate::record::PackRecord) -> u64| {
        samples.iter().map(|sample| what(&packed(sample))).max().unwrap_or(0)
    };
    Some(Arm {
        wall_ns: statistics::median(&walls)?.into(),
        cpu_ns: statistics::median(&cpu)?.value as u64,
        scratch_peak: pack_most(|pack| pack.scratch_peak),
        scratch_seen: most(peak),
        bytes_written: pack_most(|pack| pack.bytes_written.image + pack.bytes_written.temporary_tar),
        bytes_read: pack_most(|pack| pack.bytes_read),
        memory: pack_most(|pack| pack.vm_hwm.unwrap_or(0)),
        image_size: most(|sample| sample.image_size),
    })
}

/// A case beside what no packer can save.
#[derive(Clone, Debug, PartialEq)]
pub struct FloorLine {
    /// The case's name.
    pub case: String,
    /// The median processor times of reading, encoding and hashing, in nanoseconds.
    pub parts: [f64; 3],
    /// Their sum divided by the threads, or the time of hashing if that is more: one hash runs on one core.
    pub floor: f64,
    /// The median time of our single stream, in nanoseconds.
    pub wall: f64,
}

/// The floors of a record, in the order of its cases.
#[must_use]
pub fn floor_lines(record: &Record) -> Vec<FloorLine> {
    let line = |case: &crate::cases::Case| {
        let name = case.name();
        let floor = |sample: &Sample| {
            let counts = sample.role == Role::Measure && sample.case == name && sample.arm == "floor";
            sample.floor.filter(|_| counts)
        };
        let floors: Vec<Floor> = record.samples.iter().filter_map(floor).collect();
        let median = |part: fn(&Floor) -> u64| {
            let values: Vec<f64> = floors.iter().map(|floor| part(floor) as f64).collect();
            Some(statistics::median(&values)?.value)
        };
        let parts = [median(|floor| floor.read_ns)?, median(|floor| floor.encode_ns)?, median(|floor| floor.hash_ns)?];
        let wall = comparison(&record.samples, &name)?.single_stream.wall_ns.value;
        let floor = (parts.iter().sum::<f64>() / case.threads as f64).max(parts[2]);
        Some(FloorLine { case: name, parts, floor, wall })
    };
    record.run.cases.iter().filter_map(line).collect()
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
        let one = |case: &&crate::cases::Case| case.compression == like && case.threads == 1;
        let name = record.run.cases.iter().find(one)?.name();
        Some(comparisons.iter().find(|comparison| comparison.case == name)?.single_stream.wall_ns)
    };
    let line = |peer: &crate::record::PeerRecord| {
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
            measured: statistics::median(&walls).map(|median| (median.into(), low, high, size)),
            ours: ours(&peer.like),
            alone: alone(&peer.like),
            memory: samples.iter().filter_map(|sample| sample.memory).max(),
        }
    };
    record.run.peers.iter().map(line).collect()
}
