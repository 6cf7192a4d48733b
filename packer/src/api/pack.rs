//! Packing, as seen from outside: options in, an image out.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::api::image::{Image, Phase, StepTimes};
use crate::buffer::Buffers;
use crate::cancel::CancelToken;
use crate::codec::Compression;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::format::Format;
use crate::metrics::Metrics;
use crate::pipeline::assemble::assemble;
use crate::pipeline::context::{self, Job};
use crate::pipeline::strategy::Strategy;
use crate::progress::{OnProgress, Progress};
use crate::publish::directory::{Outcome, Shelf};
use crate::sink::output::Destination;
use crate::tree::Tree;
use crate::tree::changes::Changes;
use crate::tree::filter::Exclusion;
use crate::tree::holes::Sparse;
use crate::tree::id_map::OwnerPolicy;
use crate::tree::rules::Rules;

/// A pack that is to be run.
///
/// ```no_run
/// use packer::{Compression, Pack, Strategy};
///
/// let pack = Pack::new("/srv/rootfs").compression(Compression::ZSTD).strategy(Strategy::SingleStream);
/// let image = pack.publish("/srv/images")?;
/// println!("{} of {} bytes", image.fingerprint, image.size);
/// # Ok::<(), packer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pack {
    pub(super) rootfs: PathBuf,
    pub(super) format: Format,
    pub(super) compression: Compression,
    pub(super) strategy: Strategy,
    pub(super) threads: NonZeroUsize,
    pub(super) diff_id: bool,
    pub(super) live: bool,
    pub(super) max_size: Option<u64>,
    pub(super) known: Option<Fingerprint>,
    pub(super) sparse: Option<Sparse>,
    pub(super) rules: Rules,
    pub(super) cancel: CancelToken,
    pub(super) on_progress: OnProgress,
}

impl Pack {
    /// Packs the directory `rootfs`.
    ///
    /// Defaults: [`Format::Tar`], [`Compression::GZIP`], [`Strategy::SingleStream`], one thread, no diffID; everything on the tree's own mount
    /// with its own owners and times; an entry that changes meanwhile fails the pack.
    #[must_use]
    pub fn new(rootfs: impl Into<PathBuf>) -> Self {
        Pack {
            rootfs: rootfs.into(),
            format: Format::default(),
            compression: Compression::default(),
            strategy: Strategy::default(),
            threads: NonZeroUsize::MIN,
            diff_id: false,
            live: false,
            max_size: None,
            known: None,
            sparse: None,
            rules: Rules::default(),
            cancel: CancelToken::NEVER,
            on_progress: OnProgress::default(),
        }
    }

    /// What the image looks like from outside.
    #[must_use]
    pub fn format(self, format: Format) -> Self {
        Pack { format, ..self }
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
    pub fn owners(mut self, owners: OwnerPolicy) -> Self {
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

    /// Whether holes are left out of the archive. Default: [`Sparse::Auto`] in the formats of LXD and Incus, else
    /// [`Sparse::Never`].
    #[must_use]
    pub fn sparse(self, sparse: Sparse) -> Self {
        Pack { sparse: Some(sparse), ..self }
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

    /// Does not keep an image with this fingerprint; its outcome is [`Outcome::Unchanged`]. Default: every image is kept.
    #[must_use]
    pub fn skip_if_fingerprint(self, known: Fingerprint) -> Self {
        Pack { known: Some(known), ..self }
    }

    /// Ends the pack early once `token` is cancelled. Default: nothing does.
    #[must_use]
    pub fn cancel_token(self, token: CancelToken) -> Self {
        Pack { cancel: token, ..self }
    }

    /// Reports progress to `callback`: at the first bytes of each pass, then at most ten times a second, and at the end of the pass.
    /// It is called from the thread that packs, which waits for it.
    ///
    /// Costs a second walk of the tree, beside the packing, to know the total early. Default: no reports.
    #[must_use]
    pub fn on_progress(self, callback: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Pack { on_progress: OnProgress::call(callback), ..self }
    }

    /// Packs, and publishes the image in the existing directory `output`, as its [format](Format) says.
    ///
    /// When this returns an image, the image and its name are on the disk. When it returns an error, nothing is left
    /// behind. An image that is there already is verified and stays.
    ///
    /// # Errors
    ///
    /// The first cause: options that do not fit each other, before anything is packed; an entry that cannot be read or that changed
    /// while it was packed, an output that cannot be written, an encoder that failed; or that the pack was
    /// [cancelled](Self::cancel_token).
    ///
    /// A process that reaches its limit of the size of files (`RLIMIT_FSIZE`) gets `SIGXFSZ`, and this error only if it ignores
    /// or handles that signal.
    pub fn publish(&self, output: impl AsRef<Path>) -> Result<Image> {
        self.format.check_compression(self.compression)?;
        let shelf = Shelf::open(output.as_ref())?;
        self.run(&Destination::Shelf(shelf))
    }

    /// Packs, and writes the image to `to` as it comes, with no file at all. The fingerprint is known only at the end: whoever
    /// gets the bytes has to be told when they are all, and when they are not to be used.
    ///
    /// # Errors
    ///
    /// As of [`publish`](Self::publish); also if the image is more than one file, or made in two passes, which need a disk. What was
    /// written before an error is no image.
    ///
    /// A cancelled pack ends when a write to `to` that has begun returns.
    pub fn write(&self, to: &mut (dyn Write + Send)) -> Result<Image> {
        if !self.format.is_one_file() {
            return Err(Error::invalid_options(format!(
                "an image in the format {} is more than one file",
                self.format.name()
            )));
        }
        if self.compression.is_filesystem() {
            return Err(Error::invalid_options(format!("{} makes a filesystem, which needs a file", self.compression)));
        }
        if self.strategy == Strategy::TwoPass {
            return Err(Error::invalid_options("two passes need a directory for the temporary tar".to_owned()));
        }
        self.format.check_compression(self.compression)?;
        self.run(&Destination::Stream(&Mutex::new(to)))
    }

    fn run(&self, destination: &Destination<'_>) -> Result<Image> {
        let (started, metrics, cancel) = (Instant::now(), Metrics::default(), &self.cancel);
        let (tree, changes) = (self.open_tree()?, Changes::new(self.live));
        let (extras, encoders) =
            (self.format.extra_members(&tree, cancel)?, crate::sink::program::encoders(self.compression, cancel)?);
        let (framed, encoded, total) = (Buffers::default(), Buffers::default(), AtomicU64::new(0));
        let job = Job {
            tree: &tree,
            extras: &extras,
            changes: &changes,
            destination,
            hasher: None,
            compression: self.compression,
            threads: self.threads.get(),
            diff_id: self.diff_id,
            max_size: self.max_size,
            metrics: &metrics,
            cancel,
            progress: &self.on_progress,
            framed: &framed,
            encoded: &encoded,
            total: &total,
        };
        let (assembled, facts) = measured(&job, || assemble(&self.format, self.strategy, &job))?;
        let mut phases: Vec<_> = facts.passes.iter().map(|(pass, took)| (Phase::Pass(*pass), *took)).collect();
        let mut phase = |phase, since| phases.push((phase, Instant::elapsed(&since)));
        let (fingerprint, size, layer) = (assembled.fingerprint(), assembled.size(), assembled.layer());
        let (outcome, path) = match destination {
            Destination::Stream(_) => (Outcome::Streamed, None),
            Destination::Shelf(_) if self.known == Some(fingerprint) => (Outcome::Unchanged, None),
            Destination::Shelf(shelf) => {
                cancel.check()?;
                let synced = Instant::now();
                assembled.sync()?;
                cancel.check()?;
                phase(Phase::Sync, synced);
                let published = Instant::now();
                let (outcome, path) = assembled.publish(shelf, cancel)?;
                phase(Phase::Publish, published);
                (outcome, Some(path))
            }
        };
        Ok(Image {
            fingerprint,
            outcome,
            path,
            size,
            tar_size: facts.tar_size,
            diff_id: facts.diff_id,
            layer,
            entries: facts.entries,
            sockets_skipped: facts.left_out.sockets,
            mounts_skipped: facts.left_out.mounts,
            changes: changes.below(&self.rootfs),
            encoders,
            wall: started.elapsed(),
            phases,
            step_times: StepTimes::of(&metrics),
            bytes_read: metrics.bytes_read(),
            temporary_tar: facts.temporary,
        })
    }

    /// Opens the tree with the rules of this pack and its format.
    pub(super) fn open_tree(&self) -> Result<Tree<'_>> {
        let rules =
            self.rules.clone().in_format(self.sparse.unwrap_or(self.format.default_sparse()), self.format.placement());
        Tree::open(&self.rootfs, rules, &self.cancel)
    }

    /// The tree that is packed.
    #[must_use]
    pub fn rootfs(&self) -> &Path {
        &self.rootfs
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }
}

/// Runs `work` while the size of the tar is found out beside it, if somebody wants to know it.
fn measured<Value>(job: &Job<'_>, work: impl FnOnce() -> Result<Value>) -> Result<Value> {
    if !job.progress.is_wanted() {
        return work();
    }
    let working = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| context::announce(job, || working.load(Ordering::Relaxed)));
        let result = work();
        working.store(false, Ordering::Relaxed);
        result
    })
}
