//! `cargo xtask rootfs`: a real Debian tree, made by debootstrap, the same one as long as the archive has its packages.

mod lock;
mod normalise;

use std::io::{ErrorKind, sink};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use packer::{Compression, Pack};

use crate::cli::{display_path, print, today};
use lock::{Lock, Variant};

/// Make a real Debian tree with debootstrap (as root; needs a Debian mirror)
///
/// Logs, caches and times of the installation are removed or made constant. The packages and the sha256 of the tar are
/// compared with a lock in xtask/rootfs, which names both for each release and architecture. Another tree is an error
/// unless --unlocked is given, and stays.
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
    /// Mirror, such as a snapshot of the archive with the locked packages [default: debootstrap's]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Accept a tree with other packages than the locked ones
    #[arg(long)]
    unlocked: bool,
    /// Lock this tree instead: write its packages and its sha256
    #[arg(long, conflicts_with = "unlocked")]
    write_lock: bool,
}

/// The packages that make the tree larger than 1 GB and 50,000 entries: a compiler, two languages, headers,
/// documentation.
const PACKAGES: &str = "build-essential,git,python3-dev,python3-numpy,vim,golang-go,linux-headers-amd64,\
                        libboost1.74-dev,locales,man-db,perl-doc";

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = &arguments.directory;
    debootstrap(arguments)?;
    normalise::normalise(root, &arguments.suite)?;
    let packages = lock::installed(root)?;
    let tar = Pack::new(root).compression(Compression::None).write(&mut sink())?.fingerprint.to_string();
    let made = Lock { made: today()?, tar, packages };
    let variant = Variant { suite: arguments.suite.clone(), minimal: arguments.minimal };
    if arguments.write_lock {
        let path = variant.write(&made)?;
        print(format!("{}: Debian {variant}, now locked in {}", root.display(), display_path(&path)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let difference = match variant.locked()? {
        Some(locked) => locked.difference(&made),
        None => Some(format!("Debian {variant} has no lock")),
    };
    match difference {
        None => print(format!("{}: Debian {variant}, the locked tree, tar sha256 {}", root.display(), made.tar))?,
        Some(difference) if arguments.unlocked => {
            print(format!("{}: Debian {variant}, NOT the locked tree: {difference}", root.display()))?;
        }
        Some(difference) => bail!("`{}` is another tree than the locked one: {difference}", root.display()),
    }
    Ok(ExitCode::SUCCESS)
}

fn debootstrap(arguments: &Arguments) -> Result<()> {
    let mut command = Command::new("debootstrap");
    command.arg("--variant=minbase");
    if !arguments.minimal {
        command.arg(format!("--include={PACKAGES}"));
    }
    command.arg(&arguments.suite).arg(&arguments.directory).args(&arguments.mirror);
    // What packages write when they are installed may depend on both.
    let status = command.env("LC_ALL", "C").env("TZ", "UTC").stdin(Stdio::null()).status();
    let status = match status {
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
    Ok(())
}
