//! What is in an image, in figures.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::read::compare::contents::Kind;
use crate::read::compare::image::{Archive, Reading};
use crate::read::image::format::Format;
use crate::read::image::source::Source;

/// How many of the largest files are told.
const LARGEST: usize = 10;

/// An image in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How it is laid out.
    pub format: Format,
    /// What it is called by; see [`Verified`](crate::Verified). It is computed, and not compared with the name of the image.
    pub fingerprint: Fingerprint,
    /// Of the tree; of several layers, their chain ID.
    pub diff_id: Fingerprint,
    /// The size of all its files, in bytes.
    pub size: u64,
    /// What it is made of: one file, metadata and tree, or layers from the lowest one up.
    pub archives: Vec<Archive>,
    /// How many entries the tree has of each kind. Further names of an entry are `hard link`s.
    pub entries: BTreeMap<&'static str, u64>,
    /// The bytes of content of all files, holes included.
    pub content: u64,
    /// The ten largest files.
    pub largest: Vec<(PathBuf, u64)>,
    /// What the image says of itself: the text of `metadata.yaml`, or an OCI image's configuration in JSON. Nobody has looked at
    /// it.
    pub description: Option<Vec<u8>>,
}

impl Summary {
    /// The size of all its uncompressed tars, in bytes.
    #[must_use]
    pub fn tar_size(&self) -> u64 {
        self.archives.iter().map(|archive| archive.tar_size).sum()
    }
}

impl Source {
    /// Reads the one image that is meant and sums up what is in it.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is [malformed](crate::ErrorKind::Malformed). That nothing is found wrong does not mean that it is sound:
    /// see [`Source::verify`].
    pub fn inspect(&self) -> Result<Summary> {
        let Reading { format, fingerprint, diff_id, size, tree, description, archives, .. } = self.read()?;
        let (mut entries, mut seen) = (BTreeMap::new(), BTreeSet::new());
        let (mut content, mut largest) = (0_u64, BTreeSet::new());
        for (path, inode) in tree.entries() {
            let is_first = seen.insert(inode.number);
            let kind = if is_first { inode.node.kind.name() } else { "hard link" };
            *entries.entry(kind).or_default() += 1;
            if let (Kind::File(file), true) = (&inode.node.kind, is_first) {
                // A file may claim to be as large as it likes.
                content = content.saturating_add(file.size);
                largest.insert((Reverse(file.size), path));
                if largest.len() > LARGEST {
                    largest.pop_last();
                }
            }
        }
        let largest = largest.iter().map(|(Reverse(size), path)| (OsStr::from_bytes(path).into(), *size)).collect();
        Ok(Summary { format, fingerprint, diff_id, size, archives, entries, content, largest, description })
    }
}
