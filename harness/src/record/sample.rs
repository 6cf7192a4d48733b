//! Samples: one line of `samples.jsonl` for each process run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::run::{Conditions, Curve, Floor, Outcome, PackRecord, Usage};

/// The version of the schema of `run.json` and `samples.jsonl`.
pub const SCHEMA: u32 = 1;

/// A line of `samples.jsonl`: one process run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Its place in the order of all runs of this record.
    pub sequence: usize,
    /// Whether it counts: the first run of each arm only warms up and is verified.
    pub role: Role,
    /// The case's or the peer's name.
    pub case: String,
    /// `single-stream`, `two-pass`, `peer` or `floor`; in gates `new` and `base`, in calibrations `same`, `slowed` and `base`.
    pub arm: String,
    /// The pair or the round.
    pub pair: usize,
    /// How many threads a peer was told to take; not in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// The peer that this run stood beside, to be compared with it. Such a run belongs to no pair of the two strategies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// From the start of the process to its end.
    pub wall_ns: u64,
    /// The state of the machine meanwhile; not in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Conditions>,
    /// The counters of `wait4`; `None` if a daemon did the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The size of the image.
    pub image_size: u64,
    /// The scratch space that was seen from outside; nothing if a daemon did the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch: Option<Curve>,
    /// The peak of memory of the largest of a peer's processes, in bytes; not in older records, nor where a daemon
    /// did the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The sum of the peaks of those of a peer's processes that were seen alive at one moment, in bytes: mostly more than they
    /// held together. Not in older records, nor where a daemon did the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_together: Option<u64>,
    /// The packer's own figures.
    pub pack: Option<PackRecord>,
    /// The lower bound, if this run measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Floor>,
}

/// The purpose of a run, as its sample keeps it.
#[derive(Clone, Debug)]
pub struct Label {
    /// Whether it counts.
    pub role: Role,
    /// The case or the peer.
    pub case: String,
    /// Which of its arms this was.
    pub arm: &'static str,
    /// The pair or the round.
    pub pair: usize,
}

/// The role of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Untimed: warms the page cache, and is verified.
    Verify,
    /// Timed: it counts.
    Measure,
}

impl Sample {
    /// The sample of a run.
    pub(crate) fn new(sequence: usize, label: Label, outcome: Outcome) -> Self {
        let Outcome { wall_ns, conditions, usage, scratch, image_size, memory, memory_together, pack, floor } = outcome;
        let Label { role, case, arm, pair } = label;
        let arm = arm.to_owned();
        let (usage, scratch) = (Some(usage), Some(scratch));
        let schema = SCHEMA;
        Sample {
            schema,
            sequence,
            role,
            case,
            arm,
            pair,
            threads: None,
            beside: None,
            wall_ns,
            conditions,
            usage,
            image_size,
            scratch,
            memory,
            memory_together,
            pack,
            floor,
        }
    }
}
