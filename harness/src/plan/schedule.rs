//! The order of the runs: pairs stay together, their order is balanced, and cases take turns.
//!
//! A fixed order once favoured the first slot by 5.5 %, and one bad minute would spoil one case entirely. So every case
//! has as many pairs that begin with the one arm as with the other, in random order, and each round has one pair of
//! every case, again in random order.

use fixtures::Random;

/// One of the two that a pair compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The candidate: one stream, or the new build.
    Candidate,
    /// The reference: two passes, or the old build.
    Reference,
}

impl Side {
    /// The opposite side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Side::Candidate => Side::Reference,
            Side::Reference => Side::Candidate,
        }
    }
}

/// One run of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A run of an arm of the case with this number.
    Arm {
        /// Which case.
        case: usize,
        /// Which arm.
        side: Side,
        /// Which pair of the case.
        pair: usize,
    },
    /// A run of something else, which has no other arm.
    Other {
        /// Which.
        other: usize,
        /// Which round.
        round: usize,
    },
}

/// All runs, in order. The same seed gives the same order.
#[must_use]
pub fn schedule(cases: usize, pairs: usize, others: usize, other_rounds: usize, seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    let first: Vec<Vec<Side>> = (0..cases).map(|_| balanced(pairs, &mut random)).collect();
    let mut steps = Vec::new();
    let rounds = pairs.max(other_rounds);
    for round in 0..rounds {
        let mut turns: Vec<Vec<Step>> = Vec::new();
        if round < pairs {
            turns.extend(first.iter().enumerate().map(|(case, first)| {
                [first[round], first[round].other()].map(|side| Step::Arm { case, side, pair: round }).to_vec()
            }));
        }
        // The others' rounds are spread over all of the run.
        let due = |round: usize| round * other_rounds / rounds;
        if due(round + 1) > due(round) {
            turns.extend((0..others).map(|other| vec![Step::Other { other, round: due(round) }]));
        }
        random.shuffle(&mut turns);
        steps.extend(turns.concat());
    }
    steps
}

/// Which arm comes first in each pair: each of the two in half of them.
fn balanced(pairs: usize, random: &mut Random) -> Vec<Side> {
    let odd = random.below(2) as usize;
    let mut first: Vec<Side> =
        (0..pairs).map(|pair| if (pair + odd).is_multiple_of(2) { Side::Candidate } else { Side::Reference }).collect();
    random.shuffle(&mut first);
    first
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{TestCaseError, prop_assert, prop_assert_eq, prop_assert_ne, proptest};

    use super::*;

    proptest! {
        #[test]
        fn every_run_comes_once_pairs_are_adjacent_and_balanced(
            cases in 1..7_usize, pairs in 1..14_usize, others in 0..5_usize, rounds in 0..8_usize, seed: u64,
        ) {
            let steps = schedule(cases, pairs, others, rounds, seed);
            prop_assert_eq!(steps.len(), cases * pairs * 2 + others * rounds);
            prop_assert_eq!(&steps, &schedule(cases, pairs, others, rounds, seed));
            let mut firsts = vec![0_i64; cases];
            let mut at = 0;
            while at < steps.len() {
                let Step::Arm { case, side, pair } = steps[at] else { at += 1; continue };
                let Step::Arm { case: case_2, side: side_2, pair: pair_2 } = steps[at + 1] else {
                    return Err(TestCaseError::fail("a pair was torn apart"));
                };
                prop_assert_eq!((case, pair), (case_2, pair_2));
                prop_assert_ne!(side, side_2);
                firsts[case] += if side == Side::Candidate { 1 } else { -1 };
                at += 2;
            }
            prop_assert!(firsts.iter().all(|balance| balance.unsigned_abs() <= (pairs % 2) as u64), "{:?}", firsts);
            for other in 0..others {
                for round in 0..rounds {
                    let wanted = Step::Other { other, round };
                    prop_assert_eq!(steps.iter().filter(|step| **step == wanted).count(), 1);
                }
            }
        }
    }
}
