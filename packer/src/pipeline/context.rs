//! What the stages of one pack share, and what distinguishes the archives of one image.

use std::sync::atomic::AtomicU64;
use std::thread::Scope;
use std::time::Instant;

use crate::abort::Abort;
use crate::buffer::Buffers;
use crate::cancel::CancelToken;
use crate::codec::Compression;
use crate::metrics::Metrics;
use crate::pipeline::pass::PassProgress;
use crate::pipeline::tuning;
use crate::pool::PoolSize;
use crate::progress::{OnProgress, Pass};
use crate::segment::ExtraMembers;
use crate::sink::SinkOptions;
use crate::sink::context::SinkContext;
use crate::sink::destination::{Destination, Role};
use crate::sink::program::ProgramTimings;
use crate::tree::Tree;
use crate::tree::changes::Changes;

/// What all stages of one pack work with: where it comes from and goes to, and what its threads share.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) tree: &'a Tree<'a>,
    pub(crate) changes: &'a Changes,
    pub(crate) destination: &'a dyn Destination,
    pub(crate) threads: usize,
    pub(crate) buffers: &'a PackBuffers,
    pub(crate) metrics: &'a Metrics,
    /// Ends the pack; its token is `cancel`.
    pub(crate) abort: &'a Abort,
    pub(crate) cancel: &'a CancelToken,
    pub(crate) on_progress: &'a OnProgress,
    /// The size of the tar; 0 until it is known.
    pub(crate) total: &'a AtomicU64,
    pub(crate) timings: &'a ProgramTimings,
}

/// The buffers of one pack, which are used again and again.
#[derive(Debug, Default)]
pub(crate) struct PackBuffers {
    /// For framed bytes.
    pub(crate) framed: Buffers,
    /// For encoded bytes.
    pub(crate) encoded: Buffers,
}

/// One archive of the image, which holds the tree.
#[derive(Clone, Debug)]
pub(crate) struct ArchivePlan<'a> {
    pub(crate) role: Role,
    /// Members around the tree.
    pub(crate) extras: &'a ExtraMembers,
    /// Whether the tar is hashed, too.
    pub(crate) diff_id: bool,
    pub(crate) sink: SinkOptions,
}

impl<'a> Context<'a> {
    pub(crate) fn sink_context<'scope, 'env>(
        &self,
        scope: &'scope Scope<'scope, 'env>,
        compression: Compression,
    ) -> SinkContext<'scope, 'env>
    where
        'a: 'scope,
    {
        SinkContext {
            scope,
            metrics: self.metrics,
            abort: self.abort,
            cancel: self.cancel,
            buffers: &self.buffers.encoded,
            queue_length: tuning::write_queue(compression),
            timings: self.timings,
        }
    }

    pub(crate) fn pool_size(&self, compression: Compression) -> PoolSize {
        PoolSize { threads: self.threads, window: tuning::window(compression) * self.threads }
    }

    pub(crate) fn begin_pass(&self, pass: Pass) -> PassProgress<'a> {
        PassProgress::begin(self.on_progress, pass, self.total, Instant::now())
    }
}
