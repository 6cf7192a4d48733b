//! The formats of images, and which one an archive is.

use std::fmt;

use crate::format::InvalidMetadata;
use crate::read::archive::error::{Flaw, quoted};
use crate::read::archive::member::{Kind, Member};

/// How an image is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One archive with the tree at its top.
    Tar,
    /// LXD's and Incus's image in one archive: `metadata.yaml`, `rootfs`, perhaps `templates`.
    Unified,
    /// LXD's and Incus's image in two files: one with `metadata.yaml` and `templates`, one with the tree.
    Split,
    /// An OCI image layout, a directory.
    Oci,
}

/// Who imports an image, and so what there is beside the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Plain,
    Lxd,
    Oci,
}

impl Format {
    /// The name on the command line and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Tar => "tar",
            Format::Unified => "unified",
            Format::Split => "split",
            Format::Oci => "oci",
        }
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Format::Tar => Family::Plain,
            Format::Unified | Format::Split => Family::Lxd,
            Format::Oci => Family::Oci,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The file that LXD's and Incus's images are described in, and where the tree is in a unified one.
pub(crate) const METADATA: &[u8] = b"metadata.yaml";
pub(crate) const ROOTFS: &[u8] = b"rootfs";
const TEMPLATES: &[u8] = b"templates";

/// The most that LXD and Incus read of the description, in bytes.
pub(crate) const METADATA_LIMIT: u64 = crate::format::Metadata::LIMIT as u64;

/// What the names in an archive say of its format, seen one by one.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    members: u64,
    metadata: Option<Metadata>,
    /// Whether the first member is the top of a tree.
    starts_at_top: bool,
    rootfs: bool,
    /// The first name that LXD's and Incus's images do not have.
    stranger: Option<Vec<u8>>,
}

/// The description, if there is one.
#[derive(Clone, Debug)]
struct Metadata {
    size: u64,
    is_first: bool,
    /// Whether its name is nothing but that.
    is_plain: bool,
    /// Why importers would not take it, as far as it was read.
    fault: Option<InvalidMetadata>,
}

impl Shape {
    /// Takes the next member, whose path is `path`.
    pub(crate) fn see(&mut self, member: &Member, path: &[u8]) {
        let top = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        match (&member.kind, top) {
            (Kind::File { size }, METADATA) if path == METADATA => {
                let (is_first, is_plain) = (self.members == 0, member.name == METADATA);
                self.metadata = Some(Metadata { size: *size, is_first, is_plain, fault: None });
            }
            (Kind::Directory, b"") => self.starts_at_top |= self.members == 0,
            (_, ROOTFS) if path != ROOTFS || member.kind == Kind::Directory => self.rootfs = true,
            (_, TEMPLATES) => {}
            _ => drop(self.stranger.get_or_insert_with(|| path.to_vec())),
        }
        self.members += 1;
    }

    /// Takes what the description says, if the last member was one.
    pub(crate) fn read(&mut self, description: &[u8]) {
        if let Some(metadata) = &mut self.metadata {
            metadata.fault = crate::format::Metadata::parse(description).err();
        }
    }

    /// Whether it is a unified image or a tree that stands alone, once all members were seen. A tree that looks like an image
    /// begins with its top, as `./`, and other names without that; in an image made that way all names have it.
    pub(crate) fn format(&self) -> Format {
        match &self.metadata {
            Some(Metadata { is_first: true, .. }) => Format::Unified,
            Some(metadata) if self.stranger.is_none() && !(self.starts_at_top && metadata.is_plain) => Format::Unified,
            _ => Format::Tar,
        }
    }

    /// Checks that it is a unified image.
    pub(crate) fn check_unified(&self) -> Result<(), Flaw> {
        self.check_described()?;
        if self.rootfs { Ok(()) } else { Err(Flaw::Unsound("it has no rootfs".into())) }
    }

    /// Checks that it is the part of a split image that describes it.
    pub(crate) fn check_metadata(&self) -> Result<(), Flaw> {
        self.check_described()?;
        if self.rootfs { Err(Flaw::Unsound("it has a rootfs beside another one".into())) } else { Ok(()) }
    }

    fn check_described(&self) -> Result<(), Flaw> {
        let Some(metadata) = &self.metadata else {
            return Err(Flaw::Unsound("it has no metadata.yaml that is a regular file".into()));
        };
        if metadata.size > METADATA_LIMIT {
            return Err(Flaw::Unsound(format!(
                "its metadata.yaml has {} bytes, and {METADATA_LIMIT} are the limit",
                metadata.size
            )));
        }
        if let Some(fault) = &metadata.fault {
            return Err(Flaw::Unsound(format!("its metadata.yaml {fault}")));
        }
        match &self.stranger {
            Some(path) => Err(Flaw::Unsound(format!("{} has no place in it", quoted(path)))),
            None => Ok(()),
        }
    }

    /// Whether it has a description, and not as the first member.
    pub(crate) fn is_described_late(&self) -> bool {
        self.metadata.as_ref().is_some_and(|metadata| !metadata.is_first)
    }
}
