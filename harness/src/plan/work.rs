//! One run: what is executed, once.

use packer::Strategy;
use serde::{Deserialize, Serialize};

use super::cases::Case;

/// Something that is run once.
#[derive(Clone, Copy, Debug)]
pub enum Work<'a> {
    /// Our packer.
    Pack(&'a Case, Strategy),
    /// Other tools.
    Baseline {
        /// What they are called in records.
        name: &'a str,
        /// What bash runs.
        script: &'a str,
        /// Who makes the image.
        maker: Maker,
    },
    /// What no packer can save.
    Floor(&'a Case),
}

impl Work<'_> {
    /// For messages and progress.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Work::Pack(case, strategy) => format!("{}, {strategy}", case.name()),
            Work::Baseline { name, .. } => (*name).to_owned(),
            Work::Floor(case) => format!("{}, floor", case.name()),
        }
    }

    /// Whether what it takes is taken by processes of ours, and can be told.
    pub(crate) fn is_ours(&self) -> bool {
        !matches!(self, Work::Baseline { maker: Maker::Lxd, .. })
    }

    /// The name of the arm in samples.
    pub(crate) fn arm(&self) -> &'static str {
        match self {
            Work::Pack(_, strategy) => strategy.name(),
            Work::Baseline { .. } => "peer",
            Work::Floor(_) => "floor",
        }
    }
}

/// Who makes the image of a baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Maker {
    /// The processes of its script, which leave it in `$OUT/image`.
    #[default]
    Pipeline,
    /// A running LXD, which keeps it as `$CONTAINER-published`: the script only asks for it. What that takes beside time cannot be told.
    Lxd,
}

impl Maker {
    /// Whether it is the script itself.
    #[must_use]
    pub fn is_pipeline(&self) -> bool {
        *self == Maker::Pipeline
    }
}
