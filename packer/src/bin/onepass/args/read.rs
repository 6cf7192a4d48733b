//! The arguments of the subcommands that read images: `verify`, `inspect` and `diff`.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use packer::{Fingerprint, Source, Tag};

use crate::args::rules::RuleArguments;

/// Which image.
#[derive(Args, Debug)]
pub(crate) struct ImageArguments {
    /// The image: a file, a directory `<fingerprint>.split`, or an OCI image layout
    pub(crate) image: PathBuf,
    /// The second file of an image of two files: IMAGE has metadata.yaml, FILE has the tree
    #[arg(long, value_name = "FILE")]
    rootfs: Option<PathBuf>,
    /// Which image of an OCI image layout: its tag, or its digest as `sha256:…`. Not needed if there is only one
    #[arg(long, value_name = "TAG")]
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
    /// Compare the image with this root filesystem as well, and print the differences
    #[arg(long, value_name = "ROOTFS")]
    pub(crate) against: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Rules that ROOTFS was packed by, with --against")]
    pub(crate) rules: RuleArguments,
}

#[derive(Args, Debug)]
pub(crate) struct InspectArguments {
    #[command(flatten)]
    pub(crate) image: ImageArguments,
    /// Print one JSON object, with sizes in bytes
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DiffArguments {
    /// The first image: a file, a directory `<fingerprint>.split`, or an OCI image layout
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The second image
    #[arg(value_name = "B")]
    second: PathBuf,
    /// Which image of the OCI image layout A: its tag, or its digest as `sha256:…`. It is the default of --b-tag
    #[arg(long, value_name = "TAG")]
    tag: Option<Selector>,
    /// Which image of the OCI image layout B [default: that of --tag]
    #[arg(long, value_name = "TAG")]
    b_tag: Option<Selector>,
    /// Print one JSON object, with sizes in bytes
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
