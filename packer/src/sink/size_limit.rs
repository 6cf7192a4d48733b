//! The limit of an image's size, whose parts are written one after the other.

use crate::error::{Error, Result};

/// The most bytes that an image may have, and how many of them its other parts take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeLimit {
    most: u64,
    other_parts: u64,
}

impl SizeLimit {
    pub(crate) fn new(most: u64) -> Self {
        SizeLimit { most, other_parts: 0 }
    }

    /// The limit of a part beside others of so many bytes.
    pub(crate) fn beside(self, other_parts: u64) -> Self {
        SizeLimit { other_parts: self.other_parts + other_parts, ..self }
    }

    /// Fails if a part of this length makes the image too large.
    pub(crate) fn check(self, length: u64) -> Result<()> {
        if self.other_parts.saturating_add(length) > self.most { Err(Error::too_large(self.most)) } else { Ok(()) }
    }
}
