//! The result of a pack: the image, its digests and sizes, and where the time went.

use std::path::PathBuf;
use std::time::Duration;

use crate::codec::EncoderVersion;
use crate::fingerprint::Fingerprint;
use crate::format::oci::Layer;
use crate::metrics::{Metrics, Step};
use crate::progress::Pass;
use crate::sink::destination::Outcome;
use crate::tree::changes::Change;
use crate::tree::filter::Exclusion;

/// A complete image: the result of [`Pack::publish`](crate::Pack::publish) and [`Pack::write`](crate::Pack::write).
///
/// Sizes are bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Image {
    /// The image's identity. The sha256 of its file; of a split image, of `metadata` and `rootfs` concatenated; of an OCI image,
    /// of its manifest.
    pub fingerprint: Fingerprint,
    /// Whether the image was published, was there already, was not kept, or was streamed.
    pub outcome: Outcome,
    /// The image's file; a split image's directory; an OCI image's layout. It begins with the output directory as it was given.
    /// `None` if the image was streamed or not kept.
    pub path: Option<PathBuf>,
    /// The sum of the sizes of the image's files.
    pub size: u64,
    /// The size of the uncompressed tar; of a split image, that of its rootfs.
    pub tar_size: u64,
    /// The sha256 of the uncompressed tar. `None` if [`Pack::diff_id`](crate::Pack::diff_id) was not set, the image is compressed,
    /// and its format is not OCI.
    pub diff_id: Option<Fingerprint>,
    /// The layer of an OCI image; `None` in other formats.
    pub layer: Option<Layer>,
    /// Members of the archive; of a split image, of both archives.
    pub entries: u64,
    /// Sockets in the tree. An archive cannot hold them.
    pub sockets_skipped: u64,
    /// Mount points whose mounted content was not packed. A directory itself was packed, empty.
    pub mounts_skipped: Vec<PathBuf>,
    /// Exclusions that matched no path of the tree. One below a directory that another exclusion leaves out is among them.
    pub unmatched_exclusions: Vec<Exclusion>,
    /// Entries that changed while they were packed, sorted by path: the first 1,000 that were found. Always empty unless
    /// [`Pack::live`](crate::Pack::live) was set.
    pub changes: Vec<Change>,
    /// How many more changes were found. Of one entry there may be several.
    pub further_changes: u64,
    /// The encoders that made the image; empty if it is not compressed.
    pub encoders: Vec<EncoderVersion>,
    /// The time from the call to the return.
    pub wall: Duration,
    /// The phases in order. Their sum is nearly `wall`.
    pub phases: Vec<(Phase, Duration)>,
    /// The time that all threads together spent on each step.
    pub step_times: StepTimes,
    /// Bytes of content read from the tree, for the archive and to find [holes](crate::Sparse::Auto), and of the temporary tar read back.
    pub bytes_read: u64,
    /// The size of the temporary tar, which was on the disk until the image was complete. 0 if there was none.
    pub temporary_tar: u64,
}

impl Image {
    /// The most bytes that this pack held at one time on the filesystem of the output directory.
    #[must_use]
    pub fn scratch_peak(&self) -> u64 {
        self.temporary_tar + if self.outcome == Outcome::Streamed { 0 } else { self.size }
    }
}

/// A phase of a pack. Phases follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// A pass over the data.
    Pass(Pass),
    /// The fsync of the image.
    Sync,
    /// Giving the image its name, and the fsync of the directory.
    Publish,
}

impl Phase {
    /// The name in records: that of the [pass](Pass::name), `sync` or `publish`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Pass(pass) => pass.name(),
            Phase::Sync => "sync",
            Phase::Publish => "publish",
        }
    }
}

/// The time that all threads together spent on each step, including waits for the disk or a processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepTimes {
    /// Listing directories and cutting segments.
    pub walk: Duration,
    /// Opening and reading files, and writing headers; in a second pass, reading the temporary tar.
    pub frame: Duration,
    /// Compressing.
    pub encode: Duration,
    /// Hashing.
    pub hash: Duration,
    /// Writing the image and the temporary tar.
    pub write: Duration,
}

impl StepTimes {
    pub(crate) fn of(metrics: &Metrics) -> Self {
        StepTimes {
            walk: metrics.spent_on(Step::Walk),
            frame: metrics.spent_on(Step::Frame),
            encode: metrics.spent_on(Step::Encode),
            hash: metrics.spent_on(Step::Hash),
            write: metrics.spent_on(Step::Write),
        }
    }
}
