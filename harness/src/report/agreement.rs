//! Whether two recorded runs of different trees lead to the same conclusions, as a fixture and its real tree should.
//!
//! Only the side of one that a ratio is on is compared: a faster arm stays faster, by any amount. Two intervals that
//! overlap do not contradict each other, even if only one of them holds one. Sizes have no noise; they have to be near.

use std::cmp::Ordering;

use super::tables::Table;
use crate::record::{Interval, PeerComparison, Record, StrategyComparison};
use crate::stats::{comparisons, peer_lines};

/// How far a size may be from that of the other tree, as a part of it.
const NEAR: f64 = 0.05;

/// The agreement of two runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Differences of machine or revision, and figures of one run only, in sentences.
    pub remarks: Vec<String>,
    /// Each ratio in both runs, and the conclusion.
    pub table: Table,
    /// The conclusion of each row.
    pub verdicts: Vec<Conclusion>,
}

/// The conclusion from one ratio in two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// The same conclusion, and no difference between the two was seen.
    Same,
    /// The same conclusion, by another amount.
    Apart,
    /// Too few runs, or one that decides where the other does not and contradicts nothing.
    Open,
    /// Another conclusion.
    Differs,
}

/// A question that both runs answer: its name, the two answers as text, and the verdict.
type Row = ([String; 3], Conclusion);

impl Agreement {
    /// Puts the conclusions of two runs side by side.
    #[must_use]
    pub fn new(first: &Record, second: &Record) -> Self {
        let mut remarks = remarks(first, second);
        let cases = [first, second].map(comparisons);
        let (cases, alone) = both(&cases, |case| case.case.clone());
        remarks.extend(alone);
        let mut rows: Vec<Row> = cases.iter().map(|(one, other)| time(one, other)).collect();
        rows.extend(cases.iter().map(|(one, other)| disk(one, other)));
        let tars = [first, second].map(|record| record.run.subject.tar_size as f64);
        rows.extend(cases.iter().map(|(one, other)| image(one, other, tars)));
        let peers = [first, second]
            .map(|record| peer_lines(record).into_iter().filter_map(|line| line.all).map(beside).collect::<Vec<_>>());
        let (peers, alone) = both(&peers, |(name, _)| name.clone());
        remarks.extend(alone);
        rows.extend(peers.iter().map(|((name, one), (_, other))| row(name.clone(), one, other)));
        let verdicts = rows.iter().map(|(_, verdict)| *verdict).collect();
        let rows = rows.into_iter().map(|([what, one, other], verdict)| [what, one, other, verdict.text().into()]);
        Agreement { remarks, table: Table::new(["", "first", "second", "conclusion"], rows.collect()), verdicts }
    }

    /// Whether at least one conclusion was compared, and none differs.
    #[must_use]
    pub fn agree(&self) -> bool {
        let decided = |verdict: &Conclusion| matches!(verdict, Conclusion::Same | Conclusion::Apart);
        !self.differ() && self.verdicts.iter().any(decided)
    }

    /// Whether one differs.
    #[must_use]
    pub fn differ(&self) -> bool {
        self.verdicts.contains(&Conclusion::Differs)
    }
}

impl Conclusion {
    fn text(self) -> &'static str {
        match self {
            Conclusion::Same => "same",
            Conclusion::Apart => "same, by another amount",
            Conclusion::Open => "cannot be told",
            Conclusion::Differs => "DIFFERS",
        }
    }

    /// Of two ratios of times.
    fn of_times(one: &Interval, other: &Interval) -> Self {
        let overlap = one.low <= other.high && other.low <= one.high;
        if one.confidence < 0.95 || other.confidence < 0.95 {
            Conclusion::Open
        } else if one.side() != other.side() {
            if overlap { Conclusion::Open } else { Conclusion::Differs }
        } else if one.side() == Ordering::Equal {
            // Two that say nothing say nothing in common.
            Conclusion::Open
        } else if overlap {
            Conclusion::Same
        } else {
            Conclusion::Apart
        }
    }

    /// Of two ratios of sizes.
    fn of_sizes(one: f64, other: f64) -> Self {
        if (other / one - 1.0).abs() <= NEAR { Conclusion::Same } else { Conclusion::Differs }
    }
}

fn remarks(first: &Record, second: &Record) -> Vec<String> {
    let mut remarks = Vec::new();
    let [one, other] = [first, second].map(|record| &record.run.environment);
    for (what, one, other) in
        [("machines", one.class(), other.class()), ("revisions", one.revision.clone(), other.revision.clone())]
    {
        if one != other {
            remarks.push(format!("The {what} differ ({one}; {other}): what differs may be due to that."));
        }
    }
    remarks
}

/// The elements of both lists, matched by name in the order of the first, and a remark on each that is in one list
/// only.
fn both<'a, Of>(lists: &'a [Vec<Of>; 2], name: impl Fn(&Of) -> String) -> (Vec<(&'a Of, &'a Of)>, Vec<String>) {
    let [ones, others] = lists;
    let find = |list: &'a [Of], wanted: &Of| list.iter().find(|found| name(found) == name(wanted));
    let pairs = ones.iter().filter_map(|one| Some((one, find(others, one)?))).collect();
    let alone = |list: &[Of], beside: &'a [Of], which: &str| -> Vec<String> {
        let alone = list.iter().filter(|one| find(beside, one).is_none());
        alone.map(|one| format!("{} was measured in the {which} run only.", name(one))).collect()
    };
    (pairs, [alone(ones, others, "first"), alone(others, ones, "second")].concat())
}

fn row(what: String, one: &Interval, other: &Interval) -> Row {
    ([what, one.to_string(), other.to_string()], Conclusion::of_times(one, other))
}

fn time(one: &StrategyComparison, other: &StrategyComparison) -> Row {
    row(format!("{}: time ÷ that of two passes", one.case), &one.ratio, &other.ratio)
}

fn sizes(what: String, one: f64, other: f64) -> Row {
    ([what, format!("{one:.3}"), format!("{other:.3}")], Conclusion::of_sizes(one, other))
}

fn disk(one: &StrategyComparison, other: &StrategyComparison) -> Row {
    let share =
        |found: &StrategyComparison| found.single_stream.scratch_peak as f64 / found.two_pass.scratch_peak as f64;
    sizes(format!("{}: scratch peak ÷ that of two passes", one.case), share(one), share(other))
}

fn image(one: &StrategyComparison, other: &StrategyComparison, tars: [f64; 2]) -> Row {
    let [first, second] =
        [(one, tars[0]), (other, tars[1])].map(|(found, tar)| found.single_stream.image_size as f64 / tar);
    sizes(format!("{}: image ÷ tar", one.case), first, second)
}

/// Our time divided by that of a peer.
fn beside(found: PeerComparison) -> (String, Interval) {
    let Interval { value, low, high, confidence } = found.ratio;
    let inverse = Interval { value: 1.0 / value, low: 1.0 / high, high: 1.0 / low, confidence };
    (format!("{}: time ÷ that of {}", found.case, found.peer), inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: [f64; 3], other: [f64; 3], expected: Conclusion) {
        let of = |[value, low, high]: [f64; 3]| Interval { value, low, high, confidence: 0.95 };
        for (one, other) in [(one, other), (other, one)] {
            assert_eq!(Conclusion::of_times(&of(one), &of(other)), expected, "{one:?} {other:?}");
        }
        let unsure = Interval { confidence: 0.75, ..of(one) };
        assert_eq!(Conclusion::of_times(&unsure, &of(other)), Conclusion::Open, "three runs decide nothing");
    }

    #[test]
    fn a_conclusion_differs_where_the_sides_do_and_no_ratio_fits_both() {
        check([0.8, 0.7, 0.9], [0.85, 0.75, 0.95], Conclusion::Same);
        check([1.2, 1.1, 1.3], [1.25, 1.2, 1.3], Conclusion::Same);
        check([1.0, 0.9, 1.1], [1.05, 0.95, 1.2], Conclusion::Open);
        check([0.5, 0.4, 0.6], [0.8, 0.7, 0.9], Conclusion::Apart);
        check([0.9, 0.8, 0.97], [0.98, 0.9, 1.06], Conclusion::Open);
        check([0.8, 0.7, 0.9], [1.0, 0.95, 1.05], Conclusion::Differs);
        check([0.8, 0.7, 0.9], [1.2, 1.1, 1.3], Conclusion::Differs);
        check([1.0, 0.99, 1.01], [1.2, 1.1, 1.3], Conclusion::Differs);
    }

    #[test]
    fn sizes_are_the_same_within_a_twentieth() {
        for (one, other, expected) in [
            (0.3, 0.3, Conclusion::Same),
            (0.3, 0.314, Conclusion::Same),
            (0.3, 0.286, Conclusion::Same),
            (0.3, 0.316, Conclusion::Differs),
            (0.3, 0.284, Conclusion::Differs),
            (0.3, f64::NAN, Conclusion::Differs),
        ] {
            assert_eq!(Conclusion::of_sizes(one, other), expected, "{one} {other}");
        }
    }
}
