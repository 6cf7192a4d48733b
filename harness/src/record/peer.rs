//! Peers in the record of a bench: what was planned, what their images hold, and how they compare.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::comparison::Interval;
use crate::plan::{HashProgram, Limit, Maker, Parallelism, Peer, PeerKind};

/// A peer: what it is, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerRecord {
    /// Its name in the samples.
    pub name: String,
    /// The description, in words.
    pub title: String,
    /// The script for bash; `$ROOTFS` is the tree, `$OUT` the scratch directory, `$THREADS` the number of threads.
    pub script: String,
    /// The compression of ours that it is compared with.
    pub like: String,
    /// The maker of the image.
    #[serde(default, skip_serializing_if = "Maker::is_pipeline")]
    pub maker: Maker,
    /// What it stands for; not in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PeerKind>,
    /// How many threads it takes; not in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<Parallelism>,
    /// What its image is known to lack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// How many entries of its image lack it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub losses: BTreeMap<Limit, u64>,
    /// The missing program, if there are no samples; for LXD, the reason in words.
    pub missing: Option<String>,
    /// Why a run of it failed: the untimed one, or a later one, after which it was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// The first difference between its image and the tree that no known limit explains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub different: Option<String>,
}

impl PeerRecord {
    /// A peer that is to be run, unless it is `missing`.
    #[must_use]
    pub fn planned(peer: &Peer, hash: HashProgram, missing: Option<String>) -> Self {
        PeerRecord {
            name: peer.name.into(),
            title: peer.title(hash),
            script: peer.script(hash),
            like: peer.like.compression().to_string(),
            maker: peer.maker,
            kind: Some(peer.kind),
            parallelism: Some(peer.parallelism),
            limits: peer.limits.to_vec(),
            losses: BTreeMap::new(),
            missing,
            failed: None,
            different: None,
        }
    }

    /// Why it has no times, in words; `None` if it has.
    #[must_use]
    pub fn untimed(&self) -> Option<String> {
        let missing = self.missing.as_ref().map(|missing| match self.maker {
            Maker::Pipeline => format!("{missing} is not installed"),
            Maker::Lxd => missing.clone(),
        });
        let failed = self.failed.as_ref().map(|why| format!("failed: {why}"));
        missing.or(failed).or(self.different.as_ref().map(|first| format!("another image, so not timed: {first}")))
    }

    /// What it stands for. Older records say it in the title only.
    #[must_use]
    pub fn kind(&self) -> PeerKind {
        self.kind.unwrap_or_else(|| match &self.title {
            title if title.contains("not hashed") => PeerKind::Unhashed,
            title if title.contains("tar") && self.maker.is_pipeline() => PeerKind::Pipeline,
            _ => PeerKind::Program,
        })
    }
}

/// A peer and our case beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PeerComparison {
    /// The peer's name.
    pub peer: String,
    /// Our case's name.
    pub case: String,
    /// Our threads.
    pub threads: usize,
    /// The peer's time ÷ ours: how many times as fast ours is.
    pub ratio: Interval,
    /// Adjacent runs that the ratio is from; 0 if it is the quotient of two medians, as in older records.
    pub pairs: usize,
    /// The peer's median time in nanoseconds.
    pub theirs: Interval,
    /// The least and the most of its times.
    pub range: [u64; 2],
    /// Our median time, beside it.
    pub ours: Interval,
    /// The size of its image.
    pub image_size: u64,
    /// The size of ours.
    pub our_size: u64,
    /// The peak of memory of the largest of its processes in bytes, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The sum of the peaks of those of its processes that were seen alive at one moment, in bytes, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_together: Option<u64>,
}
