//! `Pack`: the options of a pack, and how it runs.

use std::io::Write;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use crate::abort::Abort;
use crate::api::image::{Image, Phase, StepTimes};
use crate::cancel::CancelToken;
use crate::codec::Compression;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::format::{Format, Plan};
use crate::metrics::Metrics;
use crate::pipeline::assemble::{Assembled, UnsealedParts, assemble};
use crate::pipeline::context::{ArchivePlan, Context, PackBuffers};
use crate::pipeline::strategy::Strategy;
use crate::pipeline::total::with_total;
use crate::progress::{OnProgress, Progress};
use crate::publish;
use crate::publish::output_dir::OutputDir;
use crate::publish::permissions::Permissions;
use crate::publish::stream::CallerStream;
use crate::sink::SinkOptions;
use crate::sink::destination::{Committed, Destination, Outcome, Role};
use crate::sink::program::{self, ProgramTimings};
use crate::sink::size_limit::SizeLimit;
use crate::threads::MAX_THREADS;
use crate::tree::Tree;
use crate::tree::changes::Changes;
use crate::tree::directory::max_threads;
use crate::tree::holes::Sparse;
use crate::tree::outputs::Outputs;
use crate::tree::rules::Rules;

/// A pack to run: a directory and options. It can run more than once.
///
/// ```
/// use packer::{Compression, Pack, Strategy};
///
/// # let rootfs = tempfile::tempdir()?;
/// let pack = Pack::new(rootfs.path()).compression(Compression::gzip(9)?).exclude(["var/cache/*".parse()?]);
/// let mut bytes = Vec::new();
/// let image = pack.write(&mut bytes)?;
/// assert_eq!(image.size, bytes.len() as u64);
///
/// # let images = tempfile::tempdir()?;
/// let same = pack.strategy(Strategy::TwoPass).publish(images.path())?;
/// assert_eq!(same.fingerprint, image.fingerprint);
/// # Ok::<(), Box<dyn std::error::Error>>(())
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
    pub(super) mode: u32,
    pub(super) sparse: Option<Sparse>,
    pub(super) rules: Rules,
    pub(super) outputs: Outputs,
    pub(super) cancel: CancelToken,
    pub(super) on_progress: OnProgress,
    pub(super) timings: ProgramTimings,
}

impl Pack {
    /// Packs the directory `rootfs`.
    ///
    /// Defaults: [`Format::Tar`], [`Compression::GZIP`], [`Strategy::SingleStream`], one thread, no diffID, mode 0600. The image has every
    /// entry on the mount of `rootfs`, with its own owner, times and extended attributes, except those of the host. An entry that changes
    /// during the pack fails it, and so does a name that comes or goes.
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
            mode: 0o600,
            sparse: None,
            rules: Rules::default(),
            outputs: Outputs::default(),
            cancel: CancelToken::NEVER,
            on_progress: OnProgress::default(),
            timings: ProgramTimings::DEFAULT,
        }
    }

    /// Sets the files that the image consists of. Default: [`Format::Tar`].
    #[must_use]
    pub fn format(self, format: Format) -> Self {
        Pack { format, ..self }
    }

    /// Sets the codec and its level. Default: [`Compression::GZIP`].
    #[must_use]
    pub fn compression(self, compression: Compression) -> Self {
        Pack { compression, ..self }
    }

    /// Sets whether a temporary tar is written first. Default: [`Strategy::SingleStream`], which writes none. The image does not
    /// depend on it.
    #[must_use]
    pub fn strategy(self, strategy: Strategy) -> Self {
        Pack { strategy, ..self }
    }

    /// Sets how many threads read, frame and compress, 1,024 at most. Default: 1, the caller's own thread. The image does not depend on
    /// it. If the system has fewer left, or the limit of open files is too low for so many, the pack goes on with fewer; a thread beside
    /// them hashes and writes, and without it the pack fails.
    #[must_use]
    pub fn threads(self, threads: NonZeroUsize) -> Self {
        Pack { threads, ..self }
    }

    /// Hashes the uncompressed tar as well: [`Image::diff_id`]. Default: off, but on for [`Format::Oci`].
    #[must_use]
    pub fn diff_id(self, diff_id: bool) -> Self {
        Pack { diff_id, ..self }
    }

    /// Sets whether the archive leaves out the holes of files. Default: [`Sparse::Auto`] in the formats of LXD and Incus,
    /// [`Sparse::Never`] in others.
    #[must_use]
    pub fn sparse(self, sparse: Sparse) -> Self {
        Pack { sparse: Some(sparse), ..self }
    }

    /// Tolerates changes of a tree in use, and lists them in [`Image::changes`]. A file that shrinks is filled up with zeros to the
    /// size in its header; an entry that vanishes before it is listed is left out; a directory that gets or loses a name is listed. Default: off, a change fails the
    /// pack. An entry that cannot be read fails it always.
    #[must_use]
    pub fn live(self, live: bool) -> Self {
        Pack { live, ..self }
    }

    /// Fails the pack as soon as the image is larger than this, in bytes. Of an OCI image, layer, configuration, manifest and an index
    /// of this image alone count; of a split image, both files. The temporary tar of two passes does not count. Default: no limit.
    #[must_use]
    pub fn max_size(self, max_size: u64) -> Self {
        Pack { max_size: Some(max_size), ..self }
    }

    /// The permissions of the image's files: `0o644` lets everyone read them. Directories that are made for them can be searched by
    /// everyone who can read the files. Files and directories get their permissions once they are complete; what was there before
    /// keeps its own. The umask is not looked at. Default: `0o600`, the owner alone.
    ///
    /// A filesystem without permissions keeps its own.
    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        Pack { mode, ..self }
    }

    /// Does not keep an image with this fingerprint; its outcome is [`Outcome::Unchanged`]. Default: every image is kept.
    #[must_use]
    pub fn skip_if_fingerprint(self, known: Fingerprint) -> Self {
        Pack { known: Some(known), ..self }
    }

    /// Fails the pack if this open file is an entry of the image, or this open directory: the caller writes to the file, or makes names in
    /// the directory, so the next image would differ. It has to stay open until the pack has ended. Pipes, sockets and devices do not
    /// count. Default: the output directory alone. Calls add up.
    ///
    /// # Errors
    ///
    /// If the system refuses a look at it.
    pub fn also_writes(mut self, output: impl AsFd) -> std::io::Result<Self> {
        self.outputs.add(output)?;
        Ok(self)
    }

    /// Ends the pack soon after `token` is cancelled. It leaves nothing behind, and its error is of the kind
    /// [`Cancelled`](crate::ErrorKind::Cancelled). Default: nothing cancels it.
    #[must_use]
    pub fn cancel_token(self, token: CancelToken) -> Self {
        Pack { cancel: token, ..self }
    }

    /// Reports progress to `callback`: at the first bytes of each pass, then at most ten times a second, and at the end of the pass.
    /// The thread that called [`publish`](Self::publish) or [`write`](Self::write) calls it, and waits for it.
    ///
    /// A second walk of the tree, in another thread, finds the total early. Default: no reports.
    #[must_use]
    pub fn on_progress(self, callback: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Pack { on_progress: OnProgress::call(callback), ..self }
    }

    /// How long external programs are waited for. For tests, which cannot wait as long as a pack.
    #[doc(hidden)]
    #[must_use]
    pub fn program_timings(self, timings: ProgramTimings) -> Self {
        Pack { timings, ..self }
    }

    /// Packs, and publishes the image in the existing directory `output`. The [format](Format) gives the names of its files.
    ///
    /// `output` must not be part of the tree, unless it is [excluded](Self::exclude): the next image would hold this one. That is refused
    /// at once, unless a mount hides it: then the pack fails when it meets the directory.
    ///
    /// When this returns an image, the image and its name are on the disk. If the image is there already, it is verified, synced
    /// and kept. When this returns an error, nothing is left behind, with one exception: if the last fsync fails, that of the
    /// directory, the image has its name already, and [`Error::published`](crate::Error::published) has its path.
    ///
    /// # Errors
    ///
    /// The first cause, of any [kind](crate::ErrorKind) but `Malformed`. Options that contradict each other fail before anything is
    /// packed.
    ///
    /// A process that exceeds its limit on file sizes (`RLIMIT_FSIZE`) gets the signal `SIGXFSZ`. It gets an error only if it
    /// ignores or handles that signal.
    pub fn publish(&self, output: impl AsRef<Path>) -> Result<Image> {
        self.format.check_compression(self.compression)?;
        if self.mode & !Permissions::ALL != 0 {
            return Err(Error::invalid_options(format!("{:#o} is not a mode from 0 to 0o777", self.mode)));
        }
        let directory = OutputDir::open(output.as_ref(), Permissions::from_file_mode(self.mode))?;
        let mut outputs = self.outputs.clone();
        outputs.add(directory.handle()).map_err(|error| Error::io("stat", directory.path(), error))?;
        self.run(self.known, outputs, |tree, plan| {
            tree.check_outside(&**directory.handle(), directory.path())?;
            publish::in_directory(directory, plan, self.compression, &self.cancel)
        })
    }

    /// Packs, and writes the image to `to` without any file. The fingerprint is known at the end only, so the receiver must learn
    /// from the caller whether the bytes are complete.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish). Images of more than one file, squashfs and [`Strategy::TwoPass`] need a directory and are
    /// [`InvalidOptions`](crate::ErrorKind::InvalidOptions). The bytes that were written before an error are not an image.
    ///
    /// A cancelled pack waits for a write to `to` that has begun.
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
        // What a stream got cannot be taken back, so no image is left out.
        self.run(None, self.outputs.clone(), |_, _| Ok(Box::new(CallerStream::new(to))))
    }

    /// Packs to the destination that `open` gives for the plan of the image. An image with the `known` fingerprint is abandoned.
    fn run<'to>(
        &self,
        known: Option<Fingerprint>,
        outputs: Outputs,
        open: impl FnOnce(&Tree<'_>, &Plan<'_>) -> Result<Box<dyn Destination + 'to>>,
    ) -> Result<Image> {
        let abort = Abort::new(&self.cancel);
        abort.explain(self.run_until(&abort, known, outputs, open))
    }

    fn run_until<'to>(
        &self,
        abort: &Abort,
        known: Option<Fingerprint>,
        outputs: Outputs,
        open: impl FnOnce(&Tree<'_>, &Plan<'_>) -> Result<Box<dyn Destination + 'to>>,
    ) -> Result<Image> {
        let (started, metrics, cancel) = (Instant::now(), Metrics::default(), abort.token());
        let threads = self.threads.get().min(MAX_THREADS).min(max_threads());
        let (tree, changes) =
            (self.open_tree(cancel)?.for_threads(threads).with_outputs(outputs), Changes::new(self.live));
        let tree = if self.on_progress.is_wanted() { tree.for_two_walks() } else { tree };
        let extras = self.format.extra_members(&tree, cancel)?;
        let encoders = program::encoders(self.compression, &self.timings, cancel)?;
        let plan = self.format.plan(&tree)?;
        let destination = open(&tree, &plan)?;
        let context = Context {
            tree: &tree,
            changes: &changes,
            destination: &*destination,
            threads,
            buffers: &PackBuffers::default(),
            metrics: &metrics,
            abort,
            cancel,
            on_progress: &self.on_progress,
            total: &AtomicU64::new(0),
            timings: &self.timings,
        };
        let size_limit = self.max_size.map(SizeLimit::new);
        let sink = SinkOptions { compression: self.compression, hasher: None, size_limit };
        let archive = ArchivePlan { role: Role::Image, extras: &extras, diff_id: self.diff_id, sink };
        let Assembled { fingerprint, size, layer, counts, parts } =
            with_total(&context, &extras, || assemble(&plan, self.strategy, &context, &archive))?;
        let mut phases: Vec<_> = counts.passes.iter().map(|(pass, took)| (Phase::Pass(*pass), *took)).collect();
        let Committed { outcome, path } = if known == Some(fingerprint) {
            drop(parts);
            Committed { outcome: Outcome::Unchanged, path: None }
        } else {
            commit(&*destination, parts, &fingerprint, cancel, &mut phases)?
        };
        let (changes, further_changes) = changes.below(&self.rootfs);
        Ok(Image {
            fingerprint,
            outcome,
            path,
            size,
            tar_size: counts.tar_size,
            diff_id: counts.diff_id,
            layer,
            entries: counts.entries,
            sockets_skipped: counts.left_out.sockets,
            mounts_skipped: counts.left_out.mounts,
            unmatched_exclusions: tree.unmatched_exclusions(),
            changes,
            further_changes,
            encoders,
            wall: started.elapsed(),
            phases,
            step_times: StepTimes::of(&metrics),
            bytes_read: metrics.bytes_read() + tree.bytes_searched(),
            temporary_tar: counts.scratch_size,
        })
    }

    /// Opens the tree with the rules of this pack and its format.
    pub(super) fn open_tree<'a>(&self, cancel: &'a CancelToken) -> Result<Tree<'a>> {
        let rules =
            self.rules.clone().in_format(self.sparse.unwrap_or(self.format.default_sparse()), self.format.placement());
        Tree::open(&self.rootfs, rules, cancel)
    }

    /// The directory that is packed.
    #[must_use]
    pub fn rootfs(&self) -> &Path {
        &self.rootfs
    }

    #[cfg(feature = "read")]
    pub(crate) fn token(&self) -> &CancelToken {
        &self.cancel
    }

    #[cfg(feature = "read")]
    pub(crate) fn progress(&self) -> &OnProgress {
        &self.on_progress
    }

    #[cfg(feature = "read")]
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }
}

/// Seals the parts of an image and gives it its name.
fn commit(
    destination: &dyn Destination,
    parts: UnsealedParts<'_>,
    fingerprint: &Fingerprint,
    cancel: &CancelToken,
    phases: &mut Vec<(Phase, Duration)>,
) -> Result<Committed> {
    cancel.check()?;
    let sealed = Instant::now();
    parts.seal(destination)?;
    cancel.check()?;
    phases.push((Phase::Sync, sealed.elapsed()));
    let committed = Instant::now();
    let result = destination.commit(fingerprint, cancel)?;
    phases.push((Phase::Publish, committed.elapsed()));
    Ok(result)
}
