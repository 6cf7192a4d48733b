//! The two strategies side by side, as records keep them.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two-pass against single-stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StrategyComparison {
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// From.
    pub low: f64,
    /// To.
    pub high: f64,
    /// How often such an interval holds the true value.
    pub confidence: f64,
}

impl Interval {
    /// Which side of one it is surely on; equal if it holds one, or if its confidence is below 95 %.
    #[must_use]
    pub fn side(&self) -> Ordering {
        match self {
            _ if self.confidence < 0.95 => Ordering::Equal,
            _ if self.high < 1.0 => Ordering::Less,
            _ if self.low > 1.0 => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }
}
