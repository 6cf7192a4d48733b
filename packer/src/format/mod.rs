//! Formats: which files an image consists of, and its members beside the tree.
//!
//! A format decides where the tree stands in the archive and what stands around it. The stages between tree and destination know
//! nothing of formats.

mod architecture;

mod os_release;

mod defaults;
#[cfg(feature = "lxd")]
mod metadata;
#[cfg(feature = "lxd")]
mod templates;

#[cfg(feature = "lxd")]
mod lxd;
pub(crate) mod oci;
#[cfg(not(feature = "lxd"))]
mod without_lxd;

pub use architecture::{Architecture, InvalidArchitecture};
#[cfg(feature = "lxd")]
pub use lxd::LxdOptions;
#[cfg(feature = "lxd")]
pub use metadata::{InvalidMetadata, Metadata};
pub use oci::{ContainerConfig, InvalidTag, Layer, OciOptions, Tag};
#[cfg(not(feature = "lxd"))]
pub use without_lxd::LxdOptions;

use crate::cancel::CancelToken;
use crate::codec::Compression;
use crate::error::{Error, Result};
use crate::format::oci::Draft;
use crate::segment::ExtraMembers;
use crate::tree::Tree;
use crate::tree::holes::Sparse;
use crate::tree::placement::Placement;

/// The files that an image consists of.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Format {
    /// One file `<fingerprint>.tar[.gz|…]`: a tar with the tree at its top. With [`Compression::Squashfs`] it is
    /// `<fingerprint>.squashfs`, a filesystem.
    #[default]
    Tar,
    /// One file `<fingerprint>.tar[.gz|…]` for LXD and Incus: a tar with `metadata.yaml`, the tree below `rootfs/`, and
    /// `templates/`.
    Unified(LxdOptions),
    /// A directory `<fingerprint>.split` with two files for LXD and Incus: `metadata.tar[.gz|…]` with `metadata.yaml` and
    /// `templates/`, and `rootfs.tar[.gz|…]` or `rootfs.squashfs` with the tree at its top.
    Split(LxdOptions),
    /// An image in an OCI image layout, which is the output directory itself and may have other images. The tree is the only layer.
    Oci(OciOptions),
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

    /// Fails if images of this format cannot be compressed in this way.
    pub(crate) fn check_compression(&self, compression: Compression) -> Result<()> {
        match self {
            _ if !compression.is_built_in() => {
                Err(Error::invalid_options(format!("{compression} is not built in: the crate's feature `xz` is off")))
            }
            Format::Oci(_) if compression.layer_media_type().is_none() => {
                Err(Error::invalid_options(format!("a layer of an OCI image cannot be compressed with {compression}")))
            }
            Format::Unified(_) if compression.is_filesystem() => Err(Error::invalid_options(format!(
                "a unified image is an archive, and {compression} makes a filesystem"
            ))),
            Format::Tar | Format::Unified(_) | Format::Split(_) | Format::Oci(_) => Ok(()),
        }
    }

    /// Whether an image is one file, and can be written to a stream.
    pub(crate) fn is_one_file(&self) -> bool {
        match self {
            Format::Tar | Format::Unified(_) => true,
            Format::Split(_) | Format::Oci(_) => false,
        }
    }

    /// Where the tree stands in the archive.
    pub(crate) fn placement(&self) -> Placement {
        match self {
            Format::Tar => Placement::default(),
            Format::Oci(_) => Placement { is_layer: true, ..Placement::default() },
            Format::Unified(_) => Placement { prefix: b"rootfs/", unpacked_without_dev: true, is_layer: false },
            Format::Split(_) => Placement { prefix: b"", unpacked_without_dev: true, is_layer: false },
        }
    }

    /// The default for holes. LXD and Incus unpack GNU tar's sparse format.
    pub(crate) fn default_sparse(&self) -> Sparse {
        match self {
            Format::Tar | Format::Oci(_) => Sparse::Never,
            Format::Unified(_) | Format::Split(_) => Sparse::Auto,
        }
    }

    /// The parts of an image of the tree.
    pub(crate) fn plan(&self, tree: &Tree<'_>) -> Result<Plan<'_>> {
        Ok(match self {
            Format::Tar | Format::Unified(_) => Plan::File,
            Format::Split(_) => Plan::Split,
            Format::Oci(oci) => Plan::Oci { tag: oci.ref_name(), draft: oci.draft(tree)? },
        })
    }

    /// The members around the tree, or, of a split image, beside it.
    pub(crate) fn extra_members(&self, tree: &Tree<'_>, cancel: &CancelToken) -> Result<ExtraMembers> {
        match self {
            Format::Tar | Format::Oci(_) => Ok(ExtraMembers::default()),
            Format::Unified(lxd) | Format::Split(lxd) => lxd.extra_members(tree, cancel),
        }
    }
}

/// The parts of an image, decided before it is packed.
pub(crate) enum Plan<'a> {
    /// One file.
    File,
    /// Two files: metadata and rootfs.
    Split,
    /// A layer and two documents.
    Oci {
        /// The name of the image.
        tag: Option<&'a Tag>,
        draft: Draft<'a>,
    },
}
