//! The members of LXD and Incus images around the rootfs: `metadata.yaml` before it, templates behind it.
//!
//! Source: the [LXD image format](https://documentation.ubuntu.com/lxd/latest/reference/image_format/).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::buffer::Buffer;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::format::architecture::Architecture;
use crate::format::defaults;
use crate::format::metadata::Metadata;
use crate::format::os_release;
use crate::format::templates;
use crate::segment::{ExtraMembers, FramedMembers};
use crate::tar;
use crate::tree::Tree;
use crate::tree::entry::Member;
use crate::tree::stat::Timestamp;

/// The metadata and templates of an LXD or Incus image.
///
/// Values that are not set come from the tree, so the same tree gives the same fingerprint: the architecture from its shell, the
/// properties `os`, `release` and `description` from its `etc/os-release`, the date from the modification time of its top directory.
///
/// ```
/// use packer::{Architecture, Format, LxdOptions, Pack};
///
/// let lxd = LxdOptions::new().architecture(Architecture::Aarch64).property("variant", "minimal");
/// let pack = Pack::new("/srv/rootfs").format(Format::Unified(lxd));
/// ```
#[derive(Clone, Debug, Default)]
pub struct LxdOptions {
    metadata: Option<Metadata>,
    architecture: Option<Architecture>,
    created: Option<i64>,
    properties: BTreeMap<String, String>,
    templates: Option<PathBuf>,
}

impl LxdOptions {
    /// Metadata from the tree alone, no templates.
    #[must_use]
    pub fn new() -> Self {
        LxdOptions::default()
    }

    /// Uses this `metadata.yaml` instead of values from the tree. Default: none.
    #[must_use]
    pub fn metadata(self, metadata: Metadata) -> Self {
        LxdOptions { metadata: Some(metadata), ..self }
    }

    /// Sets the architecture, also in a given [`metadata`](Self::metadata). Default: the one that the tree's shell was built for.
    #[must_use]
    pub fn architecture(self, architecture: Architecture) -> Self {
        LxdOptions { architecture: Some(architecture), ..self }
    }

    /// Sets the creation date, in seconds since 1970. A given [`metadata`](Self::metadata) keeps its own. Default: the modification
    /// time of the tree's top directory.
    #[must_use]
    pub fn created(self, seconds: i64) -> Self {
        LxdOptions { created: Some(seconds), ..self }
    }

    /// Sets a property, also in a given [`metadata`](Self::metadata).
    #[must_use]
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// Adds the files and directories below `directory` as templates, at most 16 MiB. Default: none.
    #[must_use]
    pub fn templates(self, directory: impl Into<PathBuf>) -> Self {
        LxdOptions { templates: Some(directory.into()), ..self }
    }

    /// The members around the tree.
    pub(crate) fn extra_members(&self, tree: &Tree<'_>, cancel: &CancelToken) -> Result<ExtraMembers> {
        let metadata = self.complete(tree)?;
        let text = metadata.text().map_err(|error| Error::invalid_input("metadata.yaml", error.to_string()))?;
        let (mut member, mut framed) = (Member::file(b"metadata.yaml", text.len() as u64), Buffer::default());
        member.modified = Timestamp { seconds: metadata.created(), nanoseconds: 0 };
        tar::append_member(&member, text.as_bytes(), &mut framed);
        let prefix = FramedMembers { bytes: framed[..].into(), count: 1 };
        let suffix = match (&self.templates, metadata.templates().next()) {
            (Some(from), _) => Some(templates(from, &metadata, cancel)?),
            (None, None) => None,
            (None, Some(name)) => {
                let what = format!("names the template `{}`, and no templates are given", name.escape_debug());
                return Err(Error::invalid_input("metadata.yaml", what));
            }
        };
        Ok(ExtraMembers { prefix: Some(prefix), suffix })
    }

    /// The metadata with every option applied.
    fn complete(&self, tree: &Tree<'_>) -> Result<Metadata> {
        let metadata = match (&self.metadata, self.architecture) {
            (Some(metadata), None) => metadata.clone(),
            (Some(metadata), Some(architecture)) => metadata.clone().architecture(architecture),
            (None, _) => return self.metadata_of(tree),
        };
        let set = |metadata: Metadata, (key, value): (&String, &String)| metadata.property(key, value);
        Ok(self.properties.iter().fold(metadata, set))
    }

    /// Metadata without a given `metadata.yaml`.
    fn metadata_of(&self, tree: &Tree<'_>) -> Result<Metadata> {
        let architecture = defaults::architecture(self.architecture, tree)?;
        let release = os_release::release(tree).map_err(|error| error.below(tree.path()))?;
        let one_of =
            |names: &[&str]| names.iter().find_map(|name| release.get(*name)).filter(|value| !value.is_empty());
        let mut properties = BTreeMap::from([("architecture".to_owned(), architecture.lxd().to_owned())]);
        for (property, names) in [
            ("os", &["ID"][..]),
            ("release", &["VERSION_CODENAME", "VERSION_ID"]),
            ("description", &["PRETTY_NAME", "NAME"]),
        ] {
            properties.extend(one_of(names).map(|value| (property.to_owned(), value.clone())));
        }
        properties.extend(self.properties.clone());
        Ok(Metadata::new(architecture, defaults::created(self.created, tree), &properties))
    }
}

fn templates(from: &Path, metadata: &Metadata, cancel: &CancelToken) -> Result<FramedMembers> {
    let templates = templates::read(from, metadata.created(), cancel)?;
    if let Some(missing) = metadata.templates().find(|name| !templates.names.contains(name.as_bytes())) {
        return Err(Error::invalid_input(from.join(missing), "is named as a template, and is not there"));
    }
    Ok(templates.framed)
}
