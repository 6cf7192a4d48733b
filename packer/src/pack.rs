//! Packing, as seen from outside: options in, a published image out.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::buffer::Buffers;
use crate::changes::{Change, Changes};
use crate::codec::{Compression, EncoderVersion};
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::job::{self, Job};
use crate::observer::{Meter, Observer, Pass, Step};
use crate::output::Written;
use crate::owners::Owners;
use crate::publish::{Outcome, Shelf};
use crate::rules::{Exclusion, Rules};
use crate::sparse::Sparse;
use crate::strategy::Strategy;
use crate::tree::Tree;

/// A pack that is to be run.
///
/// ```no_run
/// use packer::{Compression, Pack, Strategy};
///
/// let pack = Pack::new("/srv/rootfs").compression(Compression::ZSTD).strategy(Strategy::SingleStream);
/// let image = pack.publish("/srv/images", &())?;
/// println!("{} of {} bytes", image.fingerprint, image.size);
/// # Ok::<(), packer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pack {
    rootfs: PathBuf,
    compression: Compression,
    strategy: Strategy,
    threads: NonZeroUsize,
    diff_id: bool,
    live: bool,
    max_size: Option<u64>,
    known: Option<Fingerprint>,
    rules: Rules,
}

impl Pack {
    /// Packs the directory `rootfs`.
    ///
    /// Defaults: [`Compression::GZIP`], [`Strategy::SingleStream`], one thread, no diffID; everything on the tree's own mount
    /// with its own owners and times; an entry that changes meanwhile fails the pack.
    #[must_use]
    pub fn new(rootfs: impl Into<PathBuf>) -> Self {
        Pack {
            rootfs: rootfs.into(),
            compression: Compression::default(),
            strategy: Strategy::default(),
            threads: NonZeroUsize::MIN,
            diff_id: false,
            live: false,
            max_size: None,
            known: None,
            rules: Rules::default(),
        }
    }

    /// How the image is compressed.
    #[must_use]
    pub fn compression(self, compression: Compression) -> Self {
        Pack { compression, ..self }
    }

    /// Whether there is an intermediate file.
    #[must_use]
    pub fn strategy(self, strategy: Strategy) -> Self {
        Pack { strategy, ..self }
    }

    /// How many threads frame and encode. With one, they do it in the caller's thread. The image does not depend on it.
    #[must_use]
    pub fn threads(self, threads: NonZeroUsize) -> Self {
        Pack { threads, ..self }
    }

    /// Whether the uncompressed tar is hashed as well.
    #[must_use]
    pub fn diff_id(self, diff_id: bool) -> Self {
        Pack { diff_id, ..self }
    }

    /// What is left out. Directories that match are left out with all that is in them; a further name of a file whose first
    /// name is left out becomes the file.
    #[must_use]
    pub fn exclude(mut self, exclusions: impl IntoIterator<Item = Exclusion>) -> Self {
        self.rules.exclusions.extend(exclusions);
        self
    }

    /// Who owns the entries in the archive.
    #[must_use]
    pub fn owners(mut self, owners: Owners) -> Self {
        self.rules.owners = owners;
        self
    }

    /// No entry's time is later than this, in seconds since 1970.
    #[must_use]
    pub fn clamp_mtime(mut self, latest: i64) -> Self {
        self.rules.latest = Some(latest);
        self
    }

    /// Whether what is mounted below the tree is packed as a part of it. If not, it is listed in [`Image::mounts_skipped`].
    #[must_use]
    pub fn cross_mounts(mut self, cross_mounts: bool) -> Self {
        self.rules.cross_mounts = cross_mounts;
        self
    }

    /// Whether holes are left out of the archive. Default: [`Sparse::Never`].
    #[must_use]
    pub fn sparse(mut self, sparse: Sparse) -> Self {
        self.rules.sparse = sparse;
        self
    }

    /// Whether a tree that is in use is packed as well as can be: an entry that changes meanwhile is completed with zeros to
    /// the length that its header promises, and listed in [`Image::changes`]; one that is gone before it
    /// was looked at is left out, and listed too. What cannot be read still fails the pack.
    #[must_use]
    pub fn live(self, live: bool) -> Self {
        Pack { live, ..self }
    }

    /// The most bytes that the image may have; one that would be larger fails the pack as soon as that shows. The temporary
    /// tar of two passes does not count. Default: no limit.
    #[must_use]
    pub fn max_size(self, max_size: u64) -> Self {
        Pack { max_size: Some(max_size), ..self }
    }

    /// An image with this fingerprint is not kept: its outcome is [`Outcome::Unchanged`]. Default: any image is.
    #[must_use]
    pub fn unless(self, known: Fingerprint) -> Self {
        Pack { known: Some(known), ..self }
    }

    /// Packs, and publishes the image as `<fingerprint>.tar[.gz|.zst]` in the existing directory `output`.
    ///
    /// When this returns an image, the image and its name are on the disk. When it returns an error, nothing is left
    /// behind.
    ///
    /// # Errors
    ///
    /// The first cause: an entry that cannot be read or that changed while it was packed, an output that cannot be
    /// written, an encoder that failed; or that the observer [cancelled](Observer::cancelled) the pack.
    ///
    /// A process that reaches its limit of the size of files (`RLIMIT_FSIZE`) gets `SIGXFSZ`, and this error only if it ignores
    /// or handles that signal.
    pub fn publish(&self, output: impl AsRef<Path>, observer: &dyn Observer) -> Result<Image> {
        let (meter, total) = (Meter::new(observer), AtomicU64::new(0));
        let (framed, encoded) = (Buffers::default(), Buffers::default());
        let (output, started) = (output.as_ref(), meter.now());
        let (tree, changes) = (Tree::open(&self.rootfs, self.rules.clone(), meter.permit())?, Changes::new(self.live));
        let shelf = Shelf::open(output)?;
        let encoders = self.compression.encoders()?;
        let job = Job {
            tree: &tree,
            changes: &changes,
            shelf: &shelf,
            compression: self.compression,
            threads: self.threads.get(),
            diff_id: self.diff_id,
            max_size: self.max_size,
            meter: &meter,
            framed: &framed,
            encoded: &encoded,
            total: &total,
        };
        let packed = measured(&job, || self.strategy.run(&job))?;
        let mut phases: Vec<_> = packed.passes.iter().map(|(pass, took)| (Phase::Pass(*pass), *took)).collect();
        let mut phase = |phase, since| phases.push((phase, meter.now().saturating_sub(since)));
        let Written { staged, fingerprint, length } = packed.written;
        let name = format!("{fingerprint}{}", self.compression.extension());
        let outcome = if self.known == Some(fingerprint) {
            Outcome::Unchanged
        } else {
            meter.permit().check()?;
            let synced = meter.now();
            staged.sync()?;
            meter.permit().check()?;
            phase(Phase::Sync, synced);
            let published = meter.now();
            let outcome = staged.publish(&fingerprint, &name, meter.permit())?;
            phase(Phase::Publish, published);
            outcome
        };
        Ok(Image {
            fingerprint,
            outcome,
            path: (outcome != Outcome::Unchanged).then(|| output.join(name)),
            size: length,
            tar_size: packed.tar_size,
            diff_id: packed.diff_id,
            entries: packed.entries,
            sockets_skipped: packed.left_out.sockets,
            mounts_skipped: packed.left_out.mounts,
            changes: changes.below(&self.rootfs),
            encoders,
            wall: meter.now().saturating_sub(started),
            phases,
            busy: Busy::of(&meter),
            bytes_read: meter.bytes_read(),
            temporary_tar: packed.temporary,
        })
    }

    /// The tree that is packed.
    #[must_use]
    pub fn rootfs(&self) -> &Path {
        &self.rootfs
    }
}

/// Runs `work` while the size of the tar is found out beside it, if somebody wants to know it.
fn measured<Value>(job: &Job<'_>, work: impl FnOnce() -> Result<Value>) -> Result<Value> {
    if !job.meter.observer().wants_progress() {
        return work();
    }
    let working = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| job::announce(job, || working.load(Ordering::Relaxed)));
        let result = work();
        working.store(false, Ordering::Relaxed);
        result
    })
}

/// A published image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The sha256 of the file.
    pub fingerprint: Fingerprint,
    /// What became of it.
    pub outcome: Outcome,
    /// Where it stands, if it was kept: the output directory as it was given, and the name.
    pub path: Option<PathBuf>,
    /// The size of the file, in bytes.
    pub size: u64,
    /// The size of the uncompressed tar, in bytes.
    pub tar_size: u64,
    /// The sha256 of the uncompressed tar, where it was asked for, or where the image is that tar.
    pub diff_id: Option<Fingerprint>,
    /// Members of the archive.
    pub entries: u64,
    /// Sockets, which an archive cannot hold.
    pub sockets_skipped: u64,
    /// Where something else is mounted that was not packed. Of a directory, the mount point itself was.
    pub mounts_skipped: Vec<PathBuf>,
    /// What changed while it was packed, sorted by path; only ever of a [`live`](Pack::live) tree.
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
        self.temporary_tar + self.size
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
    fn of(meter: &Meter<'_>) -> Self {
        Busy {
            walk: meter.busy(Step::Walk),
            frame: meter.busy(Step::Frame),
            encode: meter.busy(Step::Encode),
            hash: meter.busy(Step::Hash),
            write: meter.busy(Step::Write),
        }
    }
}
