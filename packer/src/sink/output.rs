//! The sink's last stage: bytes are hashed in the calling thread and written by a thread behind it.
//!
//! Hashing and writing each take about as long as the other, so neither waits.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::buffer::{Buffer, Buffers};
use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Hasher};
use crate::metrics::{Metrics, Step};
use crate::pool::Panicked;
use crate::publish::directory::{Shelf, Staged};
use crate::sink::direct_io::Blocks;

/// Where an image goes.
pub(crate) enum Destination<'a> {
    /// To a file that is published in this directory.
    Shelf(Arc<Shelf>),
    /// Away, piece by piece.
    Stream(&'a dyn Stream),
}

/// Something that bytes are written to, by whichever thread that may be.
pub(crate) trait Stream: Sync {
    fn write_all(&self, bytes: &[u8]) -> std::io::Result<()>;
    fn flush(&self) -> std::io::Result<()>;
}

impl Stream for Mutex<&mut (dyn Write + Send)> {
    fn write_all(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)
    }

    fn flush(&self) -> std::io::Result<()> {
        self.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl Destination<'_> {
    /// The directory; a stream has none.
    pub(crate) fn shelf(&self) -> Result<&Arc<Shelf>> {
        match self {
            Destination::Shelf(shelf) => Ok(shelf),
            Destination::Stream(_) => Err(Error::unfit("a stream", "is no place for a file")),
        }
    }
}

/// Threads and counters that an output works with.
#[derive(Clone, Copy)]
pub(crate) struct Workshop<'scope, 'env> {
    pub(crate) scope: &'scope Scope<'scope, 'env>,
    pub(crate) metrics: &'scope Metrics,
    pub(crate) cancel: &'scope CancelToken,
    /// For encoded bytes.
    pub(crate) buffers: &'scope Buffers,
    /// Pieces that may wait for the disk.
    pub(crate) waiting: usize,
}

/// Writes pieces to a staged file, behind the thread that hands them over.
#[derive(Debug)]
pub(crate) struct Writer<'scope, Kept> {
    queue: Sender<Buffer>,
    /// Nothing once its error has been returned.
    thread: Option<ScopedJoinHandle<'scope, Result<Kept>>>,
    length: u64,
}

impl<'scope> Writer<'scope, Staged> {
    /// For a file that is read back soon, and that nobody needs after this process.
    pub(crate) fn scratch(shop: Workshop<'scope, '_>, staged: Staged) -> Self {
        Writer::start(shop, move |pieces| {
            let mut file = staged.file();
            for piece in pieces {
                shop.write(piece, |bytes| file.write_all(bytes)).map_err(|error| failed(&staged, error))?;
            }
            Ok(staged)
        })
    }
}

impl<'scope> Writer<'scope, Option<Staged>> {
    /// For a file that is to last.
    pub(crate) fn lasting(shop: Workshop<'scope, '_>, staged: Staged) -> Self {
        Writer::start(shop, move |pieces| {
            let mut blocks = Blocks::new(staged.file());
            for piece in pieces {
                shop.write(piece, |bytes| blocks.write(bytes)).map_err(|error| failed(&staged, error))?;
            }
            shop.metrics.time(Step::Write, || blocks.finish()).map_err(|error| failed(&staged, error))?;
            Ok(Some(staged))
        })
    }

    /// For what leaves at once.
    pub(crate) fn streaming(shop: Workshop<'scope, '_>, stream: &'scope dyn Stream) -> Self {
        Writer::start(shop, move |pieces| {
            for piece in pieces {
                shop.write(piece, |bytes| stream.write_all(bytes)).map_err(Error::stream)?;
            }
            shop.metrics.time(Step::Write, || stream.flush()).map_err(Error::stream)?;
            Ok(None)
        })
    }
}

impl<'scope, Kept: Send + 'scope> Writer<'scope, Kept> {
    fn start(shop: Workshop<'scope, '_>, work: impl FnOnce(Receiver<Buffer>) -> Result<Kept> + Send + 'scope) -> Self {
        let (queue, waiting) = bounded(shop.waiting);
        Writer { queue, thread: Some(shop.scope.spawn(move || work(waiting))), length: 0 }
    }

    pub(crate) fn write(&mut self, piece: Buffer) -> Result<()> {
        self.length += piece.len() as u64;
        match self.queue.send(piece) {
            Ok(()) => Ok(()),
            // The thread has ended, and so has failed; what it says is the cause.
            Err(_) => self.join().map(|_| ()),
        }
    }

    /// Waits until all is written; gives back what is kept, and the length.
    pub(crate) fn finish(mut self) -> Result<(Kept, u64)> {
        // Closing the queue is what ends the thread.
        drop(std::mem::replace(&mut self.queue, bounded(0).0));
        self.join().map(|staged| (staged, self.length))
    }

    fn join(&mut self) -> Result<Kept> {
        self.thread.take().map_or_else(|| Err(Panicked("a writer was used after it had failed".into()).into()), join)
    }
}

impl Workshop<'_, '_> {
    fn write(&self, piece: Buffer, write: impl FnOnce(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        self.metrics.time(Step::Write, || write(&piece))
    }
}

fn failed(staged: &Staged, error: std::io::Error) -> Error {
    Error::io("write a file in", staged.place(), error)
}

fn join<Value>(thread: ScopedJoinHandle<'_, Result<Value>>) -> Result<Value> {
    thread.join().unwrap_or_else(|_| Err(Panicked("the thread that writes panicked".into()).into()))
}

/// An image under way: hashed and written.
#[derive(Debug)]
pub(crate) struct Output<'scope> {
    writer: Writer<'scope, Option<Staged>>,
    hasher: Hasher,
    limit: Option<u64>,
    metrics: &'scope Metrics,
    cancel: &'scope CancelToken,
    buffers: &'scope Buffers,
}

/// A complete image that has no name yet.
#[derive(Debug)]
pub(crate) struct Written {
    /// The file; nothing of a stream.
    staged: Option<Staged>,
    /// The hash up to its end, of what [`Output::start`] began with and of the image.
    pub(crate) hasher: Hasher,
    pub(crate) length: u64,
}

impl Written {
    /// A file that somebody else wrote, and its hash.
    pub(crate) fn of(staged: Staged, hasher: Hasher, length: u64) -> Self {
        Written { staged: Some(staged), hasher, length }
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.hasher.clone().finish()
    }

    /// The file.
    pub(crate) fn staged(self) -> Result<Staged> {
        self.staged.ok_or_else(|| Error::unfit("a stream", "is no file that could have a name"))
    }

    /// Brings everything to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.staged.as_ref().map_or(Ok(()), Staged::sync)
    }
}

impl<'scope> Output<'scope> {
    /// `limit` is the most bytes that the image may have; the hash goes on from `hasher`.
    pub(crate) fn start<'a: 'scope>(
        shop: Workshop<'scope, '_>,
        to: &'scope Destination<'a>,
        hasher: Hasher,
        limit: Option<u64>,
    ) -> Result<Self> {
        let Workshop { metrics, cancel, buffers, .. } = shop;
        let writer = match to {
            Destination::Shelf(shelf) => Writer::lasting(shop, shelf.stage()?),
            Destination::Stream(stream) => Writer::streaming(shop, *stream),
        };
        Ok(Output { writer, hasher, limit, metrics, cancel, buffers })
    }

    /// An empty buffer to fill and hand to [`write`](Self::write).
    pub(crate) fn buffer(&self) -> Buffer {
        self.buffers.take()
    }

    pub(crate) fn write(&mut self, bytes: Buffer) -> Result<()> {
        self.cancel.check()?;
        if let Some(limit) = self.limit.filter(|limit| self.writer.length + bytes.len() as u64 > *limit) {
            return Err(Error::too_large(limit));
        }
        self.metrics.time(Step::Hash, || self.hasher.update(&bytes));
        self.writer.write(bytes)
    }

    pub(crate) fn finish(self) -> Result<Written> {
        let (staged, length) = self.writer.finish()?;
        Ok(Written { staged, hasher: self.hasher, length })
    }
}
