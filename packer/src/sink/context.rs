//! What every stage of the sink needs: the thread scope, metrics, cancellation, buffers, the length of the queue.

use std::thread::Scope;

use crate::abort::Abort;
use crate::buffer::Buffers;
use crate::cancel::CancelToken;
use crate::metrics::Metrics;
use crate::sink::program::timings::ProgramTimings;

/// What every stage of the sink needs: the scope of its threads, counters, cancellation, buffers.
#[derive(Clone, Copy)]
pub(crate) struct SinkContext<'scope, 'env> {
    pub(crate) scope: &'scope Scope<'scope, 'env>,
    pub(crate) metrics: &'scope Metrics,
    /// Ends the pack; its token is `cancel`.
    pub(crate) abort: &'scope Abort,
    pub(crate) cancel: &'scope CancelToken,
    /// For encoded bytes.
    pub(crate) buffers: &'scope Buffers,
    /// How many pieces may wait for the writer.
    pub(crate) queue_length: usize,
    pub(crate) timings: &'scope ProgramTimings,
}
