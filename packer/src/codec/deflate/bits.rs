//! The bits of a DEFLATE stream, lowest first.

use crate::codec::deflate::malformed::Malformed;

/// A stream read from its lowest bit on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a> {
    stream: &'a [u8],
    /// The next byte to load.
    next: usize,
    /// What has been loaded and not been dropped; above `count` bits more of the stream, or zeros.
    pub(super) buffer: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(stream: &'a [u8]) -> Self {
        Bits { stream, next: 0, buffer: 0, count: 0 }
    }

    /// Fills up to at least 56 bits; false, and nothing done, within eight bytes of the end.
    #[inline(always)]
    pub(super) fn refill(&mut self) -> bool {
        let Some(bytes) = self.stream.get(self.next..self.next + 8) else { return false };
        self.load(u64::from_le_bytes(bytes.try_into().expect("eight bytes")));
        true
    }

    /// Fills up to at least 56 bits, with zeros behind the end; an error once nothing but those is left.
    pub(super) fn refill_to_the_end(&mut self) -> Result<(), Malformed> {
        if self.refill() {
            return Ok(());
        }
        if !self.is_within() {
            return Err(Malformed::CutShort);
        }
        let mut bytes = [0; 8];
        let rest = self.stream.get(self.next..).unwrap_or_default();
        bytes[..rest.len()].copy_from_slice(rest);
        self.load(u64::from_le_bytes(bytes));
        Ok(())
    }

    #[inline(always)]
    fn load(&mut self, word: u64) {
        self.buffer |= word << self.count;
        self.next += ((63 - self.count) >> 3) as usize;
        self.count |= 56;
    }

    pub(super) fn take(&mut self, count: u32) -> u64 {
        let value = self.buffer & ((1 << count) - 1);
        self.drop(count);
        value
    }

    #[inline(always)]
    pub(super) fn drop(&mut self, count: u32) {
        self.buffer >>= count;
        self.count -= count;
    }

    /// Whether nothing behind the end has been dropped or taken.
    pub(super) fn is_within(&self) -> bool {
        self.position() <= self.stream.len() * 8
    }

    /// The bits up to the next boundary of a byte, of which nothing has been dropped or taken.
    pub(super) fn rest_of_byte(&self) -> u64 {
        self.buffer & ((1 << (self.count % 8)) - 1)
    }

    /// How many bits have been dropped or taken.
    pub(super) fn position(&self) -> usize {
        self.next * 8 - self.count as usize
    }

    /// Passes over the rest of a stored block, behind its type (RFC 1951, 3.2.4); returns its length in bytes.
    pub(super) fn stored(&mut self) -> Result<u64, Malformed> {
        let start = self.position().div_ceil(8);
        let header = self.stream.get(start..start + 4).ok_or(Malformed::CutShort)?;
        let length = u16::from_le_bytes([header[0], header[1]]);
        if length != !u16::from_le_bytes([header[2], header[3]]) {
            return Err(Malformed::StoredLength);
        }
        *self = Bits { next: start + 4 + usize::from(length), ..Bits::new(self.stream) };
        Ok(u64::from(length))
    }
}
