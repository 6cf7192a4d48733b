//! The claim as a check of its own: one stream takes less time than two passes.
//!
//! It must be faster where compressing is quick and the tar is a large part of the work: zstd at its default level, on more than one
//! thread. With slow codecs or one thread the gain is small, and a run may be unable to tell; there it must not be surely slower.

use std::cmp::Ordering;

use packer::Compression;

use crate::plan::Case;
use crate::record::{Check, StrategyComparison};

/// The beginning of the law that a run must break to refute the claim.
pub const MUST_BE_FASTER: &str = "one stream is faster, at 95 %";

/// Judges the claim by the comparisons of these cases. Intervals below 95 %, as a few pairs give, judge nothing.
#[must_use]
pub fn claims(cases: &[Case], comparisons: &[StrategyComparison]) -> Vec<Check> {
    let compared = |case: &Case| comparisons.iter().find(|found| found.case == case.name());
    let judged = |case: &&Case| compared(case).is_some_and(|found| found.ratio.confidence >= 0.95);
    let compressing: Vec<&Case> = cases.iter().filter(|case| case.compression != "none").filter(judged).collect();
    let (faster, others): (Vec<&Case>, Vec<&Case>) = compressing.into_iter().partition(|case| must_be_faster(case));
    let check = |law: &str, cases: Vec<&Case>, holds: fn(Ordering) -> bool| {
        let found: Vec<&StrategyComparison> = cases.into_iter().filter_map(compared).collect();
        let detail: Vec<String> = found.iter().map(|found| told(found)).collect();
        (!found.is_empty()).then(|| Check {
            law: law.into(),
            holds: found.iter().all(|found| holds(found.ratio.side())),
            detail: detail.join("; "),
        })
    };
    let must = check(&format!("{MUST_BE_FASTER}, where it must be"), faster, |side| side == Ordering::Less);
    let may = check("one stream is slower, at 95 %, in no other case", others, |side| side != Ordering::Greater);
    must.into_iter().chain(may).collect()
}

fn must_be_faster(case: &Case) -> bool {
    case.compression == Compression::ZSTD.to_string() && case.threads > 1
}

fn told(found: &StrategyComparison) -> String {
    format!("{}: {}", found.case, found.ratio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Arm, Interval};

    fn judged(name: &str, threads: usize, [low, high]: [f64; 2], confidence: f64) -> Vec<bool> {
        let case = Case { compression: name.into(), threads };
        let interval = |value| Interval { value, low: value, high: value, confidence };
        let arm = Arm {
            wall_ns: interval(1e9),
            cpu_ns: 0,
            scratch_peak: 0,
            scratch_seen: 0,
            bytes_written: 0,
            bytes_read: 0,
            memory: 0,
            image_size: 0,
        };
        let ratio = Interval { value: f64::midpoint(low, high), low, high, confidence };
        let found =
            StrategyComparison { case: case.name(), pairs: 12, ratio, two_pass: arm.clone(), single_stream: arm };
        claims(&[case], &[found]).iter().map(|check| check.holds).collect()
    }

    #[test]
    fn zstd_on_several_threads_must_be_faster_and_the_others_not_slower() {
        let (faster, undecided, slower) = ([0.8, 0.9], [0.95, 1.02], [1.01, 1.1]);
        for (name, threads, holds) in [
            ("zstd:3", 2, [true, false, false]),
            ("zstd:3", 1, [true, true, false]),
            ("gzip:5", 2, [true, true, false]),
        ] {
            let found = [faster, undecided, slower].map(|ends| judged(name, threads, ends, 0.95));
            assert_eq!(found, holds.map(|holds| vec![holds]), "{name} {threads}");
        }
        assert_eq!(judged("none", 2, slower, 0.95), Vec::<bool>::new(), "without compression both are the same pass");
        assert_eq!(judged("zstd:3", 2, slower, 0.5), Vec::<bool>::new(), "two pairs judge nothing");
    }
}
