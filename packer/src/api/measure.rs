//! Measuring a tree: the entries and the size of the tar that a pack would make, without packing.

use std::path::PathBuf;

use crate::api::pack::Pack;
use crate::error::Result;
use crate::format::Format;
use crate::tar;
use crate::tree::changes::{Change, Changes};
use crate::tree::filter::Exclusion;

/// What a pack of the same tree would count; made by [`Pack::measure`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measurement {
    /// Members of the archive, as [`Image::entries`](crate::Image::entries).
    pub entries: u64,
    /// The size of the uncompressed tar in bytes, as [`Image::tar_size`](crate::Image::tar_size).
    pub tar_size: u64,
    /// Sockets, which an archive cannot hold.
    pub sockets_skipped: u64,
    /// Mount points whose content is left out, as [`Image::mounts_skipped`](crate::Image::mounts_skipped).
    pub mounts_skipped: Vec<PathBuf>,
    /// Exclusions that match nothing, as [`Image::unmatched_exclusions`](crate::Image::unmatched_exclusions).
    pub unmatched_exclusions: Vec<Exclusion>,
    /// Entries that were gone before they were looked at, and directories that changed meanwhile; only of a [`live`](Pack::live) tree.
    pub changes: Vec<Change>,
    /// How many more changes were found, as [`Image::further_changes`](crate::Image::further_changes).
    pub further_changes: u64,
}

impl Pack {
    /// Walks the tree and adds up what a pack would put into the archive. Nothing is compressed and nothing is written.
    ///
    /// File contents are not read, unless [`Sparse::Auto`](crate::Sparse::Auto) applies: then files of at least 16 MiB are, to find
    /// their holes. So a file that cannot be read does not fail it.
    ///
    /// # Errors
    ///
    /// Options that exclude each other, an entry that cannot be listed or that the archive cannot hold, or
    /// [cancellation](Self::cancel_token).
    pub fn measure(&self) -> Result<Measurement> {
        self.format.check_compression(self.compression)?;
        let (tree, changes) =
            (self.open_tree(&self.cancel)?.with_outputs(self.outputs.clone()), Changes::new(self.live));
        let extras = self.format.extra_members(&tree, &self.cancel)?;
        if let Format::Oci(oci) = &self.format {
            // A tree whose architecture is unknown makes no OCI image.
            oci.draft(&tree)?;
        }
        let located = |error: crate::Error| error.below(tree.path());
        let (mut entries, mut tar_size) = (extras.count(), tar::END_OF_ARCHIVE_SIZE as u64);
        // The extras of a split image have a tar of their own.
        if !matches!(&self.format, Format::Split(_)) {
            tar_size += extras.length();
        }
        let mut walk = tree.walk(&changes).map_err(located)?;
        for entry in walk.by_ref() {
            tar_size += entry.and_then(|entry| tar::framed_length(&entry.member)).map_err(located)?;
            entries += 1;
        }
        walk.finish().map_err(located)?;
        let skipped = walk.left_out().clone();
        let (changes, further_changes) = changes.below(tree.path());
        Ok(Measurement {
            entries,
            tar_size,
            sockets_skipped: skipped.sockets,
            mounts_skipped: skipped.mounts.iter().map(|path| tree.path().join(path)).collect(),
            unmatched_exclusions: tree.unmatched_exclusions(),
            changes,
            further_changes,
        })
    }
}
