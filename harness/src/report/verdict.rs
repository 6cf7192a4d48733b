//! The verdict: sentences that follow from the figures.

use std::cmp::Ordering;

use super::claim_2019;
use super::pipelines::short;
use crate::format::bytes;
use crate::plan::PeerKind;
use crate::record::{Record, Role, StrategyComparison};
use crate::stats::{self, comparisons, peer_lines};

/// The verdict, most important first.
pub(super) fn sentences(record: &Record) -> Vec<String> {
    let broken: Vec<&str> =
        record.run.checks.iter().filter(|check| !check.holds).map(|check| check.law.as_str()).collect();
    let measured = record.samples.iter().any(|sample| sample.role == Role::Measure);
    if !broken.is_empty() && !measured {
        return vec![format!("FAILED, and nothing was measured. What does not hold: {}.", broken.join("; "))];
    }
    if !record.run.complete {
        return vec!["INCOMPLETE: this run was cut short; what it measured until then is below.".into()];
    }
    let comparisons = comparisons(record);
    let piped: Vec<&StrategyComparison> = comparisons.iter().filter(|found| !found.case.starts_with("none")).collect();
    let mut sentences = vec![if broken.is_empty() {
        format!(
            "One fingerprint: both strategies made the same image, byte for byte, for every compression and number of threads; \
             all {} laws that were checked hold.",
            record.run.checks.len()
        )
    } else {
        format!(
            "FAILED after the runs were measured. What does not hold: {}. The figures below are those of the runs as they were.",
            broken.join("; ")
        )
    }];
    sentences.extend(disk(&piped));
    sentences.extend(time(record, &piped));
    sentences.extend(unjudged(record));
    sentences.extend(claim_2019::sentence(record));
    sentences.extend(others(record));
    sentences
}

pub(super) fn disk(comparisons: &[&StrategyComparison]) -> Option<String> {
    let widest = comparisons.iter().max_by_key(|found| found.two_pass.scratch_peak)?;
    let (two, single) = (widest.two_pass.scratch_peak, widest.single_stream.scratch_peak);
    let share = |found: &&&StrategyComparison| {
        100.0 * (1.0 - found.single_stream.scratch_peak as f64 / found.two_pass.scratch_peak as f64)
    };
    let shares: Vec<f64> = comparisons.iter().map(|found| share(&found)).collect();
    Some(format!(
        "Disk: one stream needs no more than the image itself. Two passes also need the whole tar: {} instead of {} with {}. \
         That is {} less.",
        bytes(two),
        bytes(single),
        widest.case,
        range(&shares)
    ))
}

fn time(record: &Record, comparisons: &[&StrategyComparison]) -> Option<String> {
    let sure = |found: &&&StrategyComparison| found.ratio.confidence >= 0.95;
    let percent = |found: &&StrategyComparison| 100.0 * (1.0 - found.ratio.value);
    let faster: Vec<f64> =
        comparisons.iter().filter(sure).filter(|found| found.ratio.high < 1.0).map(percent).collect();
    let slower: Vec<&str> = comparisons
        .iter()
        .filter(sure)
        .filter(|found| found.ratio.low > 1.0)
        .map(|found| found.case.as_str())
        .collect();
    let open: Vec<&str> = comparisons
        .iter()
        .filter(|found| !sure(found) || (found.ratio.low <= 1.0 && found.ratio.high >= 1.0))
        .map(|found| found.case.as_str())
        .collect();
    let mut text = match faster.len() {
        0 => "Time: of the cases that compress, there is none in which one stream is surely faster.".to_owned(),
        count => {
            format!(
                "Time: one stream is faster in {count} of the {} cases that compress, by {}; the 95 % interval of each excludes 1; of \
                 intervals that hold all together with 95 %, {}.",
                comparisons.len(),
                range(&faster),
                jointly(record, comparisons)
            )
        }
    };
    if !slower.is_empty() {
        text += &format!(" It is slower in: {}.", slower.join(", "));
    }
    if !open.is_empty() {
        text += &format!(" Undecided, because the interval holds 1 or there are too few pairs: {}.", open.join(", "));
    }
    (!comparisons.is_empty()).then_some(text)
}

/// Says so if nothing of the run could hold or break the claim.
fn unjudged(record: &Record) -> Option<String> {
    let is_judged = record.run.checks.iter().any(|check| check.law.starts_with(stats::MUST_BE_FASTER));
    // Older records judged nothing.
    let is_old = record.samples.iter().all(|sample| sample.conditions.is_none());
    (!is_judged && !is_old).then(|| {
        "The claim was not judged: that takes six pairs or more of zstd:3 with more than one thread.".to_owned()
    })
}

/// In how many cases one stream is faster by intervals that hold together.
fn jointly(record: &Record, comparisons: &[&StrategyComparison]) -> String {
    let cases: Vec<&str> = comparisons.iter().map(|found| found.case.as_str()).collect();
    let family = stats::family(record, &cases);
    // Rounded as records are.
    let wanted = 1.0 - 0.05 / cases.len().max(1) as f64 - 1e-9;
    if family.iter().any(|ratio| ratio.confidence < wanted) {
        return "there are too few pairs to say".into();
    }
    match family.iter().filter(|ratio| ratio.side() == Ordering::Less).count() {
        0 => "none does".into(),
        count => format!("{count} do"),
    }
}

/// Ours beside the pipelines at their best, with all threads on both sides and with one.
fn others(record: &Record) -> Option<String> {
    let told: Vec<String> = peer_lines(record)
        .into_iter()
        .filter(|line| line.peer.kind() == PeerKind::Pipeline)
        .filter_map(|line| {
            let one = line.one.map_or_else(String::new, |one| format!(", with one thread {}", one.ratio.factor()));
            Some(format!("{} as fast as `{}`{one}", line.all?.ratio.factor(), short(&line.peer.title)))
        })
        .collect();
    (!told.is_empty()).then(|| format!("Other tools: onepass in one stream, with all cores, is {}.", told.join("; ")))
}

/// `30 %` or `11 to 34 %`.
fn range(percents: &[f64]) -> String {
    let low = percents.iter().copied().fold(f64::MAX, f64::min).round();
    let high = percents.iter().copied().fold(f64::MIN, f64::max).round();
    if (high - low).abs() < 0.5 { format!("{low:.0} %") } else { format!("{low:.0} to {high:.0} %") }
}
