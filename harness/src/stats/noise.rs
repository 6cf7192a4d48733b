//! How much times vary while nothing is changed.

use packer::Strategy;

use super::comparison::{counts, pairs};
use super::estimate;
use crate::plan::Case;
use crate::record::{Interval, Record, Sample};

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
    let line = |case: &Case| {
        let name = case.name();
        let of = |strategy: Strategy| -> Vec<&Sample> {
            record.samples.iter().filter(|sample| counts(sample, &name, strategy)).collect()
        };
        let arms = [of(Strategy::SingleStream), of(Strategy::TwoPass)];
        let pairs = pairs(&arms[0], &arms[1]);
        let ratio: Interval = estimate::ratio(&pairs)?.into();
        let spread = |samples: &[&Sample]| {
            estimate::deviation(&samples.iter().map(|sample| (sample.wall_ns as f64).ln()).collect::<Vec<_>>())
        };
        Some(NoiseLine {
            case: name.clone(),
            pairs: pairs.len(),
            pair: estimate::deviation(&pairs.iter().map(|(one, other)| (one / other).ln()).collect::<Vec<_>>())?,
            arms: [spread(&arms[0])?, spread(&arms[1])?],
            half_width: (ratio.high / ratio.low).sqrt() - 1.0,
        })
    };
    record.run.cases.iter().filter_map(line).collect()
}
