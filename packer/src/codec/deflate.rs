//! Where the last block of a DEFLATE stream (RFC 1951) begins, and where the stream ends.
//!
//! That cannot be known without reading every code, but the codes need not be decoded to bytes: it is enough to know how
//! long they are and how many bytes they stand for. The count is compared with what went into the encoder, which also
//! catches a stream that was damaged in memory in most cases.
//!
//! Distances are not checked against the window and bytes are not compared: this reads what our own encoder has just
//! written, and is no decoder for foreign data – though on any input it returns, without panicking.

/// What a walk over a stream found. Positions count bits from the start of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Walks over all blocks of `stream`.
pub(super) fn walk(stream: &[u8]) -> Result<Stream, Malformed> {
    let mut bits = Bits::new(stream);
    let mut tables = Tables::default();
    let mut decoded = 0;
    loop {
        let last_block = bits.position();
        bits.refill();
        let last = bits.take(1) == 1;
        decoded += match bits.take(2) {
            0 => bits.stored()?,
            1 => {
                tables.fixed();
                codes(&mut bits, &tables)?
            }
            2 => {
                tables.read(&mut bits)?;
                codes(&mut bits, &tables)?
            }
            _ => return Err(Malformed("a block of unknown type")),
        };
        if bits.position() > stream.len() * 8 {
            return Err(Malformed("it ends within a block"));
        }
        if last {
            return Ok(Stream { last_block, end: bits.position(), decoded });
        }
    }
}

/// The codes of one block up to its end; returns how many bytes they stand for.
fn codes(bits: &mut Bits<'_>, tables: &Tables) -> Result<u64, Malformed> {
    let mut decoded = 0_u64;
    loop {
        if !bits.refill() {
            return Err(Malformed("it ends within a block"));
        }
        // 56 bits are there: three literals of at most 11 bits, and still 23 for the code that ends their run.
        let mut symbol = tables.literals.direct(bits.buffer);
        for _ in 0..3 {
            if symbol & LITERAL == 0 {
                break;
            }
            bits.drop(symbol & WIDTH);
            decoded += 1;
            symbol = tables.literals.direct(bits.buffer);
        }
        if symbol & LITERAL != 0 {
            continue;
        }
        if symbol & LONG != 0 {
            symbol = tables.literals.long(bits.buffer)?;
            if symbol & LITERAL != 0 {
                bits.drop(symbol & WIDTH);
                decoded += 1;
                continue;
            }
        }
        if symbol & END != 0 {
            bits.drop(symbol & WIDTH);
            return Ok(decoded);
        }
        // Length, extra bits included; then the distance, which takes at most 15 + 13 bits.
        let extra = bits.buffer >> ((symbol >> CODE_SHIFT) & WIDTH);
        let mask = (1_u64 << ((symbol >> EXTRA_SHIFT) & 7)) - 1;
        decoded += u64::from(symbol >> BASE_SHIFT) + (extra & mask);
        bits.drop(symbol & WIDTH);
        bits.refill();
        let mut distance = tables.distances.direct(bits.buffer);
        if distance & LONG != 0 {
            distance = tables.distances.long(bits.buffer)?;
        }
        bits.drop(distance & WIDTH);
    }
}

// A table entry: how many bits to drop (code and extra bits), how many of them are the code's, how many are extra; flags;
// and the base length.
const WIDTH: u32 = 0x1f;
const CODE_SHIFT: u32 = 5;
const EXTRA_SHIFT: u32 = 10;
const LITERAL: u32 = 1 << 13;
const END: u32 = 1 << 14;
const LONG: u32 = 1 << 15;
const BASE_SHIFT: u32 = 16;

/// The longest code of a DEFLATE alphabet, in bits.
const LONGEST: usize = 15;

/// One alphabet's codes: those of up to `1 << WIDE` entries' width directly, longer ones (rare by construction) bit by bit.
#[derive(Debug)]
struct Codes<const ENTRIES: usize> {
    direct: Box<[u32; ENTRIES]>,
    /// How many codes there are of each length.
    counts: [u16; LONGEST + 1],
    /// The symbols' entries without their code's width, in code order.
    ordered: Vec<u32>,
}

impl<const ENTRIES: usize> Codes<ENTRIES> {
    fn new() -> Self {
        Codes { direct: Box::new([LONG; ENTRIES]), counts: [0; LONGEST + 1], ordered: Vec::with_capacity(288) }
    }

    #[inline(always)]
    fn direct(&self, buffer: u64) -> u32 {
        self.direct[buffer as usize % ENTRIES]
    }

    /// The entry of a code that is too long for the table.
    #[cold]
    fn long(&self, buffer: u64) -> Result<u32, Malformed> {
        let (mut code, mut first, mut index) = (0_usize, 0_usize, 0_usize);
        for width in 1..=LONGEST {
            code |= (buffer >> (width - 1)) as usize & 1;
            let count = usize::from(self.counts[width]);
            if code < first + count {
                let base = self.ordered.get(index + code - first).ok_or(Malformed("a code without a symbol"))?;
                return Ok(with_code(*base, width));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Malformed("a code without a symbol"))
    }

    /// Builds the table from the code lengths of the symbols, whose entries `entry` tells.
    fn build(&mut self, lengths: &[u8], entry: impl Fn(usize) -> u32) -> Result<(), Malformed> {
        self.counts = [0; LONGEST + 1];
        for length in lengths {
            self.counts[usize::from(*length)] += 1;
        }
        self.counts[0] = 0;
        let mut offsets = [0_u16; LONGEST + 2];
        let mut codes = [0_u32; LONGEST + 2];
        for width in 1..=LONGEST {
            offsets[width + 1] = offsets[width] + self.counts[width];
            codes[width + 1] = (codes[width] + u32::from(self.counts[width])) << 1;
            if codes[width] + u32::from(self.counts[width]) > 1 << width {
                return Err(Malformed("more codes than bits allow"));
            }
        }
        self.ordered.clear();
        self.ordered.resize(usize::from(offsets[LONGEST + 1]), 0);
        self.direct.fill(LONG);
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let width = usize::from(*length);
            let base = entry(symbol);
            self.ordered[usize::from(offsets[width])] = base;
            offsets[width] += 1;
            let code = codes[width];
            codes[width] += 1;
            let step = 1 << width;
            if step <= ENTRIES {
                let first = (code.reverse_bits() >> (32 - width)) as usize;
                let full = with_code(base, width);
                for slot in self.direct[first..].iter_mut().step_by(step) {
                    *slot = full;
                }
            }
        }
        Ok(())
    }
}

/// A symbol's entry with the width of its code filled in.
fn with_code(base: u32, width: usize) -> u32 {
    let width = width as u32;
    (base + width) | (width << CODE_SHIFT)
}

/// The codes of the current block.
#[derive(Debug)]
struct Tables {
    // 11 and 9 bits: with 10 or 12 the walk was slower.
    literals: Codes<2048>,
    distances: Codes<512>,
    lengths: Codes<128>,
}

impl Default for Tables {
    fn default() -> Self {
        Tables { literals: Codes::new(), distances: Codes::new(), lengths: Codes::new() }
    }
}

impl Tables {
    /// The codes of a block of type 1 (RFC 1951, 3.2.6).
    fn fixed(&mut self) {
        let mut literals = [8; 288];
        literals[144..256].fill(9);
        literals[256..280].fill(7);
        let complete = self.literals.build(&literals, literal).and(self.distances.build(&[5; 30], distance));
        debug_assert_eq!(complete, Ok(()));
    }

    /// Reads the codes of a block of type 2 (RFC 1951, 3.2.7).
    fn read(&mut self, bits: &mut Bits<'_>) -> Result<(), Malformed> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        bits.refill();
        let literals = bits.take(5) as usize + 257;
        let distances = bits.take(5) as usize + 1;
        let count = bits.take(4) as usize + 4;
        let mut widths = [0_u8; 19];
        for symbol in &ORDER[..count] {
            bits.refill();
            widths[*symbol] = bits.take(3) as u8;
        }
        // The base of a length's entry is the symbol itself.
        self.lengths.build(&widths, |symbol| (symbol as u32) << BASE_SHIFT)?;
        let mut lengths = [0_u8; 288 + 32];
        let mut at = 0;
        while at < literals + distances {
            bits.refill();
            let entry = self.lengths.direct(bits.buffer);
            if entry & LONG != 0 {
                return Err(Malformed("a code length without a code"));
            }
            bits.drop(entry & WIDTH);
            let (value, times) = match (entry >> BASE_SHIFT) as u8 {
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
        self.literals.build(&lengths[..literals], literal)?;
        self.distances.build(&lengths[literals..at], distance)
    }
}

/// The entry of a literal, the end of the block, or a length.
fn literal(symbol: usize) -> u32 {
    const BASE: [u16; 29] = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ];
    const EXTRA: [u8; 29] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    match symbol {
        0..256 => LITERAL,
        256 => END,
        _ => {
            let (base, extra) = (BASE.get(symbol - 257), EXTRA.get(symbol - 257));
            let (base, extra) = (u32::from(*base.unwrap_or(&0)), u32::from(*extra.unwrap_or(&0)));
            (base << BASE_SHIFT) | (extra << EXTRA_SHIFT) | extra
        }
    }
}

/// The entry of a distance: only how many extra bits follow its code.
fn distance(symbol: usize) -> u32 {
    (symbol as u32 / 2).saturating_sub(1).min(13)
}

/// A stream read from its lowest bit on.
#[derive(Debug)]
struct Bits<'a> {
    stream: &'a [u8],
    /// The next byte to load.
    next: usize,
    buffer: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    fn new(stream: &'a [u8]) -> Self {
        Bits { stream, next: 0, buffer: 0, count: 0 }
    }

    /// Fills up to at least 56 bits, with zeros behind the end; false once only such zeros are left.
    #[inline(always)]
    fn refill(&mut self) -> bool {
        let word = match self.stream.get(self.next..self.next + 8) {
            Some(bytes) => u64::from_le_bytes(bytes.try_into().expect("eight bytes")),
            None => self.tail(),
        };
        self.buffer |= word << self.count;
        self.next += ((63 - self.count) >> 3) as usize;
        self.count |= 56;
        self.next <= self.stream.len() + 16
    }

    #[cold]
    fn tail(&self) -> u64 {
        let mut bytes = [0; 8];
        let rest = self.stream.get(self.next..).unwrap_or_default();
        bytes[..rest.len()].copy_from_slice(rest);
        u64::from_le_bytes(bytes)
    }

    fn take(&mut self, count: u32) -> u64 {
        let value = self.buffer & ((1 << count) - 1);
        self.drop(count);
        value
    }

    #[inline(always)]
    fn drop(&mut self, count: u32) {
        self.buffer >>= count;
        self.count -= count;
    }

    fn position(&self) -> usize {
        self.next * 8 - self.count as usize
    }

    /// Passes over a stored block; returns its length.
    fn stored(&mut self) -> Result<u64, Malformed> {
        let start = self.position().div_ceil(8);
        let header = self.stream.get(start..start + 4).ok_or(Malformed("it ends within a block"))?;
        let length = u16::from_le_bytes([header[0], header[1]]);
        if length != !u16::from_le_bytes([header[2], header[3]]) {
            return Err(Malformed("a stored block whose length is damaged"));
        }
        *self = Bits { stream: self.stream, next: start + 4 + usize::from(length), buffer: 0, count: 0 };
        Ok(u64::from(length))
    }
}
