//! Two recorded runs side by side: equal figures, different ones, and undecided ones.
//!
//! Runs of different days are no pairs. The interval of a quotient is made of the two intervals as if they were
//! independent: their widths on the scale of logarithms are added as squares. The difference between the machines of
//! two days is in neither, so a change that shows here is a reason to run both revisions in one run (`cargo xtask gate
//! --base`), not a finding.

use std::cmp::Ordering;

use super::tables::Table;
use crate::format::{bytes, three, time};
use crate::record::{Arm, Interval, Record, Run, StrategyComparison};
use crate::stats::{comparisons, quotient};

/// Two runs, compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunComparison {
    /// The reasons why the comparison is weak or impossible, in sentences.
    pub remarks: Vec<String>,
    /// Each figure of each case that both have.
    pub table: Table,
}

/// The comparable parts of two runs.
struct Comparable {
    /// Sizes: the tree and so the tar is the same.
    tree: bool,
    /// Times: that, and the machine is of one class.
    machine: bool,
}

impl RunComparison {
    /// Compares the second run with the first.
    #[must_use]
    pub fn new(first: &Record, second: &Record) -> Self {
        let (comparable, mut remarks) = comparable(&first.run, &second.run);
        let (ones, others) = (comparisons(first), comparisons(second));
        let mut rows = Vec::new();
        for one in &ones {
            match others.iter().find(|other| other.case == one.case) {
                Some(other) => rows.extend(case(one, other, &comparable)),
                None => remarks.push(format!("{} was measured in the first run only.", one.case)),
            }
        }
        for other in others.iter().filter(|other| ones.iter().all(|one| one.case != other.case)) {
            remarks.push(format!("{} was measured in the second run only.", other.case));
        }
        RunComparison { remarks, table: Table::new(["", "first", "second", "second ÷ first [95 %]", ""], rows) }
    }
}

fn comparable(first: &Run, second: &Run) -> (Comparable, Vec<String>) {
    let mut remarks = Vec::new();
    for (run, which) in [(first, "first"), (second, "second")] {
        if !run.complete {
            remarks.push(format!("The {which} run did not come to its end."));
        }
    }
    let tree = first.subject.diff_id == second.subject.diff_id;
    if !tree {
        remarks.push(format!(
            "The trees differ ({}; {}): only the ratios can be compared.",
            first.subject.name, second.subject.name
        ));
    }
    let classes = [first, second].map(|run| run.environment.class());
    let machine = tree && classes[0] == classes[1];
    if classes[0] != classes[1] {
        remarks.push(format!("The machines differ ({}; {}): times cannot be compared.", classes[0], classes[1]));
    }
    (Comparable { tree, machine }, remarks)
}

/// The rows of one case.
fn case(one: &StrategyComparison, other: &StrategyComparison, comparable: &Comparable) -> Vec<[String; 5]> {
    let name = |what: &str| format!("{}: {what}", one.case);
    let ratios = quotient(&one.ratio, &other.ratio);
    let [first, second] = [one, other].map(|comparison| three(comparison.ratio.value));
    let mut rows = vec![[name("time ÷ that of two passes"), first, second, ratios.to_string(), told(&ratios)]];
    for (what, arm) in [
        ("single-stream", (|one| &one.single_stream) as fn(&StrategyComparison) -> &Arm),
        ("two-pass", |one| &one.two_pass),
    ] {
        let (one, other) = (arm(one), arm(other));
        if comparable.machine {
            let quotient = quotient(&one.wall_ns, &other.wall_ns);
            let [first, second] = [one, other].map(|arm| time(arm.wall_ns.value));
            rows.push([name(what), first, second, quotient.to_string(), told(&quotient)]);
        }
        if comparable.tree {
            for (size, of) in [
                ("image", (|arm| arm.image_size) as fn(&Arm) -> u64),
                ("scratch peak", |arm| arm.scratch_peak),
                ("written", |arm| arm.bytes_written),
            ] {
                let (first, second) = (of(one), of(other));
                if first != second {
                    let quotient = three(second as f64 / first as f64);
                    rows.push([
                        name(&format!("{what}, {size}")),
                        bytes(first),
                        bytes(second),
                        quotient,
                        "another one".into(),
                    ]);
                }
            }
        }
    }
    rows
}

fn told(quotient: &Interval) -> String {
    let told = match quotient.side() {
        Ordering::Greater => "more",
        Ordering::Less => "less",
        Ordering::Equal => "no difference seen",
    };
    told.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(value: f64, low: f64, high: f64) -> Interval {
        Interval { value, low, high, confidence: 0.95 }
    }

    #[test]
    fn a_difference_is_one_that_the_interval_excludes() {
        assert_eq!(told(&interval(1.1, 0.99, 1.2)), "no difference seen");
        assert_eq!(told(&interval(1.1, 1.01, 1.2)), "more");
        assert_eq!(told(&interval(0.9, 0.8, 0.99)), "less");
    }
}
