//! Byte buffers that are filled by reads and encoders, and used again.
//!
//! A `Vec` would have its spare room zeroed before every read. A [`Buffer`] keeps all its room initialised, so that room
//! is zeroed once in the buffer's life, not once per segment.

use std::ops::Deref;

use crossbeam_channel::{Receiver, Sender, unbounded};

/// Bytes, with initialised room behind them.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
}

impl Buffer {
    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.length += bytes.len();
    }

    pub(crate) fn append_zeros(&mut self, count: usize) {
        self.room(count).fill(0);
        self.length += count;
    }

    /// Writable room for `count` bytes behind what is there. What is written counts only once it is [`kept`](Self::keep).
    pub(crate) fn room(&mut self, count: usize) -> &mut [u8] {
        let end = self.length + count;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.length..end]
    }

    /// Counts the first `count` bytes of the room as written.
    pub(crate) fn keep(&mut self, count: usize) {
        self.length += count;
        debug_assert!(self.length <= self.bytes.len());
    }

    /// Puts `bytes` before what stands at `position`.
    pub(crate) fn insert(&mut self, position: usize, bytes: &[u8]) {
        self.append(bytes);
        self.bytes_mut()[position..].rotate_right(bytes.len());
    }

    /// The bytes, to be changed in place.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Buffers that have been used up by one stage and wait to be filled by another. As many exist as were ever in use at
/// the same time.
#[derive(Clone, Debug)]
pub(crate) struct Buffers {
    used: Sender<Buffer>,
    ready: Receiver<Buffer>,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        let (used, ready) = unbounded();
        Buffers { used, ready }
    }

    /// An empty buffer.
    pub(crate) fn take(&self) -> Buffer {
        let mut buffer = self.ready.try_recv().unwrap_or_default();
        buffer.clear();
        buffer
    }

    pub(crate) fn give(&self, buffer: Buffer) {
        // Cannot fail: the receiver lives in `self`.
        let _ = self.used.send(buffer);
    }
}
