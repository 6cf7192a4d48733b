//! The lock of a layout: packs that look at it or add to it take turns.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode};
use rustix::io::Errno;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::publish::output_dir::OutputDir;
use crate::publish::temp_name::DIRECTORY;

/// The pause between two attempts to lock.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// A lock (`flock`) on a layout's directory.
///
/// It is released explicitly on drop: a child process between fork and exec may hold a duplicate of the handle, which would keep it.
pub(super) struct LayoutLock(OwnedFd);

impl LayoutLock {
    /// Waits until no other pack has the lock. Where there are no locks, nothing waits.
    pub(super) fn take(layout: &OutputDir, cancel: &CancelToken) -> Result<Self> {
        let handle = rustix::fs::openat(layout.handle(), c".", DIRECTORY, Mode::empty())
            .map_err(|error| Error::io("open", layout.path(), error))?;
        while let Err(Errno::WOULDBLOCK | Errno::INTR) =
            rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive)
        {
            cancel.check()?;
            std::thread::sleep(RETRY_INTERVAL);
        }
        Ok(LayoutLock(handle))
    }
}

impl Drop for LayoutLock {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}
