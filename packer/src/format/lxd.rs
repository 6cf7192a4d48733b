//! What LXD and Incus images hold beside the rootfs: `metadata.yaml` first, and templates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::buffer::Buffer;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::format::architecture::Architecture;
use crate::format::metadata::Metadata;
use crate::format::os_release;
use crate::format::templates;
use crate::segment::{Extras, Framed};
use crate::tar;
use crate::tree::entry::{Entry, Timestamp};
use crate::tree::walk::Tree;

/// What an LXD or Incus image says of itself, and its templates.
///
/// What is not given is made from the tree: the architecture from the tree's shell; the properties `os`, `release`,
/// `description` and `architecture` from its `etc/os-release`; the date from the time of its top directory. So the same tree gives
/// the same fingerprint.
#[derive(Clone, Debug, Default)]
pub struct Lxd {
    metadata: Option<Metadata>,
    architecture: Option<Architecture>,
    created: Option<i64>,
    properties: BTreeMap<String, String>,
    templates: Option<PathBuf>,
}

impl Lxd {
    /// Everything is made from the tree; no templates.
    #[must_use]
    pub fn new() -> Self {
        Lxd::default()
    }

    /// A `metadata.yaml` to begin with. Nothing is made from the tree then.
    #[must_use]
    pub fn metadata(self, metadata: Metadata) -> Self {
        Lxd { metadata: Some(metadata), ..self }
    }

    /// The architecture; one in a [`metadata`](Self::metadata) is replaced.
    #[must_use]
    pub fn architecture(self, architecture: Architecture) -> Self {
        Lxd { architecture: Some(architecture), ..self }
    }

    /// When the image was made, in seconds since 1970; a date in a [`metadata`](Self::metadata) stays.
    #[must_use]
    pub fn created(self, seconds: i64) -> Self {
        Lxd { created: Some(seconds), ..self }
    }

    /// A property; one of the same name is replaced.
    #[must_use]
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// The directory with the templates: files and directories, 16 MiB at most.
    #[must_use]
    pub fn templates(self, directory: impl Into<PathBuf>) -> Self {
        Lxd { templates: Some(directory.into()), ..self }
    }

    /// The members around the tree.
    pub(crate) fn extras(&self, tree: &Tree<'_>, cancel: &CancelToken) -> Result<Extras> {
        let metadata = self.complete(tree)?;
        let created = metadata.created();
        let text = metadata.text().map_err(|error| Error::invalid_input("metadata.yaml", error.to_string()))?;
        let (mut member, mut before) = (Entry::made_up(b"metadata.yaml", text.len() as u64), Buffer::default());
        member.modified = Timestamp { seconds: created, nanoseconds: 0 };
        tar::member(&member, text.as_bytes(), &mut before);
        let before = Framed { bytes: before[..].into(), members: 1 };
        let after = match (&self.templates, metadata.templates().next()) {
            (Some(from), _) => Some(templates(from, &metadata, cancel)?),
            (None, None) => None,
            (None, Some(name)) => {
                let what = format!("names the template `{}`, and no templates are given", name.escape_debug());
                return Err(Error::invalid_input("metadata.yaml", what));
            }
        };
        Ok(Extras { before: Some(before), after })
    }

    fn complete(&self, tree: &Tree<'_>) -> Result<Metadata> {
        let metadata = match (&self.metadata, self.architecture) {
            (Some(metadata), None) => metadata.clone(),
            (Some(metadata), Some(architecture)) => metadata.clone().architecture(architecture),
            (None, _) => return self.made(tree),
        };
        let set = |metadata: Metadata, (key, value): (&String, &String)| metadata.property(key, value);
        Ok(self.properties.iter().fold(metadata, set))
    }

    fn made(&self, tree: &Tree<'_>) -> Result<Metadata> {
        let architecture = architecture(self.architecture, tree)?;
        let release = os_release::release(tree.top());
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
        Ok(Metadata::new(architecture, created(self.created, tree), &properties))
    }
}

/// What was asked for, or what the tree's programs were built for.
pub(super) fn architecture(given: Option<Architecture>, tree: &Tree<'_>) -> Result<Architecture> {
    given.or_else(|| os_release::architecture(tree.top())).ok_or_else(|| {
        Error::invalid_input(tree.path(), "has no shell that would tell its architecture, which has to be given then")
    })
}

/// What was asked for, or the time of the tree's top directory, in seconds since 1970.
pub(super) fn created(given: Option<i64>, tree: &Tree<'_>) -> i64 {
    given.unwrap_or_else(|| tree.modified().seconds)
}

fn templates(from: &Path, metadata: &Metadata, cancel: &CancelToken) -> Result<Framed> {
    let templates = templates::read(from, metadata.created(), cancel)?;
    if let Some(missing) = metadata.templates().find(|name| !templates.names.contains(name.as_bytes())) {
        return Err(Error::invalid_input(from.join(missing), "is named as a template, and is not there"));
    }
    Ok(templates.framed)
}
