//! Canonical Huffman codes and the alphabets that DEFLATE writes with them.

use crate::codec::deflate::malformed::Malformed;

/// The longest code of a DEFLATE alphabet, in bits.
const LONGEST: usize = 15;

/// How many bytes a length stands for at least, and how many extra bits add to it, for symbol 257 and on (RFC 1951, 3.2.5).
const LENGTHS: [(u32, u32); 29] = {
    let mut lengths = [(0, 0); 29];
    let (mut symbol, mut bytes) = (0, 3);
    while symbol < 28 {
        let extra = if symbol < 8 { 0 } else { symbol / 4 - 1 };
        lengths[symbol as usize] = (bytes, extra);
        bytes += 1 << extra;
        symbol += 1;
    }
    lengths[28] = (258, 0);
    lengths
};

/// The symbol that ends a block; lower ones are literals, higher ones lengths.
pub(super) const END: usize = 256;

/// How many literals and lengths there are, and how many distances. The fixed codes have two more of both, which stand for
/// nothing.
pub(super) const LITERALS: usize = END + 1 + LENGTHS.len();
pub(super) const DISTANCES: usize = 30;

/// The least length and the extra bits of a symbol above [`END`]; nothing for the others, and for the last two of the alphabet,
/// which never occur in a sound stream.
pub(super) fn length(symbol: usize) -> Option<(u32, u32)> {
    LENGTHS.get(symbol.checked_sub(END + 1)?).copied()
}

/// The extra bits of a distance; nothing for the last two of the fixed alphabet.
pub(super) fn distance_extra(symbol: usize) -> Option<u32> {
    (symbol < DISTANCES).then(|| (symbol as u32 / 2).saturating_sub(1))
}

/// One alphabet's code: which bits stand for which symbol.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// How many codes there are of each width.
    counts: [u16; LONGEST + 1],
    /// The symbols in code order.
    ordered: Vec<u16>,
}

impl Code {
    /// Takes the widths of the symbols' codes (RFC 1951, 3.2.2; 0 is no code). Tells `each` symbol, the width of its code,
    /// and its code in the order in which a stream has the bits, the first one lowest.
    ///
    /// Every sequence of bits must begin with a code. The RFC lets a lone distance have a code of one bit and leave the other bit
    /// without meaning; libdeflate gives that to a second symbol.
    pub(super) fn assign(&mut self, widths: &[u8], mut each: impl FnMut(usize, u32, usize)) -> Result<(), Malformed> {
        self.counts = [0; LONGEST + 1];
        for width in widths {
            self.counts[usize::from(*width)] += 1;
        }
        self.counts[0] = 0;
        let mut offsets = [0_u16; LONGEST + 2];
        let mut codes = [0_u32; LONGEST + 2];
        for width in 1..=LONGEST {
            let count = self.counts[width];
            offsets[width + 1] = offsets[width] + count;
            codes[width + 1] = (codes[width] + u32::from(count)) << 1;
        }
        if codes[LONGEST + 1] != 2 << LONGEST {
            return Err(Malformed::Incomplete);
        }
        self.ordered.clear();
        self.ordered.resize(usize::from(offsets[LONGEST + 1]), 0);
        for (symbol, width) in widths.iter().enumerate().filter(|(_, width)| **width > 0) {
            let width = usize::from(*width);
            self.ordered[usize::from(offsets[width])] = symbol as u16;
            offsets[width] += 1;
            let code = codes[width];
            codes[width] += 1;
            each(symbol, width as u32, (code.reverse_bits() >> (32 - width)) as usize);
        }
        Ok(())
    }

    /// The symbol whose code `buffer` begins with, and the width of that, found bit by bit.
    pub(super) fn find(&self, buffer: u64) -> Result<(usize, u32), Malformed> {
        let (mut code, mut first, mut index) = (0_usize, 0_usize, 0_usize);
        for width in 1..=LONGEST {
            code |= (buffer >> (width - 1)) as usize & 1;
            let count = usize::from(self.counts[width]);
            if code < first + count {
                let symbol = self.ordered.get(index + code - first).ok_or(Malformed::NoSuchCode)?;
                return Ok((usize::from(*symbol), width as u32));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Malformed::NoSuchCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_rfc() {
        let from_rfc =
            [(257, 3, 0), (264, 10, 0), (265, 11, 1), (268, 17, 1), (269, 19, 2), (280, 115, 4), (284, 227, 5)];
        for (symbol, bytes, extra) in from_rfc {
            assert_eq!(length(symbol), Some((bytes, extra)), "symbol {symbol}");
        }
        assert_eq!(length(285), Some((258, 0)));
        assert_eq!([length(END), length(286)], [None, None]);
        assert_eq!([0, 3, 4, 5, 28, 29].map(distance_extra), [0, 0, 1, 1, 13, 13].map(Some));
        assert_eq!([30, 31].map(distance_extra), [None, None]);
        assert_eq!((LITERALS, DISTANCES), (286, 30));
    }
}
