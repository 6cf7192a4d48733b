//! Stands in for `lxd` in a build without YAML. A type without values keeps every `match` over formats the same.

use std::convert::Infallible;

use crate::cancel::CancelToken;
use crate::error::Result;
use crate::segment::ExtraMembers;
use crate::tree::Tree;

/// The metadata of an LXD or Incus image. Without the feature `lxd` there is no such value.
#[derive(Clone, Debug)]
pub struct LxdOptions(Infallible);

impl LxdOptions {
    pub(crate) fn extra_members(&self, _tree: &Tree<'_>, _cancel: &CancelToken) -> Result<ExtraMembers> {
        match self.0 {}
    }
}
