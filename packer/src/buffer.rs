//! Byte buffers that reads and encoders fill, and that are reused.
//!
//! The spare capacity of a `Vec` would be zeroed before every read. A [`Buffer`] keeps its spare capacity initialised, so it is zeroed
//! once in the buffer's life, not once for each segment.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes with initialised spare capacity behind them. A buffer that was [taken](Buffers::take) goes back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    /// How many of `bytes` are in use; the others are spare.
    length: usize,
    owner: Option<FreeList>,
}

impl Buffer {
    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.spare_mut(bytes.len()).copy_from_slice(bytes);
        self.length += bytes.len();
    }

    pub(crate) fn append_zeros(&mut self, count: usize) {
        self.spare_mut(count).fill(0);
        self.length += count;
    }

    /// The next `count` bytes of spare capacity, to be written to and then counted by [`advance`](Self::advance).
    pub(crate) fn spare_mut(&mut self, count: usize) -> &mut [u8] {
        let end = self.length + count;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.length..end]
    }

    /// Counts the first `count` bytes of the spare capacity as written.
    pub(crate) fn advance(&mut self, count: usize) {
        self.length += count;
        debug_assert!(self.length <= self.bytes.len());
    }

    /// Replaces the bytes by those that `fill` appends to an empty vector with capacity for `count`. Unlike
    /// [`spare_mut`](Self::spare_mut), this writes no zeros, so capacity that is never used takes no memory.
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

    /// The bytes, mutable in place.
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
        if let Some(owner) = &self.owner {
            owner.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.bytes));
        }
    }
}

type FreeList = Arc<Mutex<Vec<Vec<u8>>>>;

/// A free list of buffers for one purpose. It has as many buffers as were ever in use at once, each as large as it ever had to be; so
/// small and large contents should not share a list.
///
/// The buffer that came back last is taken first: it is still in a processor's cache, and buffers that are needed only during a stall
/// stay small.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers(FreeList);

impl Buffers {
    /// An empty buffer.
    pub(crate) fn take(&self) -> Buffer {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        Buffer { bytes, length: 0, owner: Some(Arc::clone(&self.0)) }
    }
}
