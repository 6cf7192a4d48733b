//! `cargo xtask rootfs`: a real Debian tree, made by debootstrap.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::cli::print;

/// Make a real Debian tree with debootstrap (as root; needs a Debian mirror)
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  sudo cargo xtask rootfs --minimal /srv/minbase")]
pub(crate) struct Arguments {
    /// The new tree: a directory that is empty or does not exist
    directory: PathBuf,
    /// Release of Debian
    #[arg(long, default_value = "bookworm")]
    suite: String,
    /// Only essential packages: 206 MB instead of 1.4 GB
    #[arg(long)]
    minimal: bool,
}

/// The packages that make the tree larger than 1 GB and 50,000 entries: a compiler, two languages, headers,
/// documentation.
const PACKAGES: &str = "build-essential,git,python3-dev,python3-numpy,vim,golang-go,linux-headers-amd64,\
                        libboost1.74-dev,locales,man-db,perl-doc";

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut command = Command::new("debootstrap");
    command.arg("--variant=minbase");
    if !arguments.minimal {
        command.arg(format!("--include={PACKAGES}"));
    }
    command.arg(&arguments.suite).arg(&arguments.directory).stdin(Stdio::null());
    let status = match command.status() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!(
                "debootstrap is not installed: on Debian and Ubuntu, `apt install debootstrap`; any other tree will do as well"
            )
        }
        result => result.context("cannot run debootstrap")?,
    };
    if !status.success() {
        bail!("debootstrap failed ({status})");
    }
    // An image is published without the packages it was installed from.
    for place in ["var/cache/apt", "var/cache/apt/archives", "var/lib/apt/lists"] {
        remove_files(&arguments.directory.join(place))?;
    }
    print(format!("{}: Debian {}", arguments.directory.display(), arguments.suite))?;
    Ok(ExitCode::SUCCESS)
}

fn remove_files(directory: &Path) -> Result<()> {
    let failed = || format!("cannot clean `{}`", directory.display());
    for entry in fs::read_dir(directory).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        if entry.file_type().with_context(failed)?.is_file() {
            fs::remove_file(entry.path()).with_context(failed)?;
        }
    }
    Ok(())
}
