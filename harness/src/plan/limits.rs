//! What tools are known to lose or to change, and no option of theirs keeps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A known limit of a peer. Its image may differ from the tree so far, and is still compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// bsdtar writes a fraction of a second only where an entry has other records too; Go's tar, with it LXD, umoci and
    /// buildah, and squashfs have none.
    WholeSeconds,
    /// LXD leaves out everything below `dev` when it unpacks an image without being root.
    BelowDev,
    /// buildah's layers do not have the top directory.
    TopDirectory,
    /// squashfs and buildah do not keep ACLs.
    Acls,
    /// LXD and buildah do not keep the attributes of symlinks.
    SymlinkAttributes,
    /// The archive of umoci 0.4 ends with its last byte of content: without padding, and without the two blocks of zeros.
    End,
}

impl Limit {
    /// All of them.
    pub const ALL: [Limit; 6] =
        [Limit::WholeSeconds, Limit::BelowDev, Limit::TopDirectory, Limit::Acls, Limit::SymlinkAttributes, Limit::End];

    /// What the image has not, for tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Limit::WholeSeconds => "fractions of seconds",
            Limit::BelowDev => "what is below `dev`",
            Limit::TopDirectory => "the top directory's metadata",
            Limit::Acls => "ACLs",
            Limit::SymlinkAttributes => "attributes of symlinks",
            Limit::End => "the end of the archive",
        }
    }
}
