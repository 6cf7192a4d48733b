//! What a pack tells of the image that it made.

use std::path::PathBuf;
use std::time::Duration;

use crate::codec::EncoderVersion;
use crate::fingerprint::Fingerprint;
use crate::metrics::{Metrics, Step};
use crate::progress::Pass;
use crate::publish::directory::Outcome;
use crate::tree::changes::Change;

/// A complete image.
#[derive(Clone, Debug)]
pub struct Image {
    /// What it is known by: the sha256 of the file; of a split image, of its two files one behind the other; of an OCI image, of
    /// its manifest.
    pub fingerprint: Fingerprint,
    /// What became of it.
    pub outcome: Outcome,
    /// Where it stands, if it was kept: a file in the output directory as it was given, or a directory with the two files of a
    /// split image; of an OCI image, the layout that it was added to.
    pub path: Option<PathBuf>,
    /// The size of its files together, in bytes.
    pub size: u64,
    /// The size of the uncompressed tar, in bytes; of a split image, of the tar of its rootfs.
    pub tar_size: u64,
    /// The sha256 of the uncompressed tar, where it was asked for, or where the image is that tar, or an OCI image.
    pub diff_id: Option<Fingerprint>,
    /// The sha256 of an OCI image's layer.
    pub layer: Option<Fingerprint>,
    /// Members of the archive; of a split image, of both.
    pub entries: u64,
    /// Sockets, which an archive cannot hold.
    pub sockets_skipped: u64,
    /// Where something else is mounted that was not packed. Of a directory, the mount point itself was.
    pub mounts_skipped: Vec<PathBuf>,
    /// What changed while it was packed, sorted by path; only ever of a [`live`](crate::Pack::live) tree.
    pub changes: Vec<Change>,
    /// What compressed it.
    pub encoders: Vec<EncoderVersion>,
    /// From the call to the return.
    pub wall: Duration,
    /// The phases in order; together they are nearly all of `wall`.
    pub phases: Vec<(Phase, Duration)>,
    /// Where the threads were.
    pub busy: Busy,
    /// Bytes of content read from the tree, and of the temporary tar read back.
    pub bytes_read: u64,
    /// Bytes of the temporary tar that was written, and held on the disk until the image was complete.
    pub temporary_tar: u64,
}

impl Image {
    /// The most that this pack held on the filesystem of the output directory at one time, in bytes.
    #[must_use]
    pub fn scratch_peak(&self) -> u64 {
        self.temporary_tar + if self.outcome == Outcome::Streamed { 0 } else { self.size }
    }
}

/// A part of a pack's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A pass over the data.
    Pass(Pass),
    /// The fsync of the image.
    Sync,
    /// Giving it its name, and the fsync of the directory.
    Publish,
}

/// The time that all threads together spent on each step; waiting for a disk or a processor is included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// Listing directories and cutting segments.
    pub walk: Duration,
    /// Opening and reading files and writing headers; in a second pass, reading the temporary tar.
    pub frame: Duration,
    /// Compressing.
    pub encode: Duration,
    /// Hashing.
    pub hash: Duration,
    /// Writing the image and the temporary tar.
    pub write: Duration,
}

impl Busy {
    pub(crate) fn of(metrics: &Metrics) -> Self {
        Busy {
            walk: metrics.spent_on(Step::Walk),
            frame: metrics.spent_on(Step::Frame),
            encode: metrics.spent_on(Step::Encode),
            hash: metrics.spent_on(Step::Hash),
            write: metrics.spent_on(Step::Write),
        }
    }
}
