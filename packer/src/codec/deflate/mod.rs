//! Where the last block of a DEFLATE stream (RFC 1951) begins, and where the stream ends.
//!
//! To know that, every code must be read, but not decoded to bytes: its width and the number of bytes that it stands for are enough.
//! The number is compared with the encoder's input, which also catches damage that changes a length or the end of a code.
//!
//! Distances are not checked against the window, and bytes are not compared: this reads the output of our own encoder, and is not a
//! decoder for foreign data. It returns on any input, without panicking.
//!
//! Several streams are walked in turns of a few codes each. A walk spends nearly all of its time waiting for one code to know where
//! the next begins; the waits of independent streams overlap.

mod malformed;

mod bits;
mod code;
mod tables;

use bits::Bits;
use malformed::Malformed;
use tables::{Lookup, LookupTable, Tables};

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

/// Walks over all blocks of each stream.
pub(super) fn walk<const STREAMS: usize>(streams: [&[u8]; STREAMS]) -> Result<[Stream; STREAMS], Malformed> {
    const { assert!(STREAMS > 0) };
    let mut walkers = streams.map(StreamWalker::new);
    for walker in &mut walkers {
        walker.next_block()?;
    }
    while walkers.iter().all(|walker| !walker.finished) {
        let slow = together(&mut walkers);
        walkers[slow].slow_path()?;
    }
    for walker in &mut walkers {
        while !walker.finished {
            together(std::array::from_mut(walker));
            walker.slow_path()?;
        }
    }
    Ok(walkers.map(|walker| walker.found))
}

/// Walks until one of the walkers needs the slow path. Returns its index.
fn together<const STREAMS: usize>(walkers: &mut [StreamWalker<'_>; STREAMS]) -> usize {
    // The cursors are copied, so that they are in registers.
    let mut cursors = walkers.each_ref().map(|walker| walker.cursor);
    let lookups = walkers.each_ref().map(|walker| &*walker.tables.lookups);
    let slow = loop {
        if let Some(index) = (0..STREAMS).find(|&index| !cursors[index].step(lookups[index])) {
            break index;
        }
    };
    walkers.iter_mut().zip(cursors).for_each(|(walker, cursor)| walker.cursor = cursor);
    slow
}

/// How far a walk has come.
#[derive(Clone, Copy, Debug)]
struct Cursor<'a> {
    bits: Bits<'a>,
    /// The result of the look-up before. All that counts is whether it expects a distance: that bit goes into the next index as it is.
    before: Lookup,
    decoded: u64,
}

impl Cursor<'_> {
    /// Walks over the codes of two look-ups. False, with at most one of them done, if the next code takes the
    /// [slow path](StreamWalker::slow_path).
    #[inline(always)]
    fn step(&mut self, lookups: &LookupTable) -> bool {
        // Twice at most 11 bits and a distance's 13 extra bits: 48 of the 56 that are there.
        self.bits.refill() && self.follow(lookups) && self.follow(lookups)
    }

    #[inline(always)]
    fn follow(&mut self, lookups: &LookupTable) -> bool {
        let found = lookups.find(self.before, self.bits.buffer);
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
struct StreamWalker<'a> {
    cursor: Cursor<'a>,
    tables: Tables,
    found: Stream,
    /// Whether this is the last block.
    last: bool,
    finished: bool,
}

impl<'a> StreamWalker<'a> {
    fn new(stream: &'a [u8]) -> Self {
        let cursor = Cursor { bits: Bits::new(stream), before: Lookup::default(), decoded: 0 };
        StreamWalker { cursor, tables: Tables::default(), found: Stream::default(), last: false, finished: false }
    }

    /// Walks over one code of any kind, with its distance if it is a length, and on to the next block if it ends this one.
    #[cold]
    fn slow_path(&mut self) -> Result<(), Malformed> {
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
                self.end_block()?;
                return self.next_block();
            }
            let (bytes, extra) = code::length(symbol).ok_or(Malformed::NoSuchCode)?;
            cursor.decoded += u64::from(bytes) + cursor.bits.take(extra);
            cursor.bits.refill_to_the_end()?;
        }
        let (symbol, width) = tables.distances.find(cursor.bits.buffer)?;
        cursor.bits.drop(width + code::distance_extra(symbol).ok_or(Malformed::NoSuchCode)?);
        cursor.before = Lookup::default();
        Ok(())
    }

    /// Reads block headers up to the first block that has codes, if the stream goes on.
    fn next_block(&mut self) -> Result<(), Malformed> {
        while !self.finished {
            let bits = &mut self.cursor.bits;
            self.found.last_block = bits.position();
            bits.refill_to_the_end()?;
            self.last = bits.take(1) == 1;
            match bits.take(2) {
                0 => self.cursor.decoded += bits.stored()?,
                1 => return self.tables.fixed(),
                2 => return self.tables.read(bits),
                _ => return Err(Malformed::UnknownType),
            }
            self.end_block()?;
        }
        Ok(())
    }

    /// Ends the block, and the stream with the last one.
    fn end_block(&mut self) -> Result<(), Malformed> {
        let bits = &self.cursor.bits;
        if !bits.is_within() {
            return Err(Malformed::CutShort);
        }
        if self.last {
            // The splice writes behind the last bit and takes the rest of the byte as it is.
            if bits.rest_of_byte() != 0 {
                return Err(Malformed::Padding);
            }
            (self.found.end, self.found.decoded) = (bits.position(), self.cursor.decoded);
            self.finished = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    /// Fields of so many bits, lowest first, as a stream has them.
    fn stream(fields: &[(u32, u32)]) -> Vec<u8> {
        let bits = fields.iter().flat_map(|(value, width)| (0..*width).map(move |bit| value >> bit & 1));
        let bits: Vec<u8> = bits.map(|bit| bit as u8).collect();
        bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | bit)).collect()
    }

    /// The code lengths 0, 1, 2 and 18 of [`dynamic`], which have codes of two bits, the highest first.
    const ZERO: (u32, u32) = (0b00, 2);
    const ONE: (u32, u32) = (0b10, 2);
    const TWO: (u32, u32) = (0b01, 2);
    const MANY: (u32, u32) = (0b11, 2);

    /// A last block of type 2 with so many literals and distances, whose codes have the lengths that follow.
    fn dynamic(literals: u32, distances: u32, lengths: &[(u32, u32)], content: &[(u32, u32)]) -> Vec<u8> {
        let counts = [(1, 1), (2, 2), (literals - 257, 5), (distances - 1, 5), (14, 4)];
        // The order is that of the RFC: 18, 0, 2 and 1 are at these places.
        let widths = (0..18).map(|place| (if [2, 3, 15, 17].contains(&place) { 2 } else { 0 }, 3));
        stream(&[&counts, &*widths.collect::<Vec<_>>(), lengths, content].concat())
    }

    /// Lengths of the codes of symbols 0, 1 and [`code::END`], and of two distances.
    fn lengths(of: [(u32, u32); 5]) -> Vec<(u32, u32)> {
        let [zero, one, end, near, far] = of;
        vec![zero, one, MANY, (138 - 11, 7), MANY, (116 - 11, 7), end, near, far]
    }

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
            agree(&bytes)?;
        }

        #[test]
        fn what_is_taken_with_a_flipped_bit_is_what_a_decoder_takes(
            level in 1..=12, bytes in texture(), near_the_start in any::<bool>(), at: prop::sample::Index, bit in 0..8
        ) {
            let mut stream = compressed(level, &bytes);
            // The header is where most goes wrong, and is short.
            let at = at.index(if near_the_start { stream.len().min(80) } else { stream.len() });
            stream[at] ^= 1_u8 << bit;
            agree(&stream)?;
        }
    }

    /// If the walk takes the stream, a decoder does, and both say the same of it.
    fn agree(stream: &[u8]) -> Result<(), TestCaseError> {
        // Distances are not checked by the walk: 32 KiB before the stream let all of them reach something.
        const WINDOW: usize = 32 << 10;
        let Ok([found]) = walk([stream]) else { return Ok(()) };
        let header = [&[0][..], &(WINDOW as u16).to_le_bytes(), &(!(WINDOW as u16)).to_le_bytes()].concat();
        let all = [&header[..], &[0; WINDOW], stream].concat();
        let mut decoder = flate2::bufread::DeflateDecoder::new(&all[..]);
        let decoded = std::io::copy(&mut decoder.by_ref(), &mut std::io::sink());
        prop_assert!(decoded.is_ok(), "{decoded:?}");
        let read = decoder.total_in() as usize - header.len() - WINDOW;
        prop_assert_eq!((decoder.total_out() - WINDOW as u64, read), (found.decoded, found.end.div_ceil(8)));
        Ok(())
    }

    #[test]
    fn every_fault_has_its_name() {
        // Symbol 1 has the code 0, END the code 1.
        let [literal, end] = [(0, 1), (1, 1)];
        let two = lengths([ZERO, ONE, ONE, ONE, ONE]);
        let sound = dynamic(257, 2, &two, &[literal, end]);
        assert_eq!(walk([&sound[..]]).map(|[found]| (found.end.div_ceil(8), found.decoded)), Ok((sound.len(), 1)));
        // In fixed codes: a length of 3, then a distance that does not exist; a length that does not exist.
        let [length, no_distance, no_length] = [(0b100_0000, 7), (0b01111, 5), (0b0110_0011, 8)];
        let faults = [
            (vec![], Malformed::CutShort),
            (stream(&[(1, 1), (3, 2)]), Malformed::UnknownType),
            (vec![1, 1, 0, 0xfe, 0xfe, b'a'], Malformed::StoredLength),
            (vec![1, 1, 0, 0xfe, 0xff], Malformed::CutShort),
            (sound[..sound.len() - 1].to_vec(), Malformed::CutShort),
            (dynamic(287, 2, &two, &[]), Malformed::TooManyCodes),
            (dynamic(257, 31, &two, &[]), Malformed::TooManyCodes),
            (dynamic(257, 2, &[MANY, (127, 7), MANY, (127, 7)], &[]), Malformed::TooManyCodes),
            (
                stream(
                    &[&[(1, 1), (2, 2), (0, 5), (1, 5), (0, 4), (1, 3), (1, 3), (0, 3), (0, 3)][..], &[(0, 1)]]
                        .concat(),
                ),
                Malformed::RepeatsNothing,
            ),
            (dynamic(257, 2, &lengths([ONE, ONE, ONE, ONE, ONE]), &[]), Malformed::Incomplete),
            (dynamic(257, 2, &lengths([ZERO, ONE, TWO, ONE, ONE]), &[]), Malformed::Incomplete),
            (dynamic(257, 2, &lengths([ZERO, ONE, ONE, ZERO, ONE]), &[]), Malformed::Incomplete),
            (stream(&[(1, 1), (1, 2), length, no_distance, (0, 32)]), Malformed::NoSuchCode),
            (stream(&[(1, 1), (1, 2), no_length, (0, 32)]), Malformed::NoSuchCode),
            (stream(&[(1, 1), (1, 2), (0, 7), (1, 1)]), Malformed::Padding),
        ];
        for (bytes, fault) in faults {
            assert_eq!(walk([&bytes[..]]), Err(fault), "{bytes:02x?}");
        }
    }

    #[test]
    fn many_stored_blocks_take_no_stack() {
        let empty = [0, 0, 0, 0xff, 0xff];
        let bytes = [&empty.repeat(1_000_000)[..], &[1], &empty[1..]].concat();
        let [found] = walk([&bytes[..]]).unwrap();
        assert_eq!((found.last_block, found.end), (40_000_000, 40_000_040));
    }
}
