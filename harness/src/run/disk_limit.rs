//! A pack on a filesystem that holds no more than so many bytes: the proof of how much it needs.
//!
//! The filesystem is a tmpfs over the output directory, in a mount namespace that goes away with the process. Root
//! makes one directly; anybody else by way of a user namespace, where the system lets them. In a user namespace files
//! of others belong to nobody, so root takes it only where nothing else is allowed.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::plan::Work;
use crate::run::process::collect;
use crate::run::{Processes, Runner};

/// The outcome of a pack in limited space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitedRun {
    /// It fitted.
    Succeeded,
    /// It failed; its words.
    Failed(String),
    /// No such filesystem can be made here, for this reason.
    Forbidden(String),
}

/// Runs packs in limited space as well.
pub trait DiskLimitRunner: Runner {
    /// Runs it once, with its images on a filesystem of `room` bytes.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    fn run_with_disk_limit(&mut self, work: Work<'_>, room: u64) -> Result<LimitedRun>;
}

/// The ways into a mount namespace, best first.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];

/// Mounts, and becomes the command behind it. `$OUT` is the output directory.
const CONFINED: &str = "mount -t tmpfs -o \"size=$1\" none \"$OUT\" && shift && exec \"$@\"";

impl DiskLimitRunner for Processes {
    fn run_with_disk_limit(&mut self, work: Work<'_>, room: u64) -> Result<LimitedRun> {
        let failed = |error| Error::run(work.name(), error);
        let out = tempfile::tempdir_in(&self.scratch).map_err(failed)?;
        let way = match way(out.path()) {
            Ok(way) => way,
            Err(why) => return Ok(LimitedRun::Forbidden(why)),
        };
        let pack = self.command(work, out.path());
        let mut command = unshare(way, room);
        command.arg(pack.get_program()).args(pack.get_args());
        self.set_environment(&mut command, out.path());
        let (_, words, code, _) = command.spawn().and_then(collect).map_err(failed)?;
        Ok(match code {
            0 => LimitedRun::Succeeded,
            _ if words.trim().is_empty() => LimitedRun::Failed(format!("exit code {code}")),
            _ => LimitedRun::Failed(words.trim().to_owned()),
        })
    }
}

fn unshare(way: &[&str], room: u64) -> Command {
    let mut command = Command::new("unshare");
    command.args(way).args(["sh", "-c", CONFINED, "sh", &room.to_string()]);
    command
}

/// The first method that works; otherwise the error of the last one.
fn way(out: &Path) -> std::result::Result<&'static [&'static str], String> {
    let mut why = String::new();
    for way in WAYS {
        let mut command = unshare(way, 1 << 16);
        let tried = command.arg("true").env("OUT", out).stdin(Stdio::null()).output();
        match tried {
            Ok(run) if run.status.success() => return Ok(way),
            Ok(run) => {
                let words = String::from_utf8_lossy(&run.stderr);
                why = words.lines().next().unwrap_or("unshare says nothing").trim().to_owned();
            }
            Err(error) => why = format!("unshare cannot be run: {error}"),
        }
    }
    Err(why)
}
