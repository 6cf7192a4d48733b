//! The arguments: what clap reads, and what they mean to the library.

mod exclude_file;
mod format;
mod pack;
mod read;
mod rules;
mod values;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::{examples, exit_code};
pub(crate) use pack::{Output, PackArguments};
pub(crate) use read::{DiffArguments, InspectArguments, VerifyArguments};

/// Pack a root filesystem into an image that is named by the sha256 of its bytes, for LXD, Incus and OCI clients
#[derive(Debug, Parser)]
#[command(
    name = "onepass",
    version,
    max_term_width = 100,
    after_long_help = format!(
        "{}\n\n{}\n\nThe manual pages have the same text: `onepass man`, and `onepass man pack` for a subcommand.",
        examples::OF_ALL,
        exit_code::OF_ALL
    )
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pack a directory into an image that is named by its fingerprint
    ///
    /// The command prints `<fingerprint>  <path>`. If the image is one file, `sha256sum -c` accepts that line. Once the line is
    /// printed, the image is on the disk. The directory must not change meanwhile: an entry that changes
    /// fails the pack, as does a name that comes or goes.
    #[command(
        override_usage = "onepass pack [OPTIONS] --output <DIR> <ROOTFS>\n       onepass pack [OPTIONS] --dry-run <ROOTFS>",
        after_long_help = format!("{}\n\n{}", examples::OF_PACK, exit_code::OF_PACK)
    )]
    Pack(Box<PackArguments>),
    /// Check an image: its hash, its compression, each header of its tar, and the rules of its format
    ///
    /// With --against, the command also compares the image with a root filesystem, and prints one line for each difference.
    #[command(
        mut_group("RuleArguments", |group| group.requires("against")),
        after_long_help = format!("{}\n\n{}", examples::OF_VERIFY, exit_code::OF_VERIFY)
    )]
    Verify(VerifyArguments),
    /// Show an image: format, sizes, numbers of entries, largest files and metadata
    #[command(after_long_help = format!("{}\n\n{}", examples::OF_INSPECT, exit_code::OF_INSPECT))]
    Inspect(InspectArguments),
    /// List the differences between two images of any formats and compressions
    ///
    /// The command compares the trees entry by entry. If both images have metadata, it compares that, too: metadata.yaml and templates,
    /// or the configuration of an OCI image.
    #[command(after_long_help = format!("{}\n\n{}", examples::OF_DIFF, exit_code::OF_DIFF))]
    Diff(DiffArguments),
    /// Generate shell completions
    #[command(after_long_help = format!("{}\n\n{}", examples::OF_COMPLETIONS, exit_code::OF_DOCUMENTS))]
    Completions(CompletionsArguments),
    /// Generate a manual page
    #[command(after_long_help = format!("{}\n\n{}", examples::OF_MAN, exit_code::OF_DOCUMENTS))]
    Man(ManArguments),
}

impl Command {
    /// The name of the subcommand.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Command::Pack(_) => "pack",
            Command::Verify(_) => "verify",
            Command::Inspect(_) => "inspect",
            Command::Diff(_) => "diff",
            Command::Completions(_) => "completions",
            Command::Man(_) => "man",
        }
    }

    /// Whether it answers a question, so that [`FAILED`](exit_code::FAILED) is an answer.
    pub(crate) fn answers(&self) -> bool {
        matches!(self, Command::Verify(_) | Command::Inspect(_) | Command::Diff(_))
    }
}

#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    /// The shell that the completions are for
    pub(crate) shell: Shell,
}

#[derive(Args, Debug)]
pub(crate) struct ManArguments {
    /// The subcommand that the page is about [default: the page of onepass itself]
    #[arg(value_parser = ["pack", "verify", "inspect", "diff", "completions", "man"])]
    pub(crate) command: Option<String>,
}
