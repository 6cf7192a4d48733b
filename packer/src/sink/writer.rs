//! Writes pieces in a thread behind the one that hands them over.

use std::thread::ScopedJoinHandle;

use crossbeam_channel::{Sender, bounded};

use crate::buffer::Buffer;
use crate::error::{Error, Panicked, Result};
use crate::metrics::Step;
use crate::sink::context::SinkContext;
use crate::sink::destination::{PieceWriter, ScratchFile};
use crate::threads;

/// A thread that writes, and the queue before it.
#[derive(Debug)]
pub(crate) struct Writer<'scope, To> {
    queue: Sender<Buffer>,
    /// `None` once it has been joined.
    thread: Option<ScopedJoinHandle<'scope, std::result::Result<To, ()>>>,
    length: u64,
}

impl<'scope, To: PieceWriter + 'scope> Writer<'scope, To> {
    pub(crate) fn start(context: SinkContext<'scope, '_>, mut to: To) -> Result<Self> {
        let (queue, pieces) = bounded::<Buffer>(context.queue_length);
        let SinkContext { metrics, abort, .. } = context;
        let write_all = move || {
            for piece in pieces {
                metrics.time(Step::Write, || to.write(piece))?;
            }
            metrics.time(Step::Write, || to.flush())?;
            Ok(to)
        };
        // A failure ends the workers: the next piece, which would be told of it, may take seconds to encode.
        let thread = threads::start(context.scope, move || write_all().map_err(|error| abort.fail(error)))?;
        Ok(Writer { queue, thread: Some(thread), length: 0 })
    }

    pub(crate) fn write(&mut self, piece: Buffer) -> Result<()> {
        self.length += piece.len() as u64;
        match self.queue.send(piece) {
            Ok(()) => Ok(()),
            // The thread ended early, so it failed; its error is the cause.
            Err(_) => self.join().map(|_| ()),
        }
    }

    /// The bytes that were handed over.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Waits until all is written. Returns what was written to, and the length.
    pub(crate) fn finish(mut self) -> Result<(To, u64)> {
        // Closing the queue ends the thread.
        drop(std::mem::replace(&mut self.queue, bounded(0).0));
        self.join().map(|to| (to, self.length))
    }

    fn join(&mut self) -> Result<To> {
        let thread = self.thread.take().ok_or_else(|| Panicked("a writer was used after it had failed".into()))?;
        let joined = thread.join().map_err(|_| Panicked("the thread that writes panicked".into()))?;
        // The cause stays where it is: whoever returns this error is asked for it at the end, by whichever way it gets there.
        joined.map_err(|()| Error::cancelled())
    }
}

/// Writes through the page cache and never syncs: the file is read back soon, and nobody needs it after this process.
impl PieceWriter for ScratchFile {
    fn write(&mut self, piece: Buffer) -> Result<()> {
        std::io::Write::write_all(&mut self.file, &piece)
            .map_err(|error| Error::io("write a file in", &self.directory, error))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
