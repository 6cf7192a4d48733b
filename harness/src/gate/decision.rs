//! The decision about time, from a batch of pairs or two.
//!
//! A batch is *suspect* if its whole interval is above the margin, however wide it is. With a narrow interval it is suspect if its
//! ratio is above the margin and 1 outside the interval. It is *fine* if its whole interval is below the margin, or if it is narrow.
//! Otherwise it is *wide*, even after it was extended. A suspect batch needs a fresh one, and only two suspect batches are a
//! regression: neither chance nor one bad minute lasts for two. There is
//! never a third.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::Interval;

/// Pairs of a batch. One whose interval is too wide is extended by as many, once: on a busy machine 7 of 55 batches
/// were wider than
/// [`WIDEST`], the widest ±10.6 %, and twice as many pairs are 1.4 times narrower.
pub const PAIRS: usize = 12;

/// The margin: the candidate may take as many times as long as the base. Losses below it add up: the base of `main` is the
/// accepted revision, which stays until somebody accepts another.
pub const MARGIN: f64 = 1.10;

/// The widest interval that something follows from: half of its width, as a share of the ratio.
pub const WIDEST: f64 = 0.08;

/// The verdict on one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchVerdict {
    /// Nothing is wrong.
    Fine,
    /// It is slower.
    Suspect,
    /// The interval is too wide to judge.
    Wide,
}

/// The decision about one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It is not slower.
    Passed,
    /// It is slower, twice.
    Slower,
    /// The intervals are too wide to judge.
    Inconclusive,
    /// A batch that was needed did not fit the time limit.
    OutOfTime,
}

/// Half the width of the interval of a ratio, as a share of it.
#[must_use]
pub fn half_width(ratio: &Interval) -> f64 {
    (ratio.high / ratio.low).sqrt() - 1.0
}

/// Whether something follows from a ratio: its interval is a 95 % one, and not too wide.
#[must_use]
pub fn is_narrow(ratio: &Interval) -> bool {
    ratio.confidence >= 0.95 && half_width(ratio) <= WIDEST
}

/// Looks at the ratio of a batch: time of the candidate ÷ time of the base.
#[must_use]
pub fn judge_batch(ratio: &Interval) -> BatchVerdict {
    let (is_sure, is_narrow) = (ratio.confidence >= 0.95, is_narrow(ratio));
    if is_sure && ratio.low > MARGIN || is_narrow && ratio.value > MARGIN && ratio.low > 1.0 {
        BatchVerdict::Suspect
    } else if is_narrow || is_sure && ratio.high < MARGIN {
        BatchVerdict::Fine
    } else {
        BatchVerdict::Wide
    }
}

/// The decision that the batches allow; `None` if a fresh one is needed.
#[must_use]
pub fn decide(batch_verdicts: &[BatchVerdict]) -> Option<Decision> {
    match batch_verdicts {
        [] | [BatchVerdict::Suspect] => None,
        [.., BatchVerdict::Wide] => Some(Decision::Inconclusive),
        [.., BatchVerdict::Fine] => Some(Decision::Passed),
        [.., BatchVerdict::Suspect] => Some(Decision::Slower),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(value: f64, half: f64) -> Interval {
        Interval { value, low: value / (1.0 + half), high: value * (1.0 + half), confidence: 0.95 }
    }

    #[test]
    fn a_batch_is_suspect_only_beyond_the_margin_and_beyond_chance() {
        for (value, half, found) in [
            (1.00, 0.03, BatchVerdict::Fine),
            (1.09, 0.03, BatchVerdict::Fine),
            (1.11, 0.03, BatchVerdict::Suspect),
            (0.60, 0.03, BatchVerdict::Fine),
            (1.11, 0.081, BatchVerdict::Wide),
            // A wide interval on one side of the margin.
            (2.00, 0.20, BatchVerdict::Suspect),
            (0.50, 0.20, BatchVerdict::Fine),
        ] {
            assert_eq!(judge_batch(&interval(value, half)), found, "{value} ± {half}");
        }
        // Beyond the margin, but the interval holds 1.
        let chance = Interval { value: 1.12, low: 0.99, high: 1.14, confidence: 0.95 };
        assert_eq!(judge_batch(&chance), BatchVerdict::Fine);
        for value in [0.5, 1.2, 2.0] {
            let few_pairs = Interval { confidence: 0.94, ..interval(value, 0.01) };
            assert_eq!(judge_batch(&few_pairs), BatchVerdict::Wide);
        }
    }

    #[test]
    fn one_suspect_batch_asks_for_another_and_two_are_slower() {
        use BatchVerdict::{Fine, Suspect, Wide};
        for (batch_verdicts, expected) in [
            (&[][..], None),
            (&[Fine], Some(Decision::Passed)),
            (&[Wide], Some(Decision::Inconclusive)),
            (&[Suspect], None),
            (&[Suspect, Fine], Some(Decision::Passed)),
            (&[Suspect, Wide], Some(Decision::Inconclusive)),
            (&[Suspect, Suspect], Some(Decision::Slower)),
        ] {
            assert_eq!(decide(batch_verdicts), expected, "{batch_verdicts:?}");
        }
    }
}
