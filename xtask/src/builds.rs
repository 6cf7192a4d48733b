//! Builds of the command `onepass`: as it is released, and of another revision. Each leaves beside the command how it was built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use harness::run::{BuildFlags, Environment, Places};

use crate::build_flags;
use crate::cli::repository;

const BUILD: [&str; 6] =
    ["build", "--quiet", "--release", "--package=packer", "--bin=onepass", "--message-format=json-render-diagnostics"];

/// Names a command that is built already. Tests of the tasks set it: they measure nothing, and a release takes minutes.
const BUILT: &str = "ONEPASS_BUILT";

/// Builds the packer as it is released; gives the command.
pub(crate) fn release() -> Result<PathBuf> {
    if let Some(built) = std::env::var_os(BUILT) {
        return Ok(built.into());
    }
    build(repository(), &target()?, Faults::Absent).and_then(Built::save)
}

/// The machine and the tools. A command that was not built here has no revision, as if the tree were dirty.
pub(crate) fn environment(places: Places<'_>) -> Result<Environment> {
    let mut environment = Environment::detect(places)?;
    environment.dirty |= std::env::var_os(BUILT).is_some();
    Ok(environment)
}

/// Builds it with faults that can be injected; gives the command, which has a name of its own.
///
/// Only the packer is built, twice: cargo puts the build with faults where the released one was, so that one is built
/// again.
pub(crate) fn with_faults() -> Result<PathBuf> {
    let target = target()?;
    let copy = target.join("release/onepass-with-faults");
    let copied = build(repository(), &target, Faults::Present).and_then(|built| {
        std::fs::copy(&built.onepass, &copy).with_context(|| format!("cannot write `{}`", copy.display()))?;
        Built { onepass: copy, ..built }.save()
    });
    release()?;
    copied
}

/// Whether faults can be injected into a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Faults {
    Absent,
    Present,
}

/// The variable that `packer/build.rs` reads.
const FAULTS: &str = "ONEPASS_FAULTS";

/// Another revision, in a worktree of its own for as long as this lives.
#[derive(Debug)]
pub(crate) struct Base {
    /// The command.
    pub(crate) onepass: PathBuf,
    worktree: PathBuf,
}

impl Base {
    /// Checks a revision out below `scratch` and builds it. The build directory is kept, so that the next time is
    /// shorter.
    pub(crate) fn build(revision: &str, scratch: &Path) -> Result<Self> {
        let worktree = scratch.join("base");
        // Of worktrees whose directory is gone, only their names are left.
        git(&["worktree", "prune"])?;
        let path = worktree.to_str().context("the scratch directory has a name that is no text")?;
        git(&["worktree", "add", "--quiet", "--detach", path, &commit(revision)?])?;
        let mut base = Base { onepass: PathBuf::new(), worktree };
        base.onepass = build(&base.worktree, &target()?.join("gate-base"), Faults::Absent)?.save()?;
        Ok(base)
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        if let Some(path) = self.worktree.to_str() {
            // One that stays is pruned the next time.
            let _ = git(&["worktree", "remove", "--force", path]);
        }
    }
}

/// The full name of a revision.
pub(crate) fn commit(revision: &str) -> Result<String> {
    let commit = format!("{revision}^{{commit}}");
    git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])
        .with_context(|| format!("`{revision}` is no revision"))
}

/// The merge base of the checked-out revision and a branch; none if that is the revision itself, or there is no such branch.
pub(crate) fn merge_base(branch: &str) -> Result<Option<String>> {
    let head = commit("HEAD")?;
    let branches = [format!("refs/heads/{branch}"), format!("refs/remotes/origin/{branch}")];
    let Some(tip) = branches.iter().find_map(|branch| commit(branch).ok()) else { return Ok(None) };
    let base = git(&["merge-base", &head, &tip])?;
    Ok((base != head).then_some(base))
}

/// Whether the packer that is checked out is that of a revision, with all that it is built from.
pub(crate) fn has_same_packer(revision: &str) -> bool {
    let sources = ["packer", "Cargo.toml", "Cargo.lock", ".cargo", "rust-toolchain.toml"];
    git(&[&["diff", "--quiet", revision, "--"], &sources[..]].concat()).is_ok()
}

/// The directory that everything is built into.
pub(crate) fn target() -> Result<PathBuf> {
    let task = std::env::current_exe().context("cannot find this program")?;
    // The task is in `release` or `debug` in it.
    task.ancestors().nth(2).map(Path::to_owned).context("this program is not where cargo puts it")
}

/// A command that was just built.
struct Built {
    onepass: PathBuf,
    flags: BuildFlags,
}

impl Built {
    /// Leaves the flags beside the command, which it gives.
    fn save(self) -> Result<PathBuf> {
        let saved = self.flags.save(&self.onepass);
        saved.with_context(|| format!("cannot write beside `{}`", self.onepass.display())).map(|()| self.onepass)
    }
}

fn build(sources: &Path, target: &Path, faults: Faults) -> Result<Built> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(sources).env("CARGO_TARGET_DIR", target).args(BUILD);
    match faults {
        Faults::Absent => command.env_remove(FAULTS),
        Faults::Present => command.env(FAULTS, "1"),
    };
    let run = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !run.status.success() {
        bail!("the packer does not build");
    }
    let onepass = target.join("release/onepass");
    if !onepass.is_file() {
        bail!("`{}` is not there although it was built", onepass.display());
    }
    Ok(Built { onepass, flags: build_flags::flags(&String::from_utf8_lossy(&run.stdout), sources)? })
}

/// Runs git in the repository; gives the first line that it prints.
fn git(arguments: &[&str]) -> Result<String> {
    let run = Command::new("git").current_dir(repository()).args(arguments).stdin(Stdio::null()).output();
    let run = run.context("cannot run git")?;
    if !run.status.success() {
        bail!("git {} failed: {}", arguments[0], String::from_utf8_lossy(&run.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&run.stdout).lines().next().unwrap_or_default().to_owned())
}
