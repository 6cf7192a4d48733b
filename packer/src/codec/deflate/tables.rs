//! Huffman codes as tables.
//!
//! The walk needs no symbols, only how long a code is and how many bytes it stands for. One look-up by the next bits of
//! the stream gives as much as these hold: up to several literals, and the length code behind them.

use super::Malformed;
use super::bits::Bits;

/// What a look-up finds: how many bits to drop, extra bits included; how many of them, at their end, are extra bits of a
/// length; how many bytes they stand for, extra bits not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found(u32);

// Bits 0-5: the width. 8-10: extra bits. 12-23: bytes. 29: the end of the block. 30: not in the table. 31: a length, so
// that a distance follows.
const BYTES: u32 = 12;
const EXTRA: u32 = 8;
const END: u32 = 1 << 29;
const ABSENT: u32 = 1 << 30;
const LENGTH: u32 = 1 << 31;

impl Found {
    const NOTHING: Found = Found(ABSENT);

    #[inline(always)]
    pub(super) fn width(self) -> u32 {
        self.0 & 63
    }

    /// Whether the look-up must be made again, one code at a time: the code is long, or ends the block.
    #[inline(always)]
    pub(super) fn is_special(self) -> bool {
        self.0 & (ABSENT | END) != 0
    }

    pub(super) fn is_end(self) -> bool {
        self.0 & END != 0
    }

    /// Itself if `before` is a length, nothing with no width otherwise. Without a branch: whether a literal or a length
    /// comes next is what a processor cannot predict.
    #[inline(always)]
    pub(super) fn behind(self, before: Found) -> Found {
        Found(self.0 & (before.0.cast_signed() >> 31).cast_unsigned())
    }

    /// The bytes that the codes stand for; `buffer` is what the look-up was made with.
    #[inline(always)]
    pub(super) fn bytes(self, buffer: u64) -> u64 {
        let extra = (self.0 >> EXTRA) & 7;
        let value = (buffer >> (self.width() - extra)) & ((1 << extra) - 1);
        u64::from((self.0 >> BYTES) & 0xfff) + value
    }

    /// A literal, the end of the block, or a length (RFC 1951, 3.2.5), without the width of its code.
    fn literal(symbol: usize) -> Found {
        const BASE: [u16; 29] = [
            3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
            227, 258,
        ];
        match symbol {
            0..256 => Found(1 << BYTES),
            256 => Found(END),
            // 286 and 287 never occur in a sound stream.
            _ => BASE.get(symbol - 257).map_or(Found(ABSENT), |base| {
                let extra = if symbol == 285 { 0 } else { (symbol as u32 - 257).saturating_sub(4) / 4 };
                Found(LENGTH | (u32::from(*base) << BYTES) | (extra << EXTRA) | extra)
            }),
        }
    }

    /// A distance, without the width of its code: only its extra bits count.
    fn distance(symbol: usize) -> Found {
        Found((symbol as u32 / 2).saturating_sub(1))
    }

    /// A code length's symbol, without the width of its code.
    fn code_length(symbol: usize) -> Found {
        Found((symbol as u32) << BYTES)
    }

    fn with_code(self, width: usize) -> Found {
        Found(self.0 + width as u32)
    }

    /// Two codes in a row, found by one look-up.
    fn then(self, next: Found) -> Found {
        Found(
            (next.0 & !(0xfff << BYTES) & !63)
                | (self.width() + next.width())
                | ((self.0 & (0xfff << BYTES)) + (next.0 & (0xfff << BYTES))),
        )
    }

    pub(super) fn is_length(self) -> bool {
        self.0 & LENGTH != 0
    }

    fn is_literal(self) -> bool {
        self.0 & (END | ABSENT | LENGTH) == 0
    }

    /// The width of the code alone.
    fn code_width(self) -> u32 {
        self.width() - ((self.0 >> EXTRA) & 7)
    }
}

/// The longest code of a DEFLATE alphabet, in bits.
const LONGEST: usize = 15;

/// One alphabet's codes: those that `ENTRIES` can tell apart by one look-up, longer ones (rare by nature) bit by bit.
#[derive(Debug)]
pub(super) struct Codes<const ENTRIES: usize> {
    direct: Box<[Found; ENTRIES]>,
    /// How many codes there are of each length.
    counts: [u16; LONGEST + 1],
    /// The symbols in code order, without their code's width.
    ordered: Vec<Found>,
}

impl<const ENTRIES: usize> Codes<ENTRIES> {
    fn new() -> Self {
        let direct = Box::new([Found::NOTHING; ENTRIES]);
        Codes { direct, counts: [0; LONGEST + 1], ordered: Vec::with_capacity(288) }
    }

    #[inline(always)]
    pub(super) fn find(&self, buffer: u64) -> Found {
        self.direct[buffer as usize % ENTRIES]
    }

    /// The first code in `buffer`, of any length.
    pub(super) fn find_one(&self, buffer: u64) -> Result<Found, Malformed> {
        let (mut code, mut first, mut index) = (0_usize, 0_usize, 0_usize);
        for width in 1..=LONGEST {
            code |= (buffer >> (width - 1)) as usize & 1;
            let count = usize::from(self.counts[width]);
            if code < first + count {
                let found = self.ordered.get(index + code - first).ok_or(Malformed::NO_SUCH_CODE)?;
                return Ok(found.with_code(width));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Malformed::NO_SUCH_CODE)
    }

    /// Builds the table from the code lengths of the symbols (RFC 1951, 3.2.2).
    fn build(&mut self, lengths: &[u8], found: impl Fn(usize) -> Found) -> Result<(), Malformed> {
        self.counts = [0; LONGEST + 1];
        for length in lengths.iter().filter(|length| **length > 0) {
            self.counts[usize::from(*length)] += 1;
        }
        let mut offsets = [0_u16; LONGEST + 2];
        let mut codes = [0_u32; LONGEST + 2];
        for width in 1..=LONGEST {
            let count = self.counts[width];
            if codes[width] + u32::from(count) > 1 << width {
                return Err(Malformed("more codes than their lengths allow"));
            }
            offsets[width + 1] = offsets[width] + count;
            codes[width + 1] = (codes[width] + u32::from(count)) << 1;
        }
        self.ordered.clear();
        self.ordered.resize(usize::from(offsets[LONGEST + 1]), Found::NOTHING);
        self.direct.fill(Found::NOTHING);
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let width = usize::from(*length);
            self.ordered[usize::from(offsets[width])] = found(symbol);
            offsets[width] += 1;
            let code = codes[width];
            codes[width] += 1;
            if 1 << width <= ENTRIES {
                let first = (code.reverse_bits() >> (32 - width)) as usize;
                let full = found(symbol).with_code(width);
                self.direct[first..].iter_mut().step_by(1 << width).for_each(|slot| *slot = full);
            }
        }
        Ok(())
    }

    /// Lets each look-up that finds a literal find what follows it as well, if its code is known by the same bits.
    fn join_literals(&mut self) {
        // From the top: what follows a literal has fewer bits left, and so stands at a smaller index, still unjoined.
        for index in (0..ENTRIES).rev() {
            let mut found = self.direct[index];
            while found.is_literal() {
                let next = self.direct[index >> found.width()];
                if next.0 & (END | ABSENT) != 0 || found.width() + next.code_width() > ENTRIES.ilog2() {
                    break;
                }
                found = found.then(next);
            }
            self.direct[index] = found;
        }
    }
}

/// The codes of the current block.
#[derive(Debug)]
pub(super) struct Tables {
    // 2,048 and 512 entries: on 400 MB of a Debian tree at level 5 the walk took 0.334 s; with 1,024 0.353 s, with 4,096
    // 0.389 s; with 256 or 1,024 for distances 0.36 s.
    pub(super) literals: Codes<2048>,
    pub(super) distances: Codes<512>,
    lengths: Codes<128>,
}

impl Default for Tables {
    fn default() -> Self {
        Tables { literals: Codes::new(), distances: Codes::new(), lengths: Codes::new() }
    }
}

impl Tables {
    /// The codes of a block of type 1 (RFC 1951, 3.2.6).
    pub(super) fn fixed(&mut self) -> Result<(), Malformed> {
        let mut literals = [8; 288];
        literals[144..256].fill(9);
        literals[256..280].fill(7);
        self.build(&literals, &[5; 30])
    }

    fn build(&mut self, literals: &[u8], distances: &[u8]) -> Result<(), Malformed> {
        self.literals.build(literals, Found::literal)?;
        self.literals.join_literals();
        self.distances.build(distances, Found::distance)
    }

    /// Reads the codes of a block of type 2 (RFC 1951, 3.2.7).
    pub(super) fn read(&mut self, bits: &mut Bits<'_>) -> Result<(), Malformed> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        bits.refill_to_the_end()?;
        let literals = bits.take(5) as usize + 257;
        let distances = bits.take(5) as usize + 1;
        let count = bits.take(4) as usize + 4;
        let mut widths = [0_u8; 19];
        for symbol in &ORDER[..count] {
            bits.refill_to_the_end()?;
            widths[*symbol] = bits.take(3) as u8;
        }
        self.lengths.build(&widths, Found::code_length)?;
        let mut lengths = [0_u8; 288 + 32];
        let mut at = 0;
        while at < literals + distances {
            bits.refill_to_the_end()?;
            let found = self.lengths.find(bits.buffer);
            if found.is_special() {
                return Err(Malformed::NO_SUCH_CODE);
            }
            bits.drop(found.width());
            let (value, times) = match (found.0 >> BYTES) as u8 {
                16 if at == 0 => return Err(Malformed("a repetition of nothing")),
                16 => (lengths[at - 1], 3 + bits.take(2) as usize),
                17 => (0, 3 + bits.take(3) as usize),
                18 => (0, 11 + bits.take(7) as usize),
                length => (length, 1),
            };
            if at + times > literals + distances {
                return Err(Malformed("too many code lengths"));
            }
            lengths[at..at + times].fill(value);
            at += times;
        }
        self.build(&lengths[..literals], &lengths[literals..at])
    }
}
