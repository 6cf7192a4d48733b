//! The formats of images, and detection of an archive's format by its members.

use std::fmt;

use crate::format::InvalidMetadata;
use crate::read::archive::error::{ReadError, quoted};
use crate::read::archive::member::{Member, MemberKind};

/// The format of an image that was read. [`Format`](crate::Format) is what a pack is asked for, with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImageFormat {
    /// One archive with the tree at its top.
    Tar,
    /// One archive for LXD and Incus: `metadata.yaml`, `rootfs`, perhaps `templates`.
    Unified,
    /// Two files for LXD and Incus: one with `metadata.yaml` and `templates`, one with the tree.
    Split,
    /// An image in an OCI image layout, which is a directory.
    Oci,
}

/// The importers of an image, which decide what it has beside the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Importer {
    Plain,
    Lxd,
    Oci,
}

impl ImageFormat {
    /// The name in records: `tar`, `unified`, `split` or `oci`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ImageFormat::Tar => "tar",
            ImageFormat::Unified => "unified",
            ImageFormat::Split => "split",
            ImageFormat::Oci => "oci",
        }
    }

    pub(crate) fn importer(self) -> Importer {
        match self {
            ImageFormat::Tar => Importer::Plain,
            ImageFormat::Unified | ImageFormat::Split => Importer::Lxd,
            ImageFormat::Oci => Importer::Oci,
        }
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The description of an image for LXD and Incus.
pub(crate) const METADATA: &[u8] = b"metadata.yaml";
/// The directory of the tree in a unified image.
pub(crate) const ROOTFS: &[u8] = b"rootfs";
const TEMPLATES: &[u8] = b"templates";

/// The longest description that LXD and Incus read, in bytes.
pub(crate) const METADATA_LIMIT: u64 = crate::format::Metadata::LIMIT as u64;

/// Detects the format of an archive from its members.
#[derive(Debug, Default)]
pub(crate) struct FormatDetector {
    members: u64,
    metadata: Option<Metadata>,
    /// Whether the first member is the top of a tree.
    starts_at_top: bool,
    rootfs: bool,
    /// The first name that has no place in an image for LXD and Incus.
    stranger: Option<Vec<u8>>,
}

/// The member `metadata.yaml`.
#[derive(Clone, Debug)]
struct Metadata {
    size: u64,
    is_first: bool,
    /// Whether its name is written without `./`.
    is_plain: bool,
    /// Why importers would refuse it.
    fault: Option<InvalidMetadata>,
}

impl FormatDetector {
    /// Adds the next member; `path` is its normalized name.
    pub(crate) fn add(&mut self, member: &Member, path: &[u8]) {
        let top = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        match (&member.kind, top) {
            (MemberKind::File { size }, METADATA) if path == METADATA => {
                let (is_first, is_plain) = (self.members == 0, member.name == METADATA);
                self.metadata = Some(Metadata { size: *size, is_first, is_plain, fault: None });
            }
            (MemberKind::Directory, b"") => self.starts_at_top |= self.members == 0,
            (_, ROOTFS) if path != ROOTFS || member.kind == MemberKind::Directory => self.rootfs = true,
            (_, TEMPLATES) => {}
            _ => drop(self.stranger.get_or_insert_with(|| path.to_vec())),
        }
        self.members += 1;
    }

    /// Adds the content of the description, which was the last member.
    pub(crate) fn add_description(&mut self, description: &[u8]) {
        if let Some(metadata) = &mut self.metadata {
            metadata.fault = crate::format::Metadata::parse(description).err();
        }
    }

    /// Tells a unified image from a plain tree, once all members were added. A plain tree that has the names of an image begins
    /// with its top, as `./`, and its other names lack the `./`; in an image that begins with `./` all names have it.
    pub(crate) fn format(&self) -> ImageFormat {
        match &self.metadata {
            Some(Metadata { is_first: true, .. }) => ImageFormat::Unified,
            Some(metadata) if self.stranger.is_none() && !(self.starts_at_top && metadata.is_plain) => {
                ImageFormat::Unified
            }
            _ => ImageFormat::Tar,
        }
    }

    /// Checks that the archive is a unified image.
    pub(crate) fn check_unified(&self) -> Result<(), ReadError> {
        self.check_description()?;
        if self.rootfs { Ok(()) } else { Err(ReadError::Malformed("it has no rootfs".into())) }
    }

    /// Checks that the archive is the metadata file of a split image.
    pub(crate) fn check_metadata(&self) -> Result<(), ReadError> {
        self.check_description()?;
        if self.rootfs { Err(ReadError::Malformed("it has a rootfs beside another one".into())) } else { Ok(()) }
    }

    fn check_description(&self) -> Result<(), ReadError> {
        let Some(metadata) = &self.metadata else {
            return Err(ReadError::Malformed("it has no metadata.yaml that is a regular file".into()));
        };
        if metadata.size > METADATA_LIMIT {
            return Err(ReadError::Malformed(format!(
                "its metadata.yaml has {} bytes, and {METADATA_LIMIT} are the limit",
                metadata.size
            )));
        }
        if let Some(fault) = &metadata.fault {
            return Err(ReadError::Malformed(format!("its metadata.yaml {fault}")));
        }
        match &self.stranger {
            Some(path) => Err(ReadError::Malformed(format!("{} has no place in it", quoted(path)))),
            None => Ok(()),
        }
    }

    /// Whether there is a description, and another member before it.
    pub(crate) fn has_late_metadata(&self) -> bool {
        self.metadata.as_ref().is_some_and(|metadata| !metadata.is_first)
    }
}
