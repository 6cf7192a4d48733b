//! The summary of an image, in figures.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::read::compare::contents::NodeKind;
use crate::read::compare::image::{ArchiveSummary, LoadedImage};
use crate::read::context::each;
use crate::read::image::format::ImageFormat;
use crate::read::image::source::Source;

/// The number of files in [`Summary::largest`].
const LARGEST: usize = 10;

/// The figures of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The format.
    pub format: ImageFormat,
    /// The fingerprint as in [`Verified`](crate::Verified), not compared with the name of the image.
    pub fingerprint: Fingerprint,
    /// The sha256 of the tree's uncompressed tar; of several layers, their chain ID.
    pub diff_id: Fingerprint,
    /// The size of all files, in bytes.
    pub size: u64,
    /// The archives: one file, metadata and tree, or the layers from the lowest one up.
    pub archives: Vec<ArchiveSummary>,
    /// The number of entries of each kind in the tree. Further names of a file count as `hard link`.
    pub entries: BTreeMap<&'static str, u64>,
    /// The content of all files, holes included, in bytes; at most [`u64::MAX`].
    pub content: u64,
    /// The ten largest files with their sizes in bytes, the largest first.
    pub largest: Vec<(PathBuf, u64)>,
    /// The text of `metadata.yaml`, or the configuration of an OCI image in JSON; `None` in other formats. Not validated.
    pub description: Option<Vec<u8>>,
}

impl Summary {
    /// The size of all uncompressed tars, in bytes.
    #[must_use]
    pub fn tar_size(&self) -> u64 {
        self.archives.iter().map(|archive| archive.tar_size).sum()
    }
}

impl Source {
    /// Reads the image and summarizes its content.
    ///
    /// Success does *not* mean that the image is sound: see [`verify`](Self::verify).
    ///
    /// # Errors
    ///
    /// If a file cannot be read, if the image cannot be unpacked because it is [malformed](crate::ErrorKind::Malformed), or if a layout
    /// holds several images and none was selected.
    pub fn inspect(&self) -> Result<Summary> {
        let LoadedImage { format, fingerprint, diff_id, size, tree, description, archives, .. } =
            self.load(self.token())?;
        let (mut entries, mut seen) = (BTreeMap::new(), BTreeSet::new());
        let (mut content, mut largest) = (0_u64, BTreeSet::new());
        each(tree.entries(), self.token(), |(path, inode)| {
            let is_first = seen.insert(inode.number);
            let kind = if is_first { inode.node.kind.name() } else { "hard link" };
            *entries.entry(kind).or_default() += 1;
            if let (NodeKind::File(file), true) = (&inode.node.kind, is_first) {
                // A sparse file may claim any size.
                content = content.saturating_add(file.size);
                largest.insert((Reverse(file.size), path));
                if largest.len() > LARGEST {
                    largest.pop_last();
                }
            }
        })?;
        let largest = largest.iter().map(|(Reverse(size), path)| (OsStr::from_bytes(path).into(), *size)).collect();
        Ok(Summary { format, fingerprint, diff_id, size, archives, entries, content, largest, description })
    }
}
