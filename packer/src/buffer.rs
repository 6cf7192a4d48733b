//! Byte buffers that are filled by reads and encoders, and used again.
//!
//! A `Vec` would have its spare room zeroed before every read. A [`Buffer`] keeps all its room initialised, so that room
//! is zeroed once in the buffer's life, not once per segment.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes, with initialised room behind them. One that was [taken](Buffers::take) goes back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
    home: Option<Stack>,
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

    /// Replaces the bytes by what `fill` appends to an empty vector with capacity for `count`. Capacity that is never
    /// written to takes no memory, where [`room`](Self::room) is zeroed.
    pub(crate) fn refill<Failure>(
        &mut self,
        count: usize,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.bytes.clear();
        self.bytes.reserve(count);
        let result = fill(&mut self.bytes);
        self.length = self.bytes.len();
        result
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

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            home.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.bytes));
        }
    }
}

type Stack = Arc<Mutex<Vec<Vec<u8>>>>;

/// Buffers for one purpose, which are used again and again. As many exist as were ever in use at the same time; each is as
/// large as it ever had to be, so what is small and what is large should not share them.
///
/// The one that came back last is the next to be taken: it is still in a processor's cache, and those that are needed only
/// when something stalls stay as small as they were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers(Stack);

impl Buffers {
    /// An empty buffer.
    pub(crate) fn take(&self) -> Buffer {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        Buffer { bytes, length: 0, home: Some(Arc::clone(&self.0)) }
    }
}
