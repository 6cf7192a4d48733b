//! A child process that is killed and waited for when it is dropped.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::Result;

/// The pause between two looks at a program that is about to end.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Kills the child and waits for it when dropped.
#[derive(Debug)]
pub(crate) struct ChildGuard {
    pub(crate) child: Child,
    /// The child has ended. If a pipe of it is still open, another process holds it.
    pub(crate) ended: Arc<AtomicBool>,
}

impl ChildGuard {
    pub(crate) fn new(child: Child) -> Self {
        ChildGuard { child, ended: Arc::default() }
    }

    /// Ends the child now.
    pub(crate) fn end(&mut self) {
        // Both calls do nothing if the child has ended. An error matters only after a failure, which is reported already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.ended.store(true, Ordering::SeqCst);
    }

    /// Waits for the child to end by itself, for `time` at most, as long as `go_on` is fine. `None` if it has not ended.
    pub(crate) fn wait_for(
        &mut self,
        time: Duration,
        go_on: impl Fn() -> Result<()>,
    ) -> Result<io::Result<Option<ExitStatus>>> {
        for _ in 0..time.as_millis() / POLL_INTERVAL.as_millis() {
            go_on()?;
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(POLL_INTERVAL),
                Ok(Some(status)) => {
                    self.ended.store(true, Ordering::SeqCst);
                    return Ok(Ok(Some(status)));
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(None))
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        self.end();
    }
}
