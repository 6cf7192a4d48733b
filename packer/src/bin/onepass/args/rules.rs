//! The options that decide what the tree becomes in the archive: of `pack`, and of `verify --against`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use packer::{Exclusion, IdRange, Owner, OwnerPolicy, Pack, XattrGlob};

use crate::args::exclude_file;
use crate::args::values::Moment;

#[derive(Args, Debug)]
pub(crate) struct RuleArguments {
    /// Leave out the paths that match GLOB, and everything below them. GLOB starts at the tree: `dev/*`, `**/*.pyc`. Repeatable
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<Exclusion>,
    /// Read globs for --exclude from FILE, one a line. Empty lines and lines that start with # are skipped. `-` is standard input.
    /// Repeatable
    #[arg(long, value_name = "FILE")]
    exclude_from: Vec<PathBuf>,
    /// Keep the extended attributes whose names match GLOB, as `user.*`, and no others. `*` keeps all. Repeatable [default: all but
    /// those of the host, as security.selinux]
    #[arg(long, value_name = "GLOB")]
    xattrs_include: Vec<XattrGlob>,
    /// Leave out the extended attributes whose names match GLOB, even if they are included. Repeatable
    #[arg(long, value_name = "GLOB")]
    xattrs_exclude: Vec<XattrGlob>,
    /// Map a container's shifted ids back: u|g|both:CONTAINER:HOST:COUNT. An id outside the map is an error. Repeatable
    #[arg(long, value_name = "RANGE")]
    idmap: Vec<IdRange>,
    /// Give every entry this owner, by number [default: the owner on the disk]
    #[arg(long, value_name = "UID:GID", conflicts_with = "idmap")]
    owner: Option<Owner>,
    /// Set later times of entries to TIME: seconds since 1970, @SECONDS, or RFC 3339 as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    clamp_mtime: Option<Moment>,
    /// Leave out what is mounted below the tree. This is the default
    #[arg(long, short = 'x', conflicts_with = "cross_mounts")]
    one_file_system: bool,
    /// Include what is mounted below the tree
    #[arg(long)]
    cross_mounts: bool,
}

impl RuleArguments {
    /// The pack, by these rules.
    pub(crate) fn apply(&self, pack: Pack) -> Result<Pack> {
        let owners = match self.owner {
            Some(owner) => OwnerPolicy::Fixed(owner),
            None if self.idmap.is_empty() => OwnerPolicy::Preserve,
            None => OwnerPolicy::Map(self.idmap.iter().copied().collect()),
        };
        let mut pack = pack
            .exclude(self.exclude.iter().cloned())
            .include_xattrs(self.xattrs_include.iter().cloned())
            .exclude_xattrs(self.xattrs_exclude.iter().cloned())
            .owners(owners)
            .cross_mounts(self.cross_mounts);
        for file in &self.exclude_from {
            pack = pack.exclude(exclude_file::read(file)?);
        }
        Ok(match self.clamp_mtime {
            Some(Moment(latest)) => pack.clamp_mtime(latest),
            None => pack,
        })
    }
}
