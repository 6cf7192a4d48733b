//! The sink's last stage: bytes are hashed in the calling thread and written by a thread behind it.
//!
//! Hashing and writing each take about as long as the other, so neither waits. An image is also pushed to the disk while it
//! is being written, so that the fsync at the end finds little left to do.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::buffer::{Buffer, Buffers};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Hasher};
use crate::observer::{Meter, Step};
use crate::pool::Panicked;
use crate::publish::Staged;

/// Buffers that may wait for the disk.
const WAITING: usize = 2;

/// How much is written between two pushes, in bytes.
const PUSH: u64 = 16 << 20;

/// Threads and counters that an output works with.
#[derive(Clone, Copy)]
pub(crate) struct Workshop<'scope, 'env> {
    pub(crate) scope: &'scope Scope<'scope, 'env>,
    pub(crate) meter: &'scope Meter<'scope>,
    pub(crate) buffers: &'scope Buffers,
}

/// Writes buffers to a staged file, behind the thread that hands them over.
#[derive(Debug)]
pub(crate) struct Writer<'scope> {
    queue: Sender<Buffer>,
    /// Nothing once its error has been returned.
    thread: Option<ScopedJoinHandle<'scope, Result<Staged>>>,
    length: u64,
}

impl<'scope> Writer<'scope> {
    /// For a file that nobody needs after this process: it is never pushed to the disk.
    pub(crate) fn scratch(shop: Workshop<'scope, '_>, staged: Staged) -> Self {
        let (queue, waiting) = bounded(WAITING);
        let work = move || write(shop.meter, shop.buffers, &staged, &waiting, |_| Ok(())).map(|()| staged);
        Writer { queue, thread: Some(shop.scope.spawn(work)), length: 0 }
    }

    /// For a file that is to last.
    pub(crate) fn lasting(shop: Workshop<'scope, '_>, staged: Staged) -> Self {
        let (queue, waiting) = bounded(WAITING);
        let Workshop { scope, meter, buffers } = shop;
        let work = move || {
            let (mut pusher, mut unpushed) = (Pusher::start(scope, &staged)?, 0);
            write(meter, buffers, &staged, &waiting, |count| {
                unpushed += count;
                if unpushed >= PUSH && pusher.push()? {
                    unpushed = 0;
                }
                Ok(())
            })?;
            pusher.finish()?;
            Ok(staged)
        };
        Writer { queue, thread: Some(scope.spawn(work)), length: 0 }
    }

    pub(crate) fn write(&mut self, bytes: Buffer) -> Result<()> {
        self.length += bytes.len() as u64;
        match self.queue.send(bytes) {
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

/// An image under way: hashed and written.
#[derive(Debug)]
pub(crate) struct Output<'scope> {
    writer: Writer<'scope>,
    hasher: Hasher,
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
    pub(crate) fn start(shop: Workshop<'scope, '_>, staged: Staged) -> Self {
        let writer = Writer::lasting(shop, staged);
        Output { writer, hasher: Hasher::default(), meter: shop.meter, buffers: shop.buffers }
    }

    /// An empty buffer to fill and hand to [`write`](Self::write).
    pub(crate) fn buffer(&self) -> Buffer {
        self.buffers.take()
    }

    pub(crate) fn write(&mut self, bytes: Buffer) -> Result<()> {
        self.meter.time(Step::Hash, || self.hasher.update(&bytes));
        self.writer.write(bytes)
    }

    pub(crate) fn finish(self) -> Result<Written> {
        let (staged, length) = self.writer.finish()?;
        Ok(Written { staged, fingerprint: self.hasher.finish(), length })
    }
}

fn write(
    meter: &Meter<'_>,
    buffers: &Buffers,
    staged: &Staged,
    queue: &Receiver<Buffer>,
    mut wrote: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    let mut file = staged.file();
    for bytes in queue {
        meter
            .time(Step::Write, || std::io::Write::write_all(&mut file, &bytes))
            .map_err(|error| Error::io("write a file in", staged.place(), error))?;
        wrote(bytes.len() as u64)?;
        buffers.give(bytes);
    }
    Ok(())
}

/// Pushes what has been written to the disk, from a thread of its own.
struct Pusher<'scope> {
    wake: Sender<()>,
    thread: Option<ScopedJoinHandle<'scope, Result<()>>>,
}

impl<'scope> Pusher<'scope> {
    fn start<'env>(scope: &'scope Scope<'scope, 'env>, staged: &Staged) -> Result<Self> {
        let place: PathBuf = staged.place().to_owned();
        let file: OwnedFd = staged
            .file()
            .try_clone()
            .map_err(|error| Error::io("duplicate the handle of a file in", &place, error))?
            .into();
        let (wake, woken) = bounded(0);
        let thread = scope.spawn(move || {
            // An error of write-back is told only once for this handle: if it is told here it has to be passed on.
            woken.into_iter().try_for_each(|()| {
                rustix::fs::fdatasync(&file).map_err(|error| Error::io("write a file in", &place, error))
            })
        });
        Ok(Pusher { wake, thread: Some(thread) })
    }

    /// Starts a push if none is under way; says whether it did.
    fn push(&mut self) -> Result<bool> {
        match self.wake.try_send(()) {
            Ok(()) => Ok(true),
            Err(crossbeam_channel::TrySendError::Full(())) => Ok(false),
            Err(crossbeam_channel::TrySendError::Disconnected(())) => {
                self.thread.take().map_or(Ok(()), join).map(|()| false)
            }
        }
    }

    fn finish(self) -> Result<()> {
        drop(self.wake);
        self.thread.map_or(Ok(()), join)
    }
}

fn join<Value>(thread: ScopedJoinHandle<'_, Result<Value>>) -> Result<Value> {
    thread.join().unwrap_or_else(|_| Err(Panicked("the thread that writes panicked".into()).into()))
}
