//! One run: a pack, a peer, or the measurement of a lower bound.

use packer::Strategy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cases::Case;

/// Something that is run once.
#[derive(Clone, Copy, Debug)]
pub enum Work<'a> {
    /// Our packer.
    Pack(&'a Case, Strategy),
    /// Other tools.
    Peer {
        /// The name in records.
        name: &'a str,
        /// The script for bash.
        script: &'a str,
        /// The maker of the image.
        maker: Maker,
        /// How many threads it is told to take.
        threads: usize,
    },
    /// The lower bound: the parts that no packer can save.
    Floor(&'a Case),
}

impl<'a> Work<'a> {
    /// The name of the peer, if it is one.
    pub(crate) fn peer(&self) -> Option<&'a str> {
        match self {
            Work::Peer { name, .. } => Some(name),
            Work::Pack(..) | Work::Floor(_) => None,
        }
    }

    /// For messages and progress.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Work::Pack(case, strategy) => format!("{}, {strategy}", case.name()),
            Work::Peer { name, threads: 1, .. } => format!("{name}, 1 thread"),
            Work::Peer { name, threads, .. } => format!("{name}, {threads} threads"),
            Work::Floor(case) => format!("{}, floor", case.name()),
        }
    }

    /// Whether child processes do the work, so that their usage is known.
    pub(crate) fn is_ours(&self) -> bool {
        !matches!(self, Work::Peer { maker: Maker::Lxd, .. })
    }

    /// The name of the arm in samples.
    pub(crate) fn arm(&self) -> &'static str {
        match self {
            Work::Pack(_, strategy) => strategy.name(),
            Work::Peer { .. } => "peer",
            Work::Floor(_) => "floor",
        }
    }
}

/// The maker of a peer's image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Maker {
    /// The processes of its script, which leave it in `$OUT/image`.
    #[default]
    Pipeline,
    /// A running LXD, which keeps it as `$CONTAINER-published`: the script only requests it. Only the time is known.
    Lxd,
}

impl Maker {
    /// Whether it is the script itself.
    #[must_use]
    pub fn is_pipeline(&self) -> bool {
        *self == Maker::Pipeline
    }
}
