//! Look-ups by the next bits of a stream.
//!
//! The walk needs no symbols, only how many bits a code takes and how many bytes it stands for. One look-up gives as much
//! as a few bits hold, but not more than two codes: two literals, a literal and a length, a length and its distance.

use super::Malformed;
use crate::codec::deflate::bits::Bits;
use crate::codec::deflate::code::{self, Code};

/// By how many bits a look-up is made. On 300 MB of a Debian tree at level 5, in halves of segments, the walk took 0.24 s; with
/// 10 bits 0.26 s, with 12 bits 0.28 s; with more than two codes in a look-up 0.265 s, because the tables take longer to
/// build.
const BITS: u32 = 11;
const ENTRIES: usize = 1 << BITS;

/// What a look-up finds: how many bits the codes take, extra bits included; how many bytes they stand for; whether a distance
/// comes next. Nothing, if the next code is longer than a look-up, or ends the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found(u32);

// Bits 0-5: the width. 11: a distance comes next; as a number, what an index into the distances begins with. 12-31: bytes.
const DISTANCE: u32 = ENTRIES as u32;
const BYTES: u32 = BITS + 1;

impl Found {
    const NOTHING: Found = Found(0);

    fn literal(width: u32) -> Found {
        Found(1 << BYTES | width)
    }

    fn length(bytes: u32, width: u32) -> Found {
        Found(bytes << BYTES | DISTANCE | width)
    }

    fn distance(width: u32) -> Found {
        Found(width)
    }

    #[inline(always)]
    pub(super) fn is_nothing(self) -> bool {
        self == Found::NOTHING
    }

    /// At most [`BITS`], and the 13 extra bits of a distance.
    #[inline(always)]
    pub(super) fn width(self) -> u32 {
        self.0 & 63
    }

    #[inline(always)]
    pub(super) fn bytes(self) -> u64 {
        u64::from(self.0 >> BYTES)
    }

    #[inline(always)]
    pub(super) fn expects_distance(self) -> bool {
        self.0 & DISTANCE != 0
    }

    /// Two codes in a row, found by one look-up; itself if that does not hold the second.
    #[inline(always)]
    fn then(self, next: Found) -> Found {
        if self.is_nothing() || next.is_nothing() { self } else { Found((self.0 & !DISTANCE) + next.0) }
    }
}

/// Look-ups by every number of bits up to [`BITS`]: what `n` bits hold is at 2ⁿ and on. What follows a code is therefore at the
/// index of that code, shifted by its width.
#[derive(Debug)]
struct Floors(Box<[Found; 2 * ENTRIES]>);

impl Floors {
    fn new() -> Self {
        Floors(Box::new([Found::NOTHING; 2 * ENTRIES]))
    }

    fn clear(&mut self) {
        self.0.fill(Found::NOTHING);
    }

    /// Puts a code of `width` bits where as many bits find it; what is wider than a look-up is left out.
    fn put(&mut self, code: usize, width: u32, found: Found) {
        if width <= BITS {
            self.0[(1 << width) + code] = found;
        }
    }

    /// Lets more bits find what fewer do.
    fn spread(&mut self) {
        for bits in 0..BITS {
            let (fewer, more) = self.0[1 << bits..4 << bits].split_at_mut(1 << bits);
            for half in more.chunks_exact_mut(fewer.len()) {
                // One of the two is nothing, since no code begins with another.
                half.iter_mut().zip(&*fewer).for_each(|(found, known)| found.0 |= known.0);
            }
        }
    }

    #[inline(always)]
    fn at(&self, index: usize) -> Found {
        self.0[index % (2 * ENTRIES)]
    }
}

/// What is found by the next bits: literals and lengths first, then distances.
#[derive(Debug)]
pub(super) struct LookUps([Found; 2 * ENTRIES]);

impl LookUps {
    /// What comes behind `before` in a stream that goes on with `buffer`. Without a branch: whether a literal or a length
    /// comes next is what a processor cannot predict.
    #[inline(always)]
    pub(super) fn find(&self, before: Found, buffer: u64) -> Found {
        self.0[(buffer as usize % ENTRIES) | (before.0 & DISTANCE) as usize]
    }
}

/// The codes of the current block.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) look_ups: Box<LookUps>,
    pub(super) literals: Code,
    pub(super) distances: Code,
    literal_floors: Floors,
    distance_floors: Floors,
}

impl Default for Tables {
    fn default() -> Self {
        Tables {
            look_ups: Box::new(LookUps([Found::NOTHING; 2 * ENTRIES])),
            literals: Code::default(),
            distances: Code::default(),
            literal_floors: Floors::new(),
            distance_floors: Floors::new(),
        }
    }
}

impl Tables {
    /// The codes of a block of type 1 (RFC 1951, 3.2.6).
    pub(super) fn fixed(&mut self) -> Result<(), Malformed> {
        let mut literals = [8; 288];
        literals[144..256].fill(9);
        literals[256..280].fill(7);
        self.build(&literals, &[5; 32])
    }

    fn build(&mut self, literals: &[u8], distances: &[u8]) -> Result<(), Malformed> {
        let floors = &mut self.literal_floors;
        floors.clear();
        self.literals.assign(literals, |symbol, width, code| {
            if symbol < code::END {
                floors.put(code, width, Found::literal(width));
            } else if let Some((bytes, extra)) = code::length(symbol) {
                // Each value of the extra bits is a code of its own.
                for value in 0..1 << extra {
                    let full = width + extra;
                    floors.put(code | (value as usize) << width, full, Found::length(bytes + value, full));
                }
            }
        })?;
        floors.spread();
        let floors = &mut self.distance_floors;
        floors.clear();
        self.distances.assign(distances, |symbol, width, code| {
            if let Some(extra) = code::distance_extra(symbol) {
                floors.put(code, width, Found::distance(width + extra));
            }
        })?;
        floors.spread();
        self.join();
        Ok(())
    }

    /// Lets each look-up find a second code, if the same bits hold it.
    fn join(&mut self) {
        let (literals, distances) = self.look_ups.0.split_at_mut(ENTRIES);
        for (index, found) in (ENTRIES..).zip(literals) {
            let one = self.literal_floors.at(index);
            let floors = if one.expects_distance() { &self.distance_floors } else { &self.literal_floors };
            *found = one.then(floors.at(index >> one.width()));
        }
        distances.copy_from_slice(&self.distance_floors.0[ENTRIES..]);
    }

    /// Reads the codes of a block of type 2 (RFC 1951, 3.2.7).
    pub(super) fn read(&mut self, bits: &mut Bits<'_>) -> Result<(), Malformed> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        bits.refill_to_the_end()?;
        let literals = bits.take(5) as usize + 257;
        let distances = bits.take(5) as usize + 1;
        if literals > code::LITERALS || distances > code::DISTANCES {
            return Err(Malformed::TooManyCodes);
        }
        let count = bits.take(4) as usize + 4;
        let mut widths = [0; ORDER.len()];
        for symbol in &ORDER[..count] {
            bits.refill_to_the_end()?;
            widths[*symbol] = bits.take(3) as u8;
        }
        // By the next seven bits, the widest code of this alphabet.
        let mut symbols = [(0, 0); 128];
        Code::default().assign(&widths, |symbol, width, code| {
            symbols[code..].iter_mut().step_by(1 << width).for_each(|slot| *slot = (symbol as u8, width));
        })?;
        let mut widths = [0; code::LITERALS + code::DISTANCES];
        let mut at = 0;
        while at < literals + distances {
            bits.refill_to_the_end()?;
            let (symbol, taken) = symbols[bits.buffer as usize % symbols.len()];
            bits.drop(taken);
            let (width, times) = match symbol {
                16 if at == 0 => return Err(Malformed::RepeatsNothing),
                16 => (widths[at - 1], 3 + bits.take(2) as usize),
                17 => (0, 3 + bits.take(3) as usize),
                18 => (0, 11 + bits.take(7) as usize),
                width => (width, 1),
            };
            if at + times > literals + distances {
                return Err(Malformed::TooManyCodes);
            }
            widths[at..at + times].fill(width);
            at += times;
        }
        self.build(&widths[..literals], &widths[literals..at])
    }
}
