//! The claim of 2019 about packing in one stream, beside the measurements.
//!
//! The change to LXD that made packing one stream (canonical/lxd, pull request 5471, February 2019) reports an image of
//! 1.4 GB that took 4 minutes 10 instead of 4 minutes 40, and 2.6 GB less space, which was the tar.

use super::tables::Table;
use crate::format::{bytes, change};
use crate::record::{Interval, Record, Role, Sample, StrategyComparison};
use crate::stats::{self, comparisons, pairs};

/// The source of the claim, and what is measured beside it.
pub(super) fn source(record: &Record) -> String {
    let pairs = if is_older(&record.samples) { "pairs of the same round" } else { "adjacent pairs" };
    format!(
        "Said of the change that made LXD pack in one stream (canonical/lxd, pull request 5471, 2019): an image of 1.4 GB in 4 \
         min 10 s instead of 4 min 40 s, and 2.6 GB less space, which is the tar. Measured: of other tools, the two pipelines \
         that stand for LXD before and after it, as {pairs}; of onepass, both strategies. A claim is reproduced if the interval \
         holds it and is narrower than what it says is saved; onepass's two passes are parallel, too, which those of 2019 were not."
    )
}

/// Whether a record is from before peers were paired.
fn is_older(samples: &[Sample]) -> bool {
    samples.iter().all(|sample| sample.threads.is_none())
}

/// The claimed time of one stream ÷ time of two passes: 250 s of 280 s.
const TIME: f64 = 250.0 / 280.0;

/// The pipelines that stand for LXD after the change and before.
const PIPELINES: [&str; 2] = ["pipe-gzip", "files-gzip"];

/// A ratio beside the claim, in words.
fn told(ratio: &Interval) -> &'static str {
    match ratio {
        _ if ratio.confidence < 0.95 => "too few runs to say",
        _ if ratio.high < TIME => "more is saved",
        _ if ratio.low <= TIME && ratio.high < 1.0 && ratio.high - ratio.low < 1.0 - TIME => "reproduced",
        _ if ratio.low <= TIME && ratio.high < 1.0 => "something is saved; how much is too uncertain",
        _ if ratio.high < 1.0 => "something is saved, but less",
        _ if ratio.low <= TIME => "cannot be told",
        _ if ratio.low > 1.0 => "nothing is saved",
        _ => "less, if anything, is saved",
    }
}

/// The ratio of the pipelines, from adjacent runs; in older records from runs of the same round.
fn pipelines(samples: &[Sample]) -> Option<Interval> {
    let [stream, files] = PIPELINES;
    let of = |name: &str, beside: Option<&str>| -> Vec<&Sample> {
        let is_its = |sample: &&Sample| {
            sample.role == Role::Measure
                && sample.arm == "peer"
                && sample.case == name
                && sample.beside.as_deref() == beside
        };
        samples.iter().filter(is_its).collect()
    };
    let adjacent = pairs(&of(stream, Some(files)), &of(files, Some(stream)));
    let ratio = if is_older(samples) {
        stats::ratio(&pairs(&of(stream, None), &of(files, None)))
    } else {
        stats::ratio(&adjacent)
    };
    ratio.map(Interval::from)
}

/// Each ratio that the claim on time is about: gzip, as it was then.
fn times(record: &Record) -> Vec<(String, Interval)> {
    let theirs = pipelines(&record.samples).map(|ratio| ("tar and gzip".to_owned(), ratio));
    let ours = comparisons(record).into_iter().filter(|comparison| comparison.case.starts_with("gzip"));
    theirs
        .into_iter()
        .chain(ours.map(|comparison| (format!("onepass {}", comparison.case), comparison.ratio)))
        .collect()
}

/// The least and the most disk space that one stream saves; `None` if nothing is compressed.
fn space(record: &Record) -> Option<(u64, u64)> {
    let saved = |comparison: StrategyComparison| {
        comparison.two_pass.scratch_peak.saturating_sub(comparison.single_stream.scratch_peak)
    };
    let compressed = comparisons(record).into_iter().filter(|comparison| !comparison.case.starts_with("none"));
    let saved: Vec<u64> = compressed.map(saved).collect();
    Some((saved.iter().min().copied()?, saved.iter().max().copied()?))
}

/// Whether both ends are the tar, give or take a hundredth.
fn is_the_tar((least, most): (u64, u64), tar: u64) -> bool {
    least >= tar - tar / 100 && most <= tar + tar / 100
}

/// The claims beside the figures; `None` if gzip was not measured.
pub(super) fn table(record: &Record) -> Option<Table> {
    let times = times(record);
    let mut rows: Vec<[String; 4]> = times
        .iter()
        .map(|(what, ratio)| {
            [format!("{what}: time ÷ that of two passes"), format!("{TIME:.3}"), ratio.to_string(), told(ratio).into()]
        })
        .collect();
    if let Some(saved) = space(record) {
        let tar = record.run.subject.tar_size;
        let found = if bytes(saved.0) == bytes(saved.1) {
            bytes(saved.0)
        } else {
            format!("{} to {}", bytes(saved.0), bytes(saved.1))
        };
        let verdict = if is_the_tar(saved, tar) { "reproduced" } else { "NOT the tar" };
        rows.push(["space saved".into(), format!("the tar: {}", bytes(tar)), found, verdict.into()]);
    }
    (!times.is_empty()).then(|| Table::new(["", "said", "found", ""], rows))
}

/// The same in one sentence.
pub(super) fn sentence(record: &Record) -> Option<String> {
    let times = times(record);
    let told: Vec<String> = times
        .iter()
        .map(|(what, ratio)| {
            format!("{what} {} [{}, {}], {}", change(ratio.value), change(ratio.low), change(ratio.high), told(ratio))
        })
        .collect();
    let space = match space(record).map(|saved| is_the_tar(saved, record.run.subject.tar_size)) {
        Some(true) => "the space is reproduced",
        Some(false) => "the space is NOT reproduced",
        None => return None,
    };
    (!told.is_empty()).then(|| {
        format!(
            "The claim of 2019, {} of the time and the tar in space: {space}; of the time, {}.",
            change(TIME),
            told.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_reproduced_where_a_narrow_interval_holds_it() {
        for ([low, high], expected) in [
            ([0.85, 0.91], "reproduced"),
            ([0.86, 0.96], "reproduced"),
            ([0.80, 0.95], "something is saved; how much is too uncertain"),
            ([0.70, 0.75], "more is saved"),
            ([0.95, 0.97], "something is saved, but less"),
            ([0.88, 1.02], "cannot be told"),
            ([0.97, 1.02], "less, if anything, is saved"),
            ([1.01, 1.02], "nothing is saved"),
        ] {
            let ratio = |confidence| Interval { value: f64::midpoint(low, high), low, high, confidence };
            assert_eq!(told(&ratio(0.95)), expected, "{low} {high}");
            assert_eq!(told(&ratio(0.75)), "too few runs to say");
        }
    }

    #[test]
    fn the_space_is_the_tar_or_it_is_not() {
        for (saved, expected) in
            [((1000, 1000), true), ((990, 1010), true), ((980, 1000), false), ((1000, 1020), false)]
        {
            assert_eq!(is_the_tar(saved, 1000), expected, "{saved:?}");
        }
    }
}
