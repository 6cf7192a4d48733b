//! What the command accepts.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use packer::{Compression, Strategy};

/// Packs a root filesystem into a compressed tar named by the sha256 of its bytes.
#[derive(Debug, Parser)]
#[command(name = "onepass", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pack a directory into an image `DIR/<fingerprint>.tar[.gz|.zst]`
    ///
    /// Prints `<fingerprint>  <path>`, which `sha256sum -c` accepts. The tree must not change meanwhile: a file that does
    /// fails the pack. When a fingerprint has been printed, the image is on the disk; when it has not, nothing is left.
    Pack(PackArguments),
    /// Check that an image is whole: hash, compression, and every header of the tar
    Verify(VerifyArguments),
}

#[derive(Args, Debug)]
pub(crate) struct PackArguments {
    /// The root filesystem
    pub(crate) rootfs: PathBuf,
    /// An existing directory for the image
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// none, gzip[:1-12], zstd[:1-19], or an installed program: external:gzip[:1-9], external:pigz[:1-9],
    /// external:zstd[:1-9]
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
    /// Print one JSON object instead of the line: sizes, times, memory
    #[arg(long)]
    pub(crate) json: bool,
}

impl PackArguments {
    pub(crate) fn threads(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(cores)
    }
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArguments {
    /// An image whose name begins with its fingerprint
    pub(crate) image: PathBuf,
}
