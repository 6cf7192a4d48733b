//! The formats: which files an image is, and what it holds beside the tree.
//!
//! A format decides where the tree stands in the archive and what stands around it before anything is packed, and what
//! becomes of the packed archive afterwards ([`Assembled`](crate::pipeline::assemble::Assembled)). Nothing between the two knows of formats.

mod architecture;
mod lxd;
mod metadata;
pub(crate) mod oci;
mod os_release;
mod templates;

pub use architecture::{Architecture, InvalidArchitecture};
pub use lxd::Lxd;
pub use metadata::{InvalidMetadata, Metadata};
pub use oci::{InvalidTag, Layer, Oci, Run, Tag};

use crate::cancel::CancelToken;
use crate::codec::Compression;
use crate::error::{Error, Result};
use crate::segment::Extras;
use crate::tree::filter::Layout;
use crate::tree::holes::Sparse;
use crate::tree::walk::Tree;

/// What an image looks like from outside.
#[derive(Clone, Debug, Default)]
pub enum Format {
    /// One tar, `<fingerprint>.tar[.gz|…]`, with the tree at its top; or, with [`Compression::Squashfs`], a filesystem.
    #[default]
    Tar,
    /// One tar for LXD and Incus, `<fingerprint>.tar[.gz|…]`: `metadata.yaml`, then the tree below `rootfs/`, then
    /// `templates/`.
    Unified(Lxd),
    /// A directory `<fingerprint>.split` for LXD and Incus with two files: `metadata.tar[.gz|…]`, which holds `metadata.yaml` and
    /// `templates/`, and `rootfs.tar[.gz|…]` or `rootfs.squashfs` with the tree at its top.
    Split(Lxd),
    /// An image in an OCI image layout, which may hold others: the output directory itself. The tree is its only layer.
    Oci(Oci),
}

impl Format {
    /// The name on the command line and in records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Format::Tar => "tar",
            Format::Unified(_) => "unified",
            Format::Split(_) => "split",
            Format::Oci(_) => "oci",
        }
    }

    /// An error if the format has no place for what a codec makes.
    pub(crate) fn takes(&self, compression: Compression) -> Result<()> {
        match self {
            Format::Oci(_) if compression.layer_media_type().is_none() => {
                Err(Error::invalid_options(format!("a layer of an OCI image cannot be compressed with {compression}")))
            }
            Format::Unified(_) if compression.is_filesystem() => Err(Error::invalid_options(format!(
                "a unified image is an archive, and {compression} makes a filesystem"
            ))),
            Format::Tar | Format::Unified(_) | Format::Split(_) | Format::Oci(_) => Ok(()),
        }
    }

    /// Whether an image is one file, which can be written to a stream.
    pub(crate) fn is_one_file(&self) -> bool {
        match self {
            Format::Tar | Format::Unified(_) => true,
            Format::Split(_) | Format::Oci(_) => false,
        }
    }

    /// Where the tree stands in the archive.
    pub(crate) fn layout(&self) -> Layout {
        match self {
            Format::Tar => Layout::default(),
            Format::Oci(_) => Layout { is_layer: true, ..Layout::default() },
            Format::Unified(_) => Layout { prefix: b"rootfs/", unpacked_without_dev: true, is_layer: false },
            Format::Split(_) => Layout { prefix: b"", unpacked_without_dev: true, is_layer: false },
        }
    }

    /// What is done with holes if nobody says: LXD and Incus make sparse files of sparse ones.
    pub(crate) fn sparse(&self) -> Sparse {
        match self {
            Format::Tar | Format::Oci(_) => Sparse::Never,
            Format::Unified(_) | Format::Split(_) => Sparse::Auto,
        }
    }

    /// What stands around the tree, or, of a split image, beside it.
    pub(crate) fn extras(&self, tree: &Tree<'_>, cancel: &CancelToken) -> Result<Extras> {
        match self {
            Format::Tar | Format::Oci(_) => Ok(Extras::default()),
            Format::Unified(lxd) | Format::Split(lxd) => lxd.extras(tree, cancel),
        }
    }
}
