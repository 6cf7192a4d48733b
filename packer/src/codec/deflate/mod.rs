//! Where the last block of a DEFLATE stream (RFC 1951) begins, and where the stream ends.
//!
//! That cannot be known without reading every code, but the codes need not be decoded to bytes: it is enough to know how
//! long they are and how many bytes they stand for. The count is compared with what went into the encoder, which also
//! catches most streams that were damaged in memory.
//!
//! Distances are not checked against the window and bytes are not compared: this reads what our own encoder has just
//! written, and is no decoder for foreign data – though on any input it returns, without panicking.
//!
//! Several streams are walked in turns of a few codes each. A walk spends nearly all of its time waiting for the one code to
//! know where the next begins; the waits of independent streams overlap.

mod bits;
mod code;
mod tables;

use bits::Bits;
use tables::{Found, LookUps, Tables};

/// What a walk over a stream found. Positions count bits from the start of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stream {
    /// Where the last block's header begins: the position of its final bit.
    pub(super) last_block: usize,
    /// The first position behind the last block.
    pub(super) end: usize,
    /// How many bytes the stream decodes to.
    pub(super) decoded: u64,
}

/// The bytes are no complete DEFLATE stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the compressed segment is malformed: {0}")]
pub(super) struct Malformed(&'static str);

impl Malformed {
    const CUT_SHORT: Malformed = Malformed("it ends within a block");
    const NO_SUCH_CODE: Malformed = Malformed("a code without a symbol");
}

/// Walks over all blocks of each stream.
pub(super) fn walk<const LANES: usize>(streams: [&[u8]; LANES]) -> Result<[Stream; LANES], Malformed> {
    let mut lanes = streams.map(Lane::new);
    for lane in &mut lanes {
        lane.next_block()?;
    }
    while lanes.iter().all(|lane| !lane.finished) {
        let special = together(&mut lanes);
        lanes[special].special()?;
    }
    for lane in &mut lanes {
        while !lane.finished {
            together(std::array::from_mut(lane));
            lane.special()?;
        }
    }
    Ok(lanes.map(|lane| lane.found))
}

/// Walks until one of the lanes meets something special; says which.
fn together<const LANES: usize>(lanes: &mut [Lane<'_>; LANES]) -> usize {
    // The cursors are copied, so that they are in registers.
    let mut cursors = lanes.each_ref().map(|lane| lane.cursor);
    let look_ups = lanes.each_ref().map(|lane| &*lane.tables.look_ups);
    let special = loop {
        if let Some(index) = (0..LANES).find(|&index| !cursors[index].step(look_ups[index])) {
            break index;
        }
    };
    lanes.iter_mut().zip(cursors).for_each(|(lane, cursor)| lane.cursor = cursor);
    special
}

/// How far a walk has come.
#[derive(Clone, Copy, Debug)]
struct Cursor<'a> {
    bits: Bits<'a>,
    /// What the last look-up found, if that was in this block.
    before: Found,
    decoded: u64,
}

impl Cursor<'_> {
    /// Walks over two look-ups' worth of codes; false, and at most one of them done, if that takes
    /// [`special`](Lane::special) care.
    #[inline(always)]
    fn step(&mut self, look_ups: &LookUps) -> bool {
        // Twice at most 11 bits and a distance's 14 extra bits: 50 of the 56 that are there.
        self.bits.refill() && self.follow(look_ups) && self.follow(look_ups)
    }

    #[inline(always)]
    fn follow(&mut self, look_ups: &LookUps) -> bool {
        let found = look_ups.find(self.before, self.bits.buffer);
        if found.is_nothing() {
            return false;
        }
        self.bits.drop(found.width());
        self.decoded += found.bytes();
        self.before = found;
        true
    }
}

/// A walk over one stream.
#[derive(Debug)]
struct Lane<'a> {
    cursor: Cursor<'a>,
    tables: Tables,
    found: Stream,
    /// Whether this is the last block.
    last: bool,
    finished: bool,
}

impl<'a> Lane<'a> {
    fn new(stream: &'a [u8]) -> Self {
        let cursor = Cursor { bits: Bits::new(stream), before: Found::default(), decoded: 0 };
        Lane { cursor, tables: Tables::default(), found: Stream::default(), last: false, finished: false }
    }

    /// Walks over one code of any kind, with its distance if it is a length, and on to the next block if it ends this one.
    #[cold]
    fn special(&mut self) -> Result<(), Malformed> {
        let (cursor, tables) = (&mut self.cursor, &self.tables);
        cursor.bits.refill_to_the_end()?;
        if !cursor.before.expects_distance() {
            let (symbol, width) = tables.literals.find(cursor.bits.buffer)?;
            cursor.bits.drop(width);
            if symbol < code::END {
                cursor.decoded += 1;
                return Ok(());
            }
            if symbol == code::END {
                return self.end_block();
            }
            let (bytes, extra) = code::length(symbol).ok_or(Malformed::NO_SUCH_CODE)?;
            cursor.decoded += u64::from(bytes) + cursor.bits.take(extra);
            cursor.bits.refill_to_the_end()?;
        }
        let (symbol, width) = tables.distances.find(cursor.bits.buffer)?;
        cursor.bits.drop(width + code::distance_extra(symbol));
        cursor.before = Found::default();
        Ok(())
    }

    /// Reads block headers up to the first block that has codes, or to the end of the stream.
    fn next_block(&mut self) -> Result<(), Malformed> {
        self.found.last_block = self.cursor.bits.position();
        self.cursor.bits.refill_to_the_end()?;
        self.last = self.cursor.bits.take(1) == 1;
        match self.cursor.bits.take(2) {
            0 => {
                self.cursor.decoded += self.cursor.bits.stored()?;
                self.end_block()
            }
            1 => self.tables.fixed(),
            2 => self.tables.read(&mut self.cursor.bits),
            _ => Err(Malformed("a block of unknown type")),
        }
    }

    fn end_block(&mut self) -> Result<(), Malformed> {
        if !self.cursor.bits.is_within() {
            return Err(Malformed::CUT_SHORT);
        }
        if self.last {
            (self.found.end, self.found.decoded) = (self.cursor.bits.position(), self.cursor.decoded);
            self.finished = true;
            return Ok(());
        }
        self.next_block()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compressed(level: i32, bytes: &[u8]) -> Vec<u8> {
        let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(level).unwrap());
        let mut out = vec![0; compressor.deflate_compress_bound(bytes.len())];
        let length = compressor.deflate_compress(bytes, &mut out).unwrap();
        out.truncate(length);
        out
    }

    /// Repeated words, and bytes of which each is half as frequent as the one before, whose codes are of all widths.
    fn texture() -> impl Strategy<Value = Vec<u8>> {
        let word = proptest::collection::vec(any::<u8>(), 1..300);
        let words = proptest::collection::vec((word, 1..200_usize), 0..8)
            .prop_map(|words| words.into_iter().flat_map(|(word, times)| word.repeat(times)).collect());
        let skewed = proptest::collection::vec(any::<u64>().prop_map(|bits| bits.trailing_zeros() as u8), 0..40_000);
        prop_oneof![words, skewed]
    }

    proptest! {
        #[test]
        fn a_stream_is_measured_alone_as_beside_another(level in 0..=12, one in texture(), other in texture()) {
            let streams = [compressed(level, &one), compressed(level, &other)];
            let both = walk([&streams[0], &streams[1]]).unwrap();
            for ((stream, bytes), found) in streams.iter().zip([&one, &other]).zip(both) {
                prop_assert_eq!(walk([&stream[..]]).unwrap()[0], found);
                prop_assert_eq!((found.decoded, found.end.div_ceil(8)), (bytes.len() as u64, stream.len()));
                prop_assert_eq!(stream[found.last_block / 8] >> (found.last_block % 8) & 1, 1);
            }
        }

        #[test]
        fn a_stream_that_is_cut_short_is_noticed(level in 0..=12, bytes in texture(), at: prop::sample::Index) {
            let stream = compressed(level, &bytes);
            prop_assert!(walk([&stream[..at.index(stream.len())]]).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic_or_hang(bytes in proptest::collection::vec(any::<u8>(), 0..4_000)) {
            let _ = walk([&bytes[..]]);
        }

        #[test]
        fn no_flipped_bit_makes_it_panic_or_hang(level in 1..=12, bytes in texture(), at: prop::sample::Index, bit in 0..8) {
            let mut stream = compressed(level, &bytes);
            let at = at.index(stream.len());
            stream[at] ^= 1_u8 << bit;
            let _ = walk([&stream[..]]);
        }
    }
}
