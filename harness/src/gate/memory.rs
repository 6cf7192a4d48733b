//! G5: peak memory, `VmHWM` as the packer reads it of itself: within a budget, and the same for a large input as for a
//! small one.
//!
//! The number of buffers in use at once varies a little with scheduling. Real growth with the input happens in every
//! run, so growth is measured from the highest peak of the small input to the lowest peak of the large one.

use crate::verify::{Finding, Gate, GateVerdict};

/// How much memory a compression may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// As `--compression` takes it.
    pub compression: String,
    /// Bytes.
    pub most: u64,
}

/// The threads of the runs that budgets are for.
pub(super) const THREADS: usize = 2;

/// How often each input is packed.
pub(super) const RUNS: usize = 3;

/// Growth that is no growth, in bytes.
const TOLERANCE: u64 = 8 << 20;

/// The peaks of one compression; `None` where the packer could not read its own.
#[derive(Clone, Debug)]
pub(super) struct Peaks {
    pub(super) small: Vec<Option<u64>>,
    pub(super) large: Vec<Option<u64>>,
}

/// Judges each compression by its budget.
pub(super) fn judge(peaks: &[(Budget, Peaks)]) -> Finding {
    Finding::gather(Gate::Memory, peaks.iter().map(|(budget, peaks)| one(budget, peaks)))
}

fn one(budget: &Budget, peaks: &Peaks) -> (GateVerdict, String) {
    let name = &budget.compression;
    let all = |peaks: &[Option<u64>]| peaks.iter().copied().collect::<Option<Vec<u64>>>();
    let (Some(small), Some(large)) = (all(&peaks.small), all(&peaks.large)) else {
        return (GateVerdict::NotMeasured(format!("{name}: the packer cannot read VmHWM")), String::new());
    };
    let (Some(most), Some(before), Some(after)) =
        (small.iter().chain(&large).max(), small.iter().max(), large.iter().min())
    else {
        return (GateVerdict::NotMeasured(format!("{name}: it was not run")), String::new());
    };
    let figures = format!("{name} {} of {}", mebibytes(*most), mebibytes(budget.most));
    let verdict = if *most > budget.most {
        GateVerdict::broken(format!("{name}: at most {}", mebibytes(budget.most)), mebibytes(*most))
    } else if after.saturating_sub(*before) > TOLERANCE {
        let expected = format!("{name}: no more than {} more for a larger input", mebibytes(TOLERANCE));
        GateVerdict::broken(expected, format!("{} more", mebibytes(after - before)))
    } else {
        GateVerdict::Passed
    };
    (verdict, figures)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Peaks in MiB; the budget is 64.
    fn judged(small: &[u64], large: &[u64]) -> GateVerdict {
        let peaks = |peaks: &[u64]| peaks.iter().map(|peak| Some(peak << 20)).collect();
        let budget = Budget { compression: "none".into(), most: 64 << 20 };
        judge(&[(budget, Peaks { small: peaks(small), large: peaks(large) })]).verdict
    }

    #[test]
    fn a_budget_is_for_all_runs_and_growth_is_what_all_runs_have() {
        assert_eq!(judged(&[20, 21, 30], &[22, 36, 20]), GateVerdict::Passed);
        assert_eq!(judged(&[20, 20, 20], &[28, 28, 28]), GateVerdict::Passed);
        let broken = |verdict: GateVerdict, words: &str| {
            assert!(
                matches!(&verdict, GateVerdict::Broken { expected, .. } if expected.contains(words)),
                "{verdict:?}"
            );
        };
        broken(judged(&[20, 20, 20], &[29, 30, 29]), "a larger input");
        broken(judged(&[20, 20, 20], &[20, 65, 20]), "at most 64.0 MiB");
        broken(judged(&[65, 20, 20], &[20, 20, 20]), "at most 64.0 MiB");
    }

    #[test]
    fn what_cannot_be_read_is_not_measured() {
        let budget = Budget { compression: "none".into(), most: 1 };
        let peaks = Peaks { small: vec![Some(1), None], large: vec![Some(1)] };
        assert!(matches!(judge(&[(budget.clone(), peaks)]).verdict, GateVerdict::NotMeasured(_)));
        let nothing = Peaks { small: Vec::new(), large: Vec::new() };
        assert!(matches!(judge(&[(budget, nothing)]).verdict, GateVerdict::NotMeasured(_)));
    }
}
