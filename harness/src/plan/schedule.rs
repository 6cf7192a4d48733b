//! The order of the runs: pairs and blocks stay together, their order is balanced, and they take turns.
//!
//! A fixed order once favoured the first slot by 5.5 %, and one bad minute would spoil one case entirely. So every case
//! has as many pairs that begin with the one arm as with the other, in random order, and each round has one pair of
//! every case, again in random order. A block is a row of two or three runs, ours beside a peer; half of its rounds go
//! backwards.

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
    /// A run of a block.
    Member {
        /// Which block.
        block: usize,
        /// Its place in the block.
        member: usize,
        /// Which round.
        round: usize,
    },
    /// A run of something else, which has no other arm.
    Other {
        /// Which.
        other: usize,
        /// Which round.
        round: usize,
    },
}

/// What is to be run how often.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// Cases, each with two arms.
    pub cases: usize,
    /// Pairs of each case.
    pub pairs: usize,
    /// The length of each block. Runs that are compared stand beside each other in it.
    pub blocks: Vec<usize>,
    /// Things that are run alone.
    pub others: usize,
    /// Rounds of each block and of each of those.
    pub rounds: usize,
}

impl Schedule {
    /// All runs, in order. The same seed gives the same order.
    #[must_use]
    pub fn steps(&self, seed: u64) -> Vec<Step> {
        let mut random = Random::new(seed);
        let first: Vec<Vec<Side>> = (0..self.cases).map(|_| balanced(self.pairs, &mut random)).collect();
        let forward: Vec<Vec<Side>> = self.blocks.iter().map(|_| balanced(self.rounds, &mut random)).collect();
        let mut steps = Vec::new();
        let rounds = self.pairs.max(self.rounds);
        for round in 0..rounds {
            let mut turns: Vec<Vec<Step>> = Vec::new();
            if round < self.pairs {
                turns.extend(first.iter().enumerate().map(|(case, first)| {
                    [first[round], first[round].other()].map(|side| Step::Arm { case, side, pair: round }).to_vec()
                }));
            }
            // The rounds of all but the cases are spread over all of the run.
            let due = |round: usize| round * self.rounds / rounds;
            if due(round + 1) > due(round) {
                let round = due(round);
                turns.extend(self.blocks.iter().enumerate().map(|(block, length)| {
                    let mut members: Vec<Step> =
                        (0..*length).map(|member| Step::Member { block, member, round }).collect();
                    if forward[block][round] == Side::Reference {
                        members.reverse();
                    }
                    members
                }));
                turns.extend((0..self.others).map(|other| vec![Step::Other { other, round }]));
            }
            random.shuffle(&mut turns);
            steps.extend(turns.concat());
        }
        steps
    }
}

/// What comes first in each round: each of the two in half of them.
fn balanced(pairs: usize, random: &mut Random) -> Vec<Side> {
    let odd = random.below(2) as usize;
    let mut first: Vec<Side> =
        (0..pairs).map(|pair| if (pair + odd).is_multiple_of(2) { Side::Candidate } else { Side::Reference }).collect();
    random.shuffle(&mut first);
    first
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn every_run_comes_once_pairs_and_blocks_are_adjacent_and_balanced(
            cases in 1..7_usize, pairs in 1..14_usize, blocks in proptest::collection::vec(1..4_usize, 0..4),
            others in 0..5_usize, rounds in 0..8_usize, seed: u64,
        ) {
            let schedule = Schedule { cases, pairs, blocks: blocks.clone(), others, rounds };
            let steps = schedule.steps(seed);
            let members: usize = blocks.iter().sum();
            prop_assert_eq!(steps.len(), cases * pairs * 2 + (members + others) * rounds);
            prop_assert_eq!(&steps, &schedule.steps(seed));
            let (mut firsts, mut forwards) = (vec![0_i64; cases], vec![0_i64; blocks.len()]);
            let mut at = 0;
            while at < steps.len() {
                match steps[at] {
                    Step::Other { .. } => at += 1,
                    Step::Arm { case, side, pair } => {
                        let other = Step::Arm { case, side: side.other(), pair };
                        prop_assert_eq!(steps[at + 1], other, "a pair was torn apart");
                        firsts[case] += if side == Side::Candidate { 1 } else { -1 };
                        at += 2;
                    }
                    Step::Member { block, member, round } => {
                        let length = blocks[block];
                        prop_assert!(member == 0 || member == length - 1, "it begins with {}", member);
                        for place in 0..length {
                            let member = if member == 0 { place } else { length - 1 - place };
                            prop_assert_eq!(steps[at + place], Step::Member { block, member, round });
                        }
                        forwards[block] += if member == 0 { 1 } else { -1 };
                        at += length;
                    }
                }
            }
            prop_assert!(firsts.iter().all(|balance| balance.unsigned_abs() <= (pairs % 2) as u64), "{:?}", firsts);
            for (balance, length) in forwards.iter().zip(&blocks) {
                prop_assert!(*length == 1 || balance.unsigned_abs() <= (rounds % 2) as u64, "{:?}", forwards);
            }
            for other in 0..others {
                for round in 0..rounds {
                    let wanted = Step::Other { other, round };
                    prop_assert_eq!(steps.iter().filter(|step| **step == wanted).count(), 1);
                }
            }
        }
    }
}
