//! How a tree becomes entries: the options of the walk.

use crate::error::Result;
use crate::tree::filter::{Exclusion, ExclusionSet};
use crate::tree::holes::Sparse;
use crate::tree::id_map::OwnerPolicy;
use crate::tree::placement::Placement;
use crate::tree::stat::Timestamp;
use crate::tree::xattr::filter::XattrGlobs;

/// The options of the walk. By default everything on the tree's own mount is an entry, as it is, without the attributes of the host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) exclusions: Vec<Exclusion>,
    pub(crate) xattrs: XattrGlobs,
    pub(crate) owners: OwnerPolicy,
    /// The latest modification time, in seconds since 1970; later ones become this one.
    pub(crate) latest: Option<i64>,
    /// Whether filesystems that are mounted below the top are part of the tree.
    pub(crate) cross_mounts: bool,
    pub(crate) sparse: Sparse,
    pub(crate) placement: Placement,
}

impl Rules {
    /// The same rules with the parts that a format decides.
    pub(crate) fn in_format(self, sparse: Sparse, placement: Placement) -> Self {
        Rules { sparse, placement, ..self }
    }

    /// The exclusions, compiled to be asked for every entry.
    pub(crate) fn exclusion_set(&self) -> Result<ExclusionSet> {
        ExclusionSet::new(&self.exclusions)
    }

    /// The modification time in the archive of a file with this one on the disk.
    pub(crate) fn clamp(&self, modified: Timestamp) -> Timestamp {
        let latest = self.latest.map(|seconds| Timestamp { seconds, nanoseconds: 0 });
        latest.map_or(modified, |latest| modified.min(latest))
    }
}
