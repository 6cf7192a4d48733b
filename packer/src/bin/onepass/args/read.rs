//! What the commands accept that read images.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use packer::{Exclusion, Fingerprint, IdRange, Owner, Owners, Pack, Source, Tag};

/// Which image.
#[derive(Args, Debug)]
pub(crate) struct ImageArguments {
    /// A file, a directory `<fingerprint>.split`, or an OCI image layout
    pub(crate) image: PathBuf,
    /// The other file of an image that is split in two: IMAGE holds metadata.yaml, this the tree
    #[arg(long, value_name = "FILE")]
    rootfs: Option<PathBuf>,
    /// Which image of an OCI layout: its name there, or `sha256:…`
    #[arg(long, value_name = "NAME")]
    tag: Option<Selector>,
}

impl ImageArguments {
    pub(crate) fn source(&self) -> Source {
        let source = Source::new(&self.image);
        let source = match &self.rootfs {
            Some(rootfs) => source.rootfs(rootfs),
            None => source,
        };
        selected(source, self.tag.as_ref())
    }
}

/// Selects one image of an OCI layout.
#[derive(Clone, Debug)]
enum Selector {
    Tag(Tag),
    Digest(Fingerprint),
}

impl FromStr for Selector {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.strip_prefix("sha256:") {
            Some(digits) => Selector::Digest(digits.parse()?),
            None => Selector::Tag(text.parse()?),
        })
    }
}

fn selected(source: Source, selector: Option<&Selector>) -> Source {
    match selector {
        Some(Selector::Tag(tag)) => source.tag(tag.clone()),
        Some(Selector::Digest(digest)) => source.digest(*digest),
        None => source,
    }
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    pub(crate) image: ImageArguments,
    /// Also compare the image with this root filesystem, and print what differs
    #[arg(long, value_name = "ROOTFS")]
    pub(crate) against: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: RuleArguments,
}

/// What the tree was packed with, as for `pack`.
#[derive(Args, Debug)]
pub(crate) struct RuleArguments {
    /// The tree was packed without what matches
    #[arg(long, value_name = "GLOB", requires = "against")]
    exclude: Vec<Exclusion>,
    /// The tree's ids are shifted: u|g|both:CONTAINER:HOST:COUNT; may be repeated
    #[arg(long, value_name = "RANGE", requires = "against")]
    idmap: Vec<IdRange>,
    /// The tree was packed with one owner for every entry
    #[arg(long, value_name = "UID:GID", requires = "against", conflicts_with = "idmap")]
    owner: Option<Owner>,
    /// The tree was packed with no time later than this, in seconds since 1970
    #[arg(long, value_name = "SECONDS", requires = "against", allow_negative_numbers = true)]
    clamp_mtime: Option<i64>,
    /// The tree was packed with what is mounted below it
    #[arg(long, requires = "against")]
    cross_mounts: bool,
}

impl RuleArguments {
    /// The pack of `rootfs` by these rules.
    pub(crate) fn pack(&self, rootfs: &PathBuf) -> Pack {
        let owners = match self.owner {
            Some(owner) => Owners::One(owner),
            None if self.idmap.is_empty() => Owners::Kept,
            None => Owners::Mapped(self.idmap.iter().copied().collect()),
        };
        let pack = Pack::new(rootfs).exclude(self.exclude.iter().cloned());
        let pack = pack.owners(owners).cross_mounts(self.cross_mounts);
        match self.clamp_mtime {
            Some(latest) => pack.clamp_mtime(latest),
            None => pack,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct InspectArguments {
    #[command(flatten)]
    pub(crate) image: ImageArguments,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DiffArguments {
    /// The one image
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The other image
    #[arg(value_name = "B")]
    second: PathBuf,
    /// Which image of the OCI layout A, and of B if --b-tag does not say otherwise: its name there, or `sha256:…`
    #[arg(long, value_name = "NAME")]
    tag: Option<Selector>,
    /// Which image of the OCI layout B
    #[arg(long, value_name = "NAME")]
    b_tag: Option<Selector>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl DiffArguments {
    pub(crate) fn first(&self) -> Source {
        selected(Source::new(&self.first), self.tag.as_ref())
    }

    pub(crate) fn second(&self) -> Source {
        selected(Source::new(&self.second), self.b_tag.as_ref().or(self.tag.as_ref()))
    }
}
