//! What all readers of one image share: its cancellation token and its progress.

use std::cell::RefCell;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{OnProgress, Pass, ProgressReporter};

/// The token and the progress of one thread that reads.
pub(crate) struct ReadContext<'a> {
    cancel: &'a CancelToken,
    /// Counts bytes that were read.
    advance: &'a dyn Fn(u64),
    /// Whether the caller wants progress.
    reports: bool,
    /// The bytes that will be read in all; 0 until they are known.
    total: &'a AtomicU64,
}

impl<'a> ReadContext<'a> {
    /// Runs `work` with a context, and makes the last report if it succeeds.
    pub(crate) fn run<Value>(
        cancel: &CancelToken,
        on_progress: &OnProgress,
        work: impl FnOnce(&ReadContext<'_>) -> Result<Value>,
    ) -> Result<Value> {
        cancel.check()?;
        let total = AtomicU64::new(0);
        let reporter = RefCell::new(ProgressReporter::start(on_progress, Pass::Read, &total, Instant::now()));
        let advance = |bytes| reporter.borrow_mut().advance(bytes, Instant::now);
        let context = ReadContext { cancel, advance: &advance, reports: on_progress.is_wanted(), total: &total };
        let value = work(&context)?;
        reporter.into_inner().finish(Instant::now());
        Ok(value)
    }

    pub(crate) fn cancel(&self) -> &'a CancelToken {
        self.cancel
    }

    /// Whether anybody wants to know the total.
    pub(crate) fn reports(&self) -> bool {
        self.reports
    }

    /// Sets the bytes that will be read in all.
    pub(crate) fn set_total(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that were read.
    pub(crate) fn advance(&self, bytes: u64) {
        (self.advance)(bytes);
    }

    /// Reads from `inner`, which counts as progress and fails once the work is cancelled.
    pub(crate) fn watch<Inner>(&'a self, inner: Inner) -> WatchedReader<'a, Inner> {
        WatchedReader { inner, context: self }
    }
}

/// A reader that counts its bytes as progress and fails once the work is cancelled.
pub(crate) struct WatchedReader<'a, Inner> {
    inner: Inner,
    context: &'a ReadContext<'a>,
}

impl<Inner: Read> Read for WatchedReader<'_, Inner> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.context.cancel.check().map_err(io::Error::other)?;
        let count = self.inner.read(buffer)?;
        self.context.advance(count as u64);
        Ok(count)
    }
}

/// Whether cancellation is the cause of an I/O error, which may have come through a decoder.
pub(crate) fn is_cancelled(error: &io::Error) -> bool {
    error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<Error>())
        .is_some_and(|error| error.kind() == ErrorKind::Cancelled)
}

/// The work was cancelled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cancelled;

impl From<Cancelled> for Error {
    fn from(Cancelled: Cancelled) -> Self {
        Error::cancelled()
    }
}

/// In loops over entries in memory, which are fast, the token is asked once for so many.
const STRIDE: usize = 1 << 10;

/// Passes the items of an iterator on, and fails once the work is cancelled.
pub(crate) fn each<Item>(
    items: impl IntoIterator<Item = Item>,
    cancel: &CancelToken,
    mut visit: impl FnMut(Item),
) -> std::result::Result<(), Cancelled> {
    for (number, item) in items.into_iter().enumerate() {
        if number.is_multiple_of(STRIDE) && cancel.is_cancelled() {
            return Err(Cancelled);
        }
        visit(item);
    }
    Ok(())
}
