//! The statistics of pairs: no assumption about the shape of the noise, and exact intervals.
//!
//! * The ratio of two arms is estimated by Hodges and Lehmann: the median of all averages of two log-ratios of pairs
//!   (*Annals of Mathematical Statistics* 34, 1963). Its interval inverts Wilcoxon's signed-rank test, whose distribution
//!   is counted, not approximated.
//! * A median's interval is between two order statistics, by the binomial distribution.
//! * A share's interval is that of Clopper and Pearson (*Biometrika* 26, 1934), which is exact as well.

use crate::record::Interval;

/// An estimate and the interval around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate itself.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// How often such an interval holds the true value: at least 0.95 if there are enough samples, otherwise the
    /// confidence of the widest interval.
    pub confidence: f64,
}

impl From<Estimate> for Interval {
    /// Ratios rounded to nine decimals, nanoseconds to whole ones: records do not depend on the last bit of a
    /// logarithm.
    fn from(estimate: Estimate) -> Self {
        let round = |value: f64| if value > 1e6 { value.round() } else { (value * 1e9).round() / 1e9 };
        let Estimate { value, low, high, confidence } = estimate;
        Interval { value: round(value), low: round(low), high: round(high), confidence: round(confidence) }
    }
}

/// The wanted confidence.
const CONFIDENCE: f64 = 0.95;

/// The ratio `numerator ÷ denominator` from pairs of positive measurements; nothing without a pair.
#[must_use]
pub fn ratio(pairs: &[(f64, f64)]) -> Option<Estimate> {
    ratio_at(pairs, CONFIDENCE)
}

/// The same as one of a family of so many ratios, whose intervals hold all their true values together with the usual confidence:
/// each misses in at most its share of the remaining cases (Bonferroni).
#[must_use]
pub fn ratio_in_family(pairs: &[(f64, f64)], family: usize) -> Option<Estimate> {
    ratio_at(pairs, 1.0 - (1.0 - CONFIDENCE) / family.max(1) as f64)
}

fn ratio_at(pairs: &[(f64, f64)], confidence: f64) -> Option<Estimate> {
    let logs: Vec<f64> = pairs.iter().map(|(numerator, denominator)| (numerator / denominator).ln()).collect();
    let shift = hodges_lehmann(&logs, confidence)?;
    Some(Estimate { value: shift.value.exp(), low: shift.low.exp(), high: shift.high.exp(), ..shift })
}

/// The second of two independent estimates divided by the first. The widths of their intervals on the scale of logarithms
/// are added as squares.
#[must_use]
pub fn quotient(first: &Interval, second: &Interval) -> Interval {
    let value = second.value / first.value;
    let distance = |interval: &Interval, end: f64| (end / interval.value).ln().powi(2);
    // It is low where the second one is low and the first one high.
    let low = (distance(second, second.low) + distance(first, first.high)).sqrt();
    let high = (distance(second, second.high) + distance(first, first.low)).sqrt();
    let confidence = first.confidence.min(second.confidence);
    Interval { value, low: value * (-low).exp(), high: value * high.exp(), confidence }
}

/// The standard deviation of a sample; nothing of fewer than two values.
#[must_use]
pub fn deviation(values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt())
}

/// The centre of a symmetric distribution: the median of the averages of all pairs of values, each with itself
/// included. The interval has at least the wanted confidence, if there are enough values.
#[must_use]
pub(crate) fn hodges_lehmann(values: &[f64], wanted: f64) -> Option<Estimate> {
    let count = values.len();
    let mut averages: Vec<f64> = (0..count)
        .flat_map(|one| (one..count).map(move |other| (one, other)))
        .map(|(one, other)| (values[one] + values[other]) / 2.0)
        .collect();
    averages.sort_by(f64::total_cmp);
    let value = middle(&averages)?;
    let (rank, confidence) = signed_rank(count, wanted);
    let (low, high) = (averages[rank], averages[averages.len() - 1 - rank]);
    Some(Estimate { value, low, high, confidence })
}

/// How many averages to leave out at each end, and the confidence that this gives.
fn signed_rank(count: usize, wanted: f64) -> (usize, f64) {
    let distribution = signed_rank_distribution(count);
    let total: f64 = distribution.iter().sum();
    let (mut tail, mut rank) = (distribution[0] / total, 0);
    // The interval between the averages `rank` and `last - rank` misses where the statistic is at most `rank`.
    while let Some(next) = distribution.get(rank + 1) {
        let longer = tail + next / total;
        if 2.0 * longer > 1.0 - wanted || 2 * (rank + 1) >= distribution.len() - 1 {
            break;
        }
        (tail, rank) = (longer, rank + 1);
    }
    (rank, (1.0 - 2.0 * tail).max(0.0))
}

/// In how many of the 2ⁿ ways of giving signs to the ranks 1…n the positive ones sum to 0, 1, 2, …
fn signed_rank_distribution(count: usize) -> Vec<f64> {
    let mut ways = vec![0.0; count * (count + 1) / 2 + 1];
    ways[0] = 1.0;
    for rank in 1..=count {
        for sum in (rank..ways.len()).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    ways
}

/// The median, with an interval between two of the values.
#[must_use]
pub fn median(values: &[f64]) -> Option<Estimate> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let value = middle(&sorted)?;
    let count = sorted.len();
    let total = 2_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let (mut choose, mut tail, mut rank) = (1.0, 1.0 / total, 0);
    loop {
        choose = choose * (count - rank) as f64 / (rank + 1) as f64;
        let longer = tail + choose / total;
        if 2.0 * longer > 1.0 - CONFIDENCE || 2 * (rank + 1) >= count {
            break;
        }
        (tail, rank) = (longer, rank + 1);
    }
    Some(Estimate { value, low: sorted[rank], high: sorted[count - 1 - rank], confidence: (1.0 - 2.0 * tail).max(0.0) })
}

/// The 95 % interval of a share, estimated from `hits` of `count`; from 0 to 1 without a trial.
#[must_use]
pub fn proportion(hits: usize, count: usize) -> (f64, f64) {
    let tail = (1.0 - CONFIDENCE) / 2.0;
    // The chance of at most so many hits falls as the share grows.
    let at_most = |most: usize, share: f64| (0..=most).map(|hits| binomial(hits, count, share)).sum::<f64>();
    let low = if hits == 0 { 0.0 } else { crossing(|share| at_most(hits - 1, share), 1.0 - tail) };
    let high = if hits == count { 1.0 } else { crossing(|share| at_most(hits, share), tail) };
    (low, high)
}

/// The chance of exactly so many hits.
fn binomial(hits: usize, count: usize, share: f64) -> f64 {
    let ways: f64 = (0..hits).map(|taken| (count - taken) as f64 / (taken + 1) as f64).product();
    ways * share.powf(hits as f64) * (1.0 - share).powf((count - hits) as f64)
}

/// Where a function that falls between 0 and 1 has this value.
fn crossing(function: impl Fn(f64) -> f64, value: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if function(middle) > value { low = middle } else { high = middle }
    }
    low
}

/// The middle of sorted values.
fn middle(sorted: &[f64]) -> Option<f64> {
    let count = sorted.len();
    match (count, count % 2) {
        (0, _) => None,
        (_, 1) => Some(sorted[count / 2]),
        _ => Some((sorted[count / 2 - 1] + sorted[count / 2]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pairs of times, as different as those of a fast machine and a slow one.
    fn pairs() -> impl Strategy<Value = Vec<(f64, f64)>> {
        proptest::collection::vec((1.0..1e3_f64, 1.0..1e3_f64), 1..20)
    }

    fn near(one: f64, other: f64) -> bool {
        (one / other - 1.0).abs() < 1e-9
    }

    proptest! {
        #[test]
        fn the_ratio_of_exchanged_arms_is_the_inverse(pairs in pairs()) {
            let there = ratio(&pairs).unwrap();
            let back = ratio(&pairs.iter().map(|(one, other)| (*other, *one)).collect::<Vec<_>>()).unwrap();
            prop_assert!(near(there.value * back.value, 1.0));
            prop_assert!(near(there.low * back.high, 1.0) && near(there.high * back.low, 1.0));
        }

        #[test]
        fn another_unit_of_time_changes_no_ratio_and_a_slower_arm_scales_it(pairs in pairs(), factor in 0.01..100.0_f64) {
            let before = ratio(&pairs).unwrap();
            let unit: Vec<_> = pairs.iter().map(|(one, other)| (one * factor, other * factor)).collect();
            let slower: Vec<_> = pairs.iter().map(|(one, other)| (one * factor, *other)).collect();
            for (after, by) in [(ratio(&unit).unwrap(), 1.0), (ratio(&slower).unwrap(), factor)] {
                prop_assert!(near(after.value, before.value * by));
                prop_assert!(near(after.low, before.low * by) && near(after.high, before.high * by));
            }
        }

        #[test]
        fn an_interval_holds_its_estimate_and_that_of_a_larger_family_holds_the_interval(pairs in pairs(), family in 1..9_usize) {
            let [alone, inside, outside] =
                [1, family, family + 1].map(|family| ratio_in_family(&pairs, family).unwrap());
            prop_assert_eq!(alone, ratio(&pairs).unwrap());
            prop_assert!(alone.low <= alone.value && alone.value <= alone.high);
            prop_assert!(outside.low <= inside.low && inside.high <= outside.high);
            prop_assert!(outside.confidence >= inside.confidence);
        }

        #[test]
        fn the_order_of_the_pairs_does_not_matter(pairs in pairs()) {
            let mut turned = pairs.clone();
            turned.reverse();
            prop_assert_eq!(ratio(&pairs), ratio(&turned));
        }
    }

    #[test]
    fn widths_are_added_as_squares_of_logarithms() {
        let interval = |value, low, high| Interval { value, low, high, confidence: 0.95 };
        let sure = interval(2.0, 2.0, 2.0);
        let wide = interval(1.0, 0.5, 2.0);
        let of = |first: &Interval, second: &Interval| {
            let Interval { value, low, high, .. } = quotient(first, second);
            [value, low, high].map(|value| (value * 1e6).round() / 1e6)
        };
        assert_eq!(of(&sure, &sure), [1.0, 1.0, 1.0]);
        assert_eq!(of(&sure, &wide), [0.5, 0.25, 1.0]);
        assert_eq!(of(&wide, &sure), [2.0, 1.0, 4.0]);
        let both = 2_f64.powf(2_f64.sqrt());
        assert_eq!(of(&wide, &wide), [1.0, 1.0 / both, both].map(|value| (value * 1e6).round() / 1e6));
        // Skewed intervals stay so, inverted.
        assert_eq!(of(&interval(1.0, 0.9, 1.5), &interval(1.0, 1.0, 1.0)), [1.0, 0.666_667, 1.111_111]);
    }

    #[test]
    fn a_deviation_is_of_the_sample() {
        assert_eq!(deviation(&[]), None);
        assert_eq!(deviation(&[1.0]), None);
        assert_eq!(deviation(&[3.0, 3.0, 3.0]), Some(0.0));
        assert_eq!(deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), Some((32.0_f64 / 7.0).sqrt()));
    }

    /// Critical values of the two-sided signed-rank test at 5 %, as every printed table has them (for instance Wilcoxon
    /// and Wilcox 1964): the statistic is significant up to this value.
    #[test]
    fn ranks_agree_with_the_published_table() {
        let critical = [0, 2, 3, 5, 8, 10, 13, 17, 21, 25, 29, 34, 40, 46, 52];
        for (count, critical) in (6..).zip(critical) {
            let (rank, confidence) = signed_rank(count, CONFIDENCE);
            assert_eq!(rank, critical, "{count} pairs");
            assert!(confidence >= 0.95, "{count} pairs: {confidence}");
        }
    }

    #[test]
    fn too_few_pairs_say_what_they_are_worth() {
        for (count, confidence) in [(1, 0.0), (2, 0.5), (3, 0.75), (4, 0.875), (5, 0.9375)] {
            assert_eq!(signed_rank(count, CONFIDENCE), (0, confidence));
        }
        assert_eq!(hodges_lehmann(&[], CONFIDENCE), None);
    }

    /// 0 of 40 and 10 of 10 in closed form, 1 of 10 and 9 of 10 as tables have them (0.0025 to 0.4450).
    #[test]
    fn the_interval_of_a_share_is_exact() {
        let near = |(low, high): (f64, f64), expected: (f64, f64)| {
            assert!(
                (low - expected.0).abs() < 5e-5 && (high - expected.1).abs() < 5e-5,
                "{low} {high}, not {expected:?}"
            );
        };
        near(proportion(0, 0), (0.0, 1.0));
        near(proportion(0, 40), (0.0, 1.0 - 0.025_f64.powf(1.0 / 40.0)));
        near(proportion(10, 10), (0.025_f64.powf(1.0 / 10.0), 1.0));
        near(proportion(1, 10), (0.0025, 0.4450));
        near(proportion(9, 10), (0.5550, 0.9975));
    }

    /// Of 12 values, the interval for the median is between the third from below and the third from above (97.9 → 96.1
    /// %).
    #[test]
    fn the_interval_of_a_median_is_between_order_statistics() {
        let values: Vec<f64> = (1..=12).map(f64::from).collect();
        let estimate = median(&values).unwrap();
        assert_eq!((estimate.value, estimate.low, estimate.high), (6.5, 3.0, 10.0));
        assert!((estimate.confidence - 0.9614).abs() < 0.001, "{}", estimate.confidence);
    }

    #[test]
    fn a_ratio_that_is_always_the_same_is_found() {
        let pairs: Vec<(f64, f64)> = (1..=12).map(|time| (f64::from(time) * 0.8, f64::from(time))).collect();
        let estimate = ratio(&pairs).unwrap();
        assert!((estimate.value - 0.8).abs() < 1e-9 && (estimate.high - estimate.low).abs() < 1e-9);
    }

    /// 2,000 trials of 12 pairs with a true ratio of 1: the intervals miss it about as often as their confidence
    /// allows.
    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let mut random = fixtures::Random::new(7);
        let mut held = 0;
        for _ in 0..2_000 {
            let values: Vec<f64> = (0..12).map(|_| (0..6).map(|_| random.uniform() - 0.5).sum::<f64>()).collect();
            let estimate = hodges_lehmann(&values, CONFIDENCE).unwrap();
            held += usize::from(estimate.low <= 0.0 && 0.0 <= estimate.high);
        }
        assert!((1_880..=1_960).contains(&held), "{held} of 2000");
    }
}
