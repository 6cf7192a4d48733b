//! `cargo xtask interop`: real clients read our images.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use fixtures::{Fixture, Profile};
use interop::{ClientResult, Setup};

use crate::builds;
use crate::cli::{print, scratch_or_default};

/// Check our images with real clients: LXD, umoci, skopeo, a registry, podman, buildah, every tar
///
/// Each client unpacks an image, and the result is compared with the tree. Run it as root to check owners and devices
/// as well. Exits with 1 if a check fails.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  sudo cargo xtask interop --rootfs /srv/rootfs --codec zstd")]
pub(crate) struct Arguments {
    /// A root filesystem to try beside the tree of corner cases
    #[arg(long, value_name = "DIR")]
    rootfs: Option<PathBuf>,
    /// On the given tree, try only this codec; may be repeated [default: all]
    #[arg(long, value_name = "SPEC")]
    codec: Vec<String>,
    /// Parent of the scratch directory, which needs ten times the tree [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Fail if a client is not installed
    #[arg(long)]
    strict: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let onepass = builds::release()?;
    let scratch = scratch_or_default(arguments.scratch.as_deref());
    let made = tempfile::Builder::new().prefix("onepass-interop-").tempdir_in(&scratch);
    let scratch = made.with_context(|| format!("cannot use `{}`", scratch.display()))?;
    let corners = scratch.path().join("corners");
    Fixture::new(Profile::TarCorners).create(&corners).context("cannot make the tree of corner cases")?;
    let trees =
        [("corner cases", Some(corners), &[][..]), ("the given tree", arguments.rootfs.clone(), &arguments.codec[..])];
    let (mut passed, mut missing, mut failed) = (0, 0, 0);
    for (number, (name, tree, codecs)) in trees.into_iter().enumerate() {
        let Some(tree) = tree else { continue };
        let place = scratch.path().join(number.to_string());
        std::fs::create_dir(&place).with_context(|| format!("cannot create `{}`", place.display()))?;
        let setup = Setup { onepass: &onepass, tree: &tree, name, scratch: &place, codecs };
        let mut told = Ok(());
        let checks = ::interop::run(&setup, &mut |check| told = print(check))?;
        told?;
        for check in &checks {
            match check.result {
                ClientResult::Passed => passed += 1,
                ClientResult::Missing(_) => missing += 1,
                ClientResult::Failed(_) => failed += 1,
                ClientResult::Unsupported(_) => {}
            }
        }
    }
    print(format!("{passed} checks passed, {failed} failed, {missing} could not be made"))?;
    Ok(if failed > 0 || arguments.strict && missing > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
