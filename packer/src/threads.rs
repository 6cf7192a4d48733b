//! Starts threads. A system that has none left is an error, not a panic.

use std::io;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::error::{Error, Result};

/// The most threads that a pack uses. The queues between them have room for what all of them make.
pub(crate) const MAX_THREADS: usize = 1024;

/// Starts a thread in a scope.
pub(crate) fn start<'scope, Value: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    run: impl FnOnce() -> Value + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, Value>> {
    try_start(scope, run).map_err(Error::thread)
}

/// The same with the system's own error.
pub(crate) fn try_start<'scope, Value: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    run: impl FnOnce() -> Value + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, Value>> {
    Builder::new().spawn_scoped(scope, run)
}
