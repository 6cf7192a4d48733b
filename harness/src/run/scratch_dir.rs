//! A directory that is gone when we are, however we end: at the end of the program, at Ctrl-C, even at `kill -9`.
//!
//! No code of this process runs after `kill -9`. So a shell waits for the end of a pipe that only this process holds
//! open, and removes the rest. Running children go on until they notice that their directory is gone.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::programs::PATH;

/// A directory for as long as this process lives, or until this is dropped.
#[derive(Debug)]
pub struct ScratchDir {
    // Dropped in this order: usually the directory is gone before the watcher looks.
    directory: TempDir,
    _warden: Child,
}

/// Reports that the shell is ready, and waits.
const WAIT: &str = "trap '' HUP INT TERM; echo; read -r _; ";

/// Removes the directory; repeated, because a child may still be writing.
const REMOVE: &str = "for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- \"$1\" && break; sleep 1; done";

impl ScratchDir {
    /// Makes a new directory in `parent`, with a name of its own.
    ///
    /// # Errors
    ///
    /// If the directory cannot be made, or the shell that removes it cannot be started.
    pub fn create(parent: &Path) -> Result<Self> {
        let parent = parent.canonicalize().map_err(|error| Error::io("open", parent, error))?;
        let directory = tempfile::Builder::new().prefix("onepass-bench-").tempdir_in(&parent);
        let directory = directory.map_err(|error| Error::io("create a scratch directory in", &parent, error))?;
        let watcher = start(watcher(REMOVE).arg(directory.path()));
        let watcher = watcher.map_err(|error| Error::run("the shell that cleans up", error))?;
        Ok(ScratchDir { directory, _warden: watcher })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// The shell that does `work` when its input ends, in a group that Ctrl-C does not reach.
pub(crate) fn watcher(work: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{WAIT}{work}"), "sh"]);
    command.env_clear().env("PATH", PATH).current_dir("/").process_group(0);
    command
}

/// Starts a watcher, and waits until it is on its guard.
pub(crate) fn start(command: &mut Command) -> std::io::Result<Child> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    if let Some(mut out) = child.stdout.take() {
        out.read_exact(&mut [0])?;
    }
    Ok(child)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    #[test]
    fn the_directory_goes_with_its_value() {
        let parent = TempDir::new().unwrap();
        let directory = ScratchDir::create(parent.path()).unwrap();
        fs::write(directory.path().join("image"), "bytes").unwrap();
        drop(directory);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    /// The end of the pipe is all that the watcher sees of us, whatever we died of.
    #[test]
    fn the_warden_removes_what_a_dead_process_left_and_survives_what_killed_it() {
        let parent = TempDir::new().unwrap();
        let left = parent.path().join("it's \"left\" $HERE");
        fs::create_dir_all(left.join("deep")).unwrap();
        fs::write(left.join("deep/image"), "bytes").unwrap();
        let mut watcher = start(watcher(REMOVE).arg(&left)).unwrap();
        let pid = Pid::from_child(&watcher);
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            kill_process(pid, signal).unwrap();
        }
        assert!(left.join("deep/image").exists());
        drop(watcher.stdin.take());
        assert!(watcher.wait().unwrap().success());
        assert!(!left.exists());
    }
}
