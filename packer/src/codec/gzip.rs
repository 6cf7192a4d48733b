//! gzip: one member (RFC 1952) whose DEFLATE stream is spliced from pieces that were compressed independently.
//!
//! libdeflate compresses whole buffers, so every piece is a complete stream. To make it a part of a longer one, the final bit of its
//! last block is cleared, and an empty stored block brings the stream to a byte boundary (zlib's full flush; no match reaches back
//! before it). An empty final block and the combined CRC end the member.

use libdeflater::{CompressionLvl, Compressor};

use super::deflate;
use crate::buffer::Buffer;
use crate::codec::incompressible::CompressibilityProbe;
use crate::codec::piece::EncodedPiece;
use crate::error::{Error, Result};

/// The version of the crate `libdeflater`, because libdeflate does not tell its own. A test compares it with `Cargo.lock`.
pub(crate) const VERSION: &str = "libdeflater 1.26.1";

/// Magic, deflate, no flags, no time, no extra flags, Unix: as `gzip -n` writes it.
pub(crate) const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// An empty block of fixed codes with the final bit set.
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// One worker's compressors.
pub(crate) struct Encoder {
    compressor: Compressor,
    /// Level 0, for dense bytes: 5 bytes for each 65,535 of content.
    storer: Compressor,
    probe: CompressibilityProbe,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder(libdeflate)")
    }
}

impl Encoder {
    pub(crate) fn new(level: u8) -> Result<Self> {
        let compressor = |level: i32| match CompressionLvl::new(level) {
            Ok(level) => Ok(Compressor::new(level)),
            Err(error) => Err(Error::codec("gzip", format!("level {level}: {error:?}"))),
        };
        Ok(Encoder {
            compressor: compressor(level.into())?,
            storer: compressor(0)?,
            probe: CompressibilityProbe::new()?,
        })
    }

    /// Compresses a piece as a complete stream; dense bytes are stored. Returns the CRC-32 of the framed bytes.
    pub(crate) fn compress(&mut self, framed: &[u8], out: &mut Buffer) -> Result<u32> {
        self.kernel(framed, out).map(|()| libdeflater::crc32(framed))
    }

    /// The same without the CRC-32; for measuring libdeflate alone.
    pub(crate) fn kernel(&mut self, framed: &[u8], out: &mut Buffer) -> Result<()> {
        debug_assert!(out.is_empty(), "a piece starts on a byte boundary");
        let compressor = if self.probe.is_dense(framed) { &mut self.storer } else { &mut self.compressor };
        let room = out.spare_mut(compressor.deflate_compress_bound(framed.len()));
        let length = compressor.deflate_compress(framed, room).map_err(|error| Error::codec("gzip", error))?;
        out.advance(length);
        Ok(())
    }
}

/// Makes each of these complete streams a part of a longer one: unfinished blocks that end on a byte boundary. Two are walked at once,
/// which takes two thirds of the time.
pub(crate) fn splice(pieces: &mut [EncodedPiece]) -> Result<()> {
    let failed = |error| Error::codec("gzip", error);
    for pair in pieces.chunks_mut(2) {
        match pair {
            [one, other] => {
                let [first, second] = deflate::walk([&one.bytes[..], &other.bytes[..]]).map_err(failed)?;
                open(one, &first)?;
                open(other, &second)?;
            }
            alone => {
                for piece in alone {
                    let [stream] = deflate::walk([&piece.bytes[..]]).map_err(failed)?;
                    open(piece, &stream)?;
                }
            }
        }
    }
    Ok(())
}

/// Clears the final bit of a stream, and brings it to a byte boundary.
fn open(piece: &mut EncodedPiece, stream: &deflate::Stream) -> Result<()> {
    let EncodedPiece { bytes, framed_length, .. } = piece;
    if stream.decoded != *framed_length || stream.end.div_ceil(8) != bytes.len() {
        return Err(Error::codec("gzip", "the compressed segment does not stand for the bytes that went in"));
    }
    bytes.bytes_mut()[stream.last_block / 8] &= !(1 << (stream.last_block % 8));
    if !stream.end.is_multiple_of(8) {
        // Three zero bits (not final, stored) that may still fit the last byte, zeros up to the next boundary, length 0
        // and its complement.
        let spare = (stream.end + 3).div_ceil(8) - bytes.len();
        bytes.append(&[0x00, 0x00, 0x00, 0xff, 0xff][1 - spare..]);
    }
    Ok(())
}

/// What a gzip trailer says about the bytes so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    crc: crc32fast::Hasher,
    length: u64,
}

impl Member {
    pub(crate) fn append(&mut self, crc: u32, length: u64) {
        self.crc.combine(&crc32fast::Hasher::new_with_initial_len(crc, length));
        self.length += length;
    }

    /// The final block, then the CRC-32 and the length modulo 2³².
    pub(crate) fn trailer(&self) -> Vec<u8> {
        let crc = self.crc.clone().finalize().to_le_bytes();
        let length = (self.length as u32).to_le_bytes();
        [&LAST_BLOCK[..], &crc, &length].concat()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;
    use crate::codec::piece::PieceCheck;
    use testkit::cases::Noise;

    fn spliced(level: u8, segments: &[Vec<u8>]) -> Vec<u8> {
        let mut encoder = Encoder::new(level).unwrap();
        let mut member = Member::default();
        let mut file = HEADER.to_vec();
        let compressed = segments.iter().map(|segment| {
            let mut bytes = Buffer::default();
            let check = PieceCheck { crc32: encoder.compress(segment, &mut bytes).unwrap(), ..PieceCheck::default() };
            EncodedPiece { bytes, framed_length: segment.len() as u64, framed: None, check }
        });
        let mut pieces: Vec<EncodedPiece> = compressed.collect();
        splice(&mut pieces).unwrap();
        for piece in &pieces {
            member.append(piece.check.crc32, piece.framed_length);
            file.extend_from_slice(&piece.bytes);
        }
        file.extend_from_slice(&member.trailer());
        file
    }

    /// Bytes of every texture: random, repetitive, zero, and mixtures; sizes around the encoder's own limits.
    fn segment() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..3_000),
            (any::<u8>(), 0..170_000_usize).prop_map(|(byte, count)| vec![byte; count]),
            (proptest::collection::vec(0..6_u8, 1..400), 1..120_usize).prop_map(|(word, count)| word.repeat(count)),
            (any::<u64>(), prop_oneof![0..60_000_usize, 90_000..300_000_usize])
                .prop_map(|(seed, count)| Noise(seed).bytes(count)),
        ];
        proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(testkit::cases::usually(96))]
        #[test]
        fn spliced_segments_are_one_member(level in 1..=12_u8, segments in proptest::collection::vec(segment(), 0..5)) {
            let file = spliced(level, &segments);
            // `GzDecoder` reads one member only, and checks its CRC and length.
            let mut decoder = flate2::bufread::GzDecoder::new(&file[..]);
            let mut decoded = Vec::new();
            decoder.read_to_end(&mut decoded).unwrap();
            prop_assert_eq!(decoded, segments.concat());
            prop_assert!(decoder.into_inner().is_empty(), "bytes behind the member");
        }
    }
}
