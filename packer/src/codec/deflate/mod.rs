//! Where the last block of a DEFLATE stream (RFC 1951) begins, and where the stream ends.
//!
//! That cannot be known without reading every code, but the codes need not be decoded to bytes: it is enough to know how
//! long they are and how many bytes they stand for. The count is compared with what went into the encoder, which also
//! catches most streams that were damaged in memory.
//!
//! Distances are not checked against the window and bytes are not compared: this reads what our own encoder has just
//! written, and is no decoder for foreign data – though on any input it returns, without panicking.
//!
//! Several streams are walked in turns of one code each. A walk spends nearly all of its time waiting for the one code to
//! know where the next begins; the waits of independent streams overlap.

mod bits;
mod tables;

use bits::Bits;
use tables::Tables;

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
    loop {
        for (index, lane) in lanes.iter_mut().enumerate() {
            if !lane.step() {
                return index;
            }
        }
    }
}

/// A walk over one stream.
#[derive(Debug)]
struct Lane<'a> {
    bits: Bits<'a>,
    tables: Tables,
    found: Stream,
    /// Whether this is the last block.
    last: bool,
    finished: bool,
}

impl<'a> Lane<'a> {
    fn new(stream: &'a [u8]) -> Self {
        let (bits, tables) = (Bits::new(stream), Tables::default());
        Lane { bits, tables, found: Stream::default(), last: false, finished: false }
    }

    /// Walks over one look-up's worth of codes; false, and nothing done, if that takes [`special`](Self::special) care.
    #[inline(always)]
    fn step(&mut self) -> bool {
        if !self.bits.refill() {
            return false;
        }
        // At most 11 + 5 bits of literals and length, 9 + 13 of distance: 38 of the 56 that are there.
        let buffer = self.bits.buffer;
        let codes = self.tables.literals.find(buffer);
        let distance = self.tables.distances.find(buffer >> codes.width()).behind(codes);
        if codes.is_special() || distance.is_special() {
            return false;
        }
        self.found.decoded += codes.bytes(buffer);
        self.bits.drop(codes.width() + distance.width());
        true
    }

    /// Walks over one code of any kind, and on to the next block if it ends this one.
    #[cold]
    fn special(&mut self) -> Result<(), Malformed> {
        self.bits.refill_to_the_end()?;
        let buffer = self.bits.buffer;
        let code = self.tables.literals.find_one(buffer)?;
        self.bits.drop(code.width());
        if code.is_end() {
            return self.end_block();
        }
        self.found.decoded += code.bytes(buffer);
        self.bits.refill_to_the_end()?;
        if code.is_length() {
            let distance = self.tables.distances.find_one(self.bits.buffer)?;
            self.bits.drop(distance.width());
        }
        Ok(())
    }

    /// Reads block headers up to the first block that has codes, or to the end of the stream.
    fn next_block(&mut self) -> Result<(), Malformed> {
        self.found.last_block = self.bits.position();
        self.bits.refill_to_the_end()?;
        self.last = self.bits.take(1) == 1;
        match self.bits.take(2) {
            0 => {
                self.found.decoded += self.bits.stored()?;
                self.end_block()
            }
            1 => self.tables.fixed(),
            2 => self.tables.read(&mut self.bits),
            _ => Err(Malformed("a block of unknown type")),
        }
    }

    fn end_block(&mut self) -> Result<(), Malformed> {
        if !self.bits.is_within() {
            return Err(Malformed::CUT_SHORT);
        }
        if self.last {
            self.found.end = self.bits.position();
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

    fn texture() -> impl Strategy<Value = Vec<u8>> {
        let word = proptest::collection::vec(any::<u8>(), 1..300);
        proptest::collection::vec((word, 1..200_usize), 0..8)
            .prop_map(|words| words.into_iter().flat_map(|(word, times)| word.repeat(times)).collect())
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
