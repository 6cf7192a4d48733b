//! What the command accepts.

mod format;
mod read;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use packer::{Compression, Exclusion, Fingerprint, IdRange, Owner, Owners, Sparse, Strategy};

use crate::completions::{CompletionsArguments, ManArguments, PACK_EXAMPLES};
use crate::progress::Show;
use crate::size::Bytes;
pub(crate) use format::FormatArguments;
pub(crate) use read::{DiffArguments, InspectArguments, VerifyArguments};

/// Packs a root filesystem into an image that LXD, Incus and OCI clients take, named by the sha256 of its bytes
#[derive(Debug, Parser)]
#[command(name = "onepass", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pack a directory into an image that is named by its fingerprint
    ///
    /// Prints `<fingerprint>  <path>`, which, where the image is one file, `sha256sum -c` accepts. The tree must not change
    /// meanwhile: a file that does fails the pack. When a fingerprint has been printed, the image is on the disk; when it has not,
    /// nothing is left.
    #[command(after_long_help = PACK_EXAMPLES)]
    Pack(Box<PackArguments>),
    /// Check that an image is whole: hash, compression, every header of the tar, and what its format promises
    ///
    /// With --against, also compare it with a root filesystem: what differs is printed, a line for each thing. Exits with 0 if the
    /// image is sound and the same, with 1 if not, with 2 if that could not be found out.
    Verify(VerifyArguments),
    /// Tell what is in an image: format, sizes, entries, the largest files, metadata
    Inspect(InspectArguments),
    /// Tell what differs between two images, of whatever format and compression
    ///
    /// Trees are compared entry by entry, and what is beside them – metadata.yaml and templates, or an OCI configuration – if both
    /// images have it. Exits with 0 if there is no difference, with 1 if there is, with 2 if that could not be found out.
    Diff(DiffArguments),
    /// Print what makes a shell complete this command
    Completions(CompletionsArguments),
    /// Print the manual page, for `man`
    Man(ManArguments),
}

#[derive(Args, Debug)]
pub(crate) struct PackArguments {
    /// The root filesystem
    pub(crate) rootfs: PathBuf,
    /// An existing directory for the image; `-` sends it to standard output, and the fingerprint to standard error
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    #[cfg(feature = "planted")]
    #[arg(long, hide = true)]
    pub(crate) planted: Option<packer::Fault>,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
    /// none, gzip[:1-12], zstd[:1-19], xz[:0-9], squashfs (a filesystem, by tar2sqfs), or an installed program: external:NAME[:1-9] with bzip2, gzip, lz4, lzma,
    /// pigz, xz or zstd
    #[arg(long, short, value_name = "SPEC", default_value_t)]
    pub(crate) compression: Compression,
    /// single-stream, or two-pass: write the tar to a temporary file first
    #[arg(long, value_name = "STRATEGY", default_value_t)]
    pub(crate) strategy: Strategy,
    /// How many threads frame and compress [default: one per core]
    #[arg(long, short, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Also compute the sha256 of the uncompressed tar
    #[arg(long)]
    pub(crate) diff_id: bool,
    /// Leave out what matches, and all below it: a glob anchored at the tree, as `dev/*` or `**/*.pyc`; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<Exclusion>,
    /// The tree's ids are shifted: u|g|both:CONTAINER:HOST:COUNT; may be repeated. An id outside the map fails the pack
    #[arg(long, value_name = "RANGE")]
    idmap: Vec<IdRange>,
    /// One owner for every entry
    #[arg(long, value_name = "UID:GID", conflicts_with = "idmap")]
    owner: Option<Owner>,
    /// No time of an entry is later than this, in seconds since 1970
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) clamp_mtime: Option<i64>,
    /// Pack what is mounted below the tree as well
    #[arg(long)]
    pub(crate) cross_mounts: bool,
    /// auto: leave holes out of files that become at least 16 MiB smaller (GNU tar's sparse format); never: pack them as zeros
    /// [default: auto in the formats unified and split, else never]
    #[arg(long, value_name = "auto|never")]
    pub(crate) sparse: Option<Sparse>,
    /// The tree is in use: complete the image even if entries change meanwhile, list them, and exit with 3
    #[arg(long)]
    pub(crate) live: bool,
    /// Fail if the image would be larger than this: a number of bytes, or of K, M, G or T
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_size: Option<Bytes>,
    /// Do not keep an image with this fingerprint: the tree is as it was
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) if_changed: Option<Fingerprint>,
    /// How progress is shown on standard error: auto is a bar on a terminal, json one object a line with LXD's keys `stage`,
    /// `percent`, `processed` and `speed`
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Show::Auto)]
    progress: Show,
    /// Show no progress, and say nothing of an image that was already there
    #[arg(long, short, conflicts_with = "progress")]
    pub(crate) quiet: bool,
    /// Print one JSON object instead of the line: sizes, times, memory. With `=FILE` it goes there (`/dev/fd/3` is a file), and the
    /// line is printed as well
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub(crate) json: Option<PathBuf>,
}

impl PackArguments {
    pub(crate) fn threads(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(cores)
    }

    pub(crate) fn show(&self) -> Show {
        if self.quiet { Show::None } else { self.progress }
    }

    pub(crate) fn owners(&self) -> Owners {
        match self.owner {
            Some(owner) => Owners::One(owner),
            None if self.idmap.is_empty() => Owners::Kept,
            None => Owners::Mapped(self.idmap.iter().copied().collect()),
        }
    }
}
