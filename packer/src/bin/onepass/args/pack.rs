//! The arguments of `onepass pack`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use packer::{Compression, Fingerprint, Pack, Sparse, Strategy};

use crate::args::format::FormatArguments;
use crate::args::rules::RuleArguments;
use crate::args::values::{Bytes, FileMode};
use crate::progress::Show;
use crate::stdout::STANDARD_STREAM;
use crate::wrong_use::WrongUse;

#[derive(Args, Debug)]
pub(crate) struct PackArguments {
    /// The root filesystem: a directory, and not a symbolic link
    pub(crate) rootfs: PathBuf,
    /// Publish the image in DIR, which must exist. `-` writes the image to standard output, and the fingerprint to standard error
    #[arg(long, short, value_name = "DIR", required_unless_present = "dry_run")]
    output: Option<PathBuf>,
    #[cfg(fault_injection)]
    #[arg(long, hide = true)]
    pub(crate) inject_fault: Option<packer::Fault>,
    /// Compress with SPEC: none, gzip[:1-12], zstd[:1-19], xz[:0-9], squashfs or external:PROGRAM[:1-9]
    ///
    /// The number is the level; without it, gzip means gzip:5, zstd means zstd:3, and xz means xz:6. squashfs makes a filesystem
    /// instead of a tar, with the installed tar2sqfs. external:PROGRAM runs an installed program: bzip2, gzip, lz4, lzma, pigz, xz
    /// or zstd.
    #[arg(long, short, value_name = "SPEC", default_value_t)]
    pub(crate) compression: Compression,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
    /// Use N threads to frame and compress. The image does not depend on N [default: number of cores]
    #[arg(long, short, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Pack in a single-stream, or in two-pass: write the tar to a temporary file first. Both make the same image
    #[arg(long, value_name = "STRATEGY", default_value_t)]
    pub(crate) strategy: Strategy,
    /// Fail if the image becomes larger than SIZE, in bytes or with K, M, G or T for powers of 1,024 [default: no limit]
    #[arg(long, value_name = "SIZE")]
    max_size: Option<Bytes>,
    /// Keep the image only if its fingerprint is not FINGERPRINT: the 64 digits that an earlier pack printed
    #[arg(long, value_name = "FINGERPRINT")]
    if_changed: Option<Fingerprint>,
    #[command(flatten, next_help_heading = "Entries")]
    pub(crate) rules: RuleArguments,
    /// How holes of files are packed: auto or never [default: auto in the formats unified and split, else never]
    ///
    /// auto leaves the holes out of each file that becomes at least 16 MiB smaller by it, in the sparse format of GNU tar. never packs
    /// holes as zeros.
    #[arg(long, value_name = "auto|never", help_heading = "Entries")]
    sparse: Option<Sparse>,
    /// Complete the image even if entries change meanwhile. They are listed on standard error, and the exit code is 3
    ///
    /// An entry that becomes shorter is filled up with zeros. A directory that gets or loses a name is listed, too. 1,000 entries are listed,
    /// and further changes counted. Without this option, a change fails the pack.
    #[arg(long, help_heading = "Entries")]
    live: bool,
    /// Give the image's files these permissions, as of chmod. Directories can be searched by everyone who can read them [default:
    /// 666 without the umask]
    #[arg(long, value_name = "OCTAL", help_heading = "Output")]
    mode: Option<FileMode>,
    /// Walk the tree and print the number of entries and the exact size of the tar. Nothing is written, and -o is not needed
    #[arg(long, help_heading = "Output")]
    pub(crate) dry_run: bool,
    /// Also compute the sha256 of the uncompressed tar, for --json
    #[arg(long, help_heading = "Output")]
    diff_id: bool,
    /// Print one JSON object instead of the line: sizes in bytes, times in nanoseconds. With FILE, write it there and print the line,
    /// too. FILE may be /dev/fd/3
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = STANDARD_STREAM,
        help_heading = "Output"
    )]
    pub(crate) json: Option<PathBuf>,
    /// How progress is shown on standard error
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Show::Auto, help_heading = "Output")]
    progress: Show,
    /// Show no progress, and no note that the image was already there or unchanged
    #[arg(long, short, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// Where the image goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output<'a> {
    Directory(&'a Path),
    StandardOutput,
}

impl PackArguments {
    /// Where the image goes; nowhere in a dry run without `--output`.
    pub(crate) fn output(&self) -> Option<Output<'_>> {
        let output = self.output.as_deref()?;
        Some(if output == Path::new(STANDARD_STREAM) { Output::StandardOutput } else { Output::Directory(output) })
    }

    pub(crate) fn threads(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(cores)
    }

    /// How progress is shown.
    pub(crate) fn show(&self) -> Show {
        if self.quiet { Show::None } else { self.progress }
    }

    /// The pack that the arguments describe. Arguments that exclude each other are an error.
    pub(crate) fn pack(&self) -> Result<Pack> {
        if self.quiet && matches!(self.progress, Show::Bar | Show::Json) {
            return Err(WrongUse::conflict(
                "the argument '--quiet' cannot be used with '--progress bar' or '--progress json'",
            ));
        }
        let json_on_stdout = self.json.as_deref() == Some(Path::new(STANDARD_STREAM));
        if json_on_stdout && !self.dry_run && self.output() == Some(Output::StandardOutput) {
            let message =
                "standard output takes the image or the record: give the record a file, as with --json=/dev/fd/3";
            return Err(WrongUse::conflict(message));
        }
        let mut pack = self
            .rules
            .apply(Pack::new(&self.rootfs))?
            .format(self.format.format()?)
            .compression(self.compression)
            .strategy(self.strategy)
            .threads(self.threads())
            .diff_id(self.diff_id)
            .mode(self.mode.unwrap_or_else(FileMode::from_umask).0)
            .live(self.live);
        if let Some(sparse) = self.sparse {
            pack = pack.sparse(sparse);
        }
        if let Some(max_size) = self.max_size {
            pack = pack.max_size(max_size.0);
        }
        if let Some(fingerprint) = self.if_changed {
            pack = pack.skip_if_fingerprint(fingerprint);
        }
        Ok(pack)
    }
}
