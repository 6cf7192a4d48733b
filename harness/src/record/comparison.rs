//! The two strategies side by side, as records keep them.

use std::cmp::Ordering;
use std::fmt;

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

    /// A factor: `3.4× [3.2, 3.6]`.
    #[must_use]
    pub fn factor(&self) -> String {
        self.text("×")
    }

    /// The estimate and its ends, with three digits if the interval is no wider than ±5 of the third, and with two otherwise;
    /// with one more where an end would be rounded to 1, and it could not be seen who is faster.
    #[must_use]
    pub fn digits(&self) -> [String; 3] {
        let magnitude = self.value.log10().floor();
        let third = 10_f64.powf(magnitude - 2.0);
        let digits = if (self.high - self.low) / 2.0 <= 5.0 * third { 2.0 } else { 1.0 };
        let decimals = (digits - magnitude).clamp(0.0, 9.0) as usize;
        let rounded =
            |value: f64, decimals: usize| (value * 10_f64.powf(decimals as f64)).round() / 10_f64.powf(decimals as f64);
        let hides =
            |end: f64| (rounded(end, decimals) - 1.0).abs() < 1e-9 && (rounded(end, decimals + 1) - 1.0).abs() > 1e-9;
        let decimals = if hides(self.low) || hides(self.high) { decimals + 1 } else { decimals };
        [self.value, self.low, self.high].map(|value| format!("{value:.decimals$}"))
    }

    fn text(&self, unit: &str) -> String {
        let [value, low, high] = self.digits();
        let sure = if self.confidence >= 0.95 { String::new() } else { format!(" ({:.0} %)", self.confidence * 100.0) };
        format!("{value}{unit} [{low}, {high}]{sure}")
    }
}

/// `0.89 [0.86, 0.92]`, with the confidence if it is not 95 %.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_sure_at_95_percent_only() {
        let side = |low, high, confidence| Interval { value: f64::midpoint(low, high), low, high, confidence }.side();
        for (low, high, found) in
            [(0.8, 0.9, Ordering::Less), (0.9, 1.1, Ordering::Equal), (1.1, 1.2, Ordering::Greater)]
        {
            assert_eq!(side(low, high, 0.95), found);
            assert_eq!(side(low, high, 0.94), Ordering::Equal);
        }
    }

    #[test]
    fn three_digits_stand_only_where_the_interval_carries_them() {
        for ([value, low, high], expected) in [
            ([3.4123, 3.2, 3.6], "3.4× [3.2, 3.6]"),
            ([3.4123, 3.39, 3.44], "3.41× [3.39, 3.44]"),
            ([0.9312, 0.901, 0.966], "0.93× [0.90, 0.97]"),
            ([0.9312, 0.929, 0.933], "0.931× [0.929, 0.933]"),
            ([1.04, 1.01, 1.13], "1.04× [1.01, 1.13]"),
            ([1.24, 1.004, 1.43], "1.2× [1.0, 1.4]"),
            ([71.9, 60.0, 80.0], "72× [60, 80]"),
            ([71.94, 71.7, 72.1], "71.9× [71.7, 72.1]"),
            ([719.4, 719.0, 720.0], "719× [719, 720]"),
        ] {
            let ratio = Interval { value, low, high, confidence: 0.95 };
            assert_eq!(ratio.factor(), expected);
            assert_eq!(ratio.to_string(), expected.replace('×', ""));
        }
        let unsure = Interval { value: 2.0, low: 1.0, high: 3.0, confidence: 0.75 };
        assert_eq!(unsure.factor(), "2.0× [1.0, 3.0] (75 %)");
    }
}
