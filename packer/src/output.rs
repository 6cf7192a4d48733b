//! The sink's last stage: bytes are hashed in the calling thread and written by a thread behind it.
//!
//! Hashing and writing each take about as long as the other, so neither waits.

use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::block::Blocks;
use crate::buffer::{Buffer, Buffers};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Hasher};
use crate::observer::{Meter, Step};
use crate::pool::Panicked;
use crate::publish::Staged;

/// Pieces that may wait for the disk.
const WAITING: usize = 2;

/// Threads and counters that an output works with.
#[derive(Clone, Copy)]
pub(crate) struct Workshop<'scope, 'env> {
    pub(crate) scope: &'scope Scope<'scope, 'env>,
    pub(crate) meter: &'scope Meter<'scope>,
    /// For encoded bytes.
    pub(crate) buffers: &'scope Buffers,
}

/// Writes pieces to a staged file, behind the thread that hands them over.
#[derive(Debug)]
pub(crate) struct Writer<'scope> {
    queue: Sender<Buffer>,
    /// Nothing once its error has been returned.
    thread: Option<ScopedJoinHandle<'scope, Result<Staged>>>,
    length: u64,
}

impl<'scope> Writer<'scope> {
    /// For a file that is read back soon, and that nobody needs after this process.
    pub(crate) fn scratch(shop: Workshop<'scope, '_>, staged: Staged) -> Self {
        Writer::start(shop, move |pieces| {
            let mut file = staged.file();
            for piece in pieces {
                shop.write(&staged, piece, |bytes| std::io::Write::write_all(&mut file, bytes))?;
            }
            Ok(staged)
        })
    }

    /// For a file that is to last.
    pub(crate) fn lasting(shop: Workshop<'scope, '_>, staged: Staged) -> Self {
        Writer::start(shop, move |pieces| {
            let mut blocks = Blocks::new(staged.file());
            for piece in pieces {
                shop.write(&staged, piece, |bytes| blocks.write(bytes))?;
            }
            shop.meter.time(Step::Write, || blocks.finish()).map_err(|error| failed(&staged, error))?;
            Ok(staged)
        })
    }

    fn start(
        shop: Workshop<'scope, '_>,
        work: impl FnOnce(Receiver<Buffer>) -> Result<Staged> + Send + 'scope,
    ) -> Self {
        let (queue, waiting) = bounded(WAITING);
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

    /// Waits until all is written; gives the file back, and its length.
    pub(crate) fn finish(mut self) -> Result<(Staged, u64)> {
        // Closing the queue is what ends the thread.
        drop(std::mem::replace(&mut self.queue, bounded(0).0));
        self.join().map(|staged| (staged, self.length))
    }

    fn join(&mut self) -> Result<Staged> {
        self.thread.take().map_or_else(|| Err(Panicked("a writer was used after it had failed".into()).into()), join)
    }
}

impl Workshop<'_, '_> {
    fn write(&self, to: &Staged, piece: Buffer, write: impl FnOnce(&[u8]) -> std::io::Result<()>) -> Result<()> {
        self.meter.time(Step::Write, || write(&piece)).map_err(|error| failed(to, error))
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
    writer: Writer<'scope>,
    hasher: Hasher,
    limit: Option<u64>,
    meter: &'scope Meter<'scope>,
    buffers: &'scope Buffers,
}

/// A complete image that has no name yet.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) staged: Staged,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) length: u64,
}

impl<'scope> Output<'scope> {
    /// `limit` is the most bytes that the image may have.
    pub(crate) fn start(shop: Workshop<'scope, '_>, staged: Staged, limit: Option<u64>) -> Self {
        let Workshop { meter, buffers, .. } = shop;
        Output { writer: Writer::lasting(shop, staged), hasher: Hasher::default(), limit, meter, buffers }
    }

    /// An empty buffer to fill and hand to [`write`](Self::write).
    pub(crate) fn buffer(&self) -> Buffer {
        self.buffers.take()
    }

    pub(crate) fn write(&mut self, bytes: Buffer) -> Result<()> {
        self.meter.permit().check()?;
        if let Some(limit) = self.limit.filter(|limit| self.writer.length + bytes.len() as u64 > *limit) {
            return Err(Error::too_large(limit));
        }
        self.meter.time(Step::Hash, || self.hasher.update(&bytes));
        self.writer.write(bytes)
    }

    pub(crate) fn finish(self) -> Result<Written> {
        let (staged, length) = self.writer.finish()?;
        Ok(Written { staged, fingerprint: self.hasher.finish(), length })
    }
}
