//! zstd: one frame per segment, with content size and checksum.

use std::ops::RangeInclusive;

use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective::{self, ZSTD_e_continue, ZSTD_e_end};
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, compress_bound, get_error_name};

use crate::buffer::Buffer;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};

/// The highest level that encodes a segment whole: 5 MiB, the largest segment, take a tenth of a second.
const WHOLE: u8 = 9;

/// How many bytes a higher level gets between two looks at the cancellation: a tenth of a second at level 19, where it costs 0.01 % of
/// the size. At level 3 it would cost 0.6 %.
const PIECE: usize = 128 << 10;

/// Levels that look for matches from four bytes on, where libzstd has five: 0.6 to 1.1 % smaller in a tenth more time. Without that,
/// pieces made level 10 larger than level 9 (347.7 and 347.4 MB of 1.41 GB).
const SHORT_MATCHES: RangeInclusive<u8> = WHOLE + 1..=15;

/// Up to this size in bytes libzstd has other tables, which look for short matches already (`clevels.h`).
const LARGE: usize = 256 << 10;

/// The value of a parameter that follows the level.
const UNCHANGED: u32 = 0;

/// One libzstd context.
pub(crate) struct Encoder {
    context: CCtx<'static>,
    piece: usize,
    short_matches: bool,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder(zstd)")
    }
}

impl Encoder {
    pub(crate) fn new(level: u8) -> Result<Self> {
        let mut context = CCtx::create();
        for parameter in [CParameter::CompressionLevel(level.into()), CParameter::ChecksumFlag(true)] {
            context.set_parameter(parameter).map_err(failed)?;
        }
        let piece = if level <= WHOLE { usize::MAX } else { PIECE };
        Ok(Encoder { context, piece, short_matches: SHORT_MATCHES.contains(&level) })
    }

    pub(crate) fn encode(&mut self, framed: &[u8], out: &mut Buffer, cancel: &CancelToken) -> Result<()> {
        debug_assert!(out.is_empty(), "a segment is a frame of its own");
        out.refill(compress_bound(framed.len()), |out| {
            let context = &mut self.context;
            let shortest = if self.short_matches && framed.len() > LARGE { 4 } else { UNCHANGED };
            context.set_parameter(CParameter::MinMatch(shortest)).map_err(failed)?;
            context.set_pledged_src_size(Some(framed.len() as u64)).map_err(failed)?;
            let mut out = OutBuffer::around(out);
            let mut pieces = framed.chunks(self.piece).peekable();
            while let Some(piece) = pieces.next() {
                cancel.check()?;
                let directive = if pieces.peek().is_some() { ZSTD_e_continue } else { ZSTD_e_end };
                compress(context, piece, &mut out, directive)?;
            }
            Ok(())
        })
    }
}

/// Compresses a whole piece, and ends the frame if that is the directive. Fails if `out` has no room for it: what libzstd holds back
/// would be lost without an error of its own.
fn compress(
    context: &mut CCtx<'static>,
    piece: &[u8],
    out: &mut OutBuffer<'_, Vec<u8>>,
    directive: ZSTD_EndDirective,
) -> Result<()> {
    let mut input = InBuffer::around(piece);
    let held_back = context.compress_stream2(out, &mut input, directive).map_err(failed)?;
    let left = piece.len() - input.pos;
    // Within a frame libzstd holds bytes back as it likes.
    if left > 0 || directive == ZSTD_e_end && held_back > 0 {
        return Err(Error::codec("zstd", format!("{left} bytes were not taken, and {held_back} not written")));
    }
    Ok(())
}

fn failed(code: usize) -> Error {
    Error::codec("zstd", get_error_name(code))
}

/// The version of the library that is linked in.
pub(crate) fn version() -> &'static str {
    zstd::zstd_safe::version_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of some thousand, in an order that repeats nothing for long.
    fn words(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut text = Vec::new();
        while text.len() < length {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.extend(format!("{:x} ", (state >> 33) % 5_000).bytes());
        }
        text.truncate(length);
        text
    }

    fn encoded(level: u8, framed: &[u8]) -> Vec<u8> {
        let mut out = Buffer::default();
        Encoder::new(level).unwrap().encode(framed, &mut out, &CancelToken::NEVER).unwrap();
        out.to_vec()
    }

    /// What libzstd makes of it when it is left alone.
    fn plain(level: u8, framed: &[u8]) -> Vec<u8> {
        let mut context = CCtx::create();
        context.set_parameter(CParameter::CompressionLevel(level.into())).unwrap();
        context.set_parameter(CParameter::ChecksumFlag(true)).unwrap();
        let mut out = Vec::with_capacity(compress_bound(framed.len()));
        context.compress2(&mut out, framed).unwrap();
        out
    }

    #[test]
    fn what_is_one_piece_is_what_libzstd_makes_of_it() {
        let small = words(100 << 10);
        for level in 1..=19 {
            assert!(encoded(level, &small) == plain(level, &small), "level {level}");
        }
        let large = words(1 << 20);
        for level in 1..=WHOLE {
            assert!(encoded(level, &large) == plain(level, &large), "level {level}");
        }
    }

    /// An encoder is used for segments of all sizes, one after the other.
    #[test]
    fn an_encoder_makes_the_same_of_a_segment_whatever_came_before() {
        let segments = [words(1 << 20), words(100 << 10), words(300 << 10)];
        for level in [9, 10, 15, 16] {
            let mut encoder = Encoder::new(level).unwrap();
            for segment in segments.iter().chain(segments.iter().rev()) {
                let mut out = Buffer::default();
                encoder.encode(segment, &mut out, &CancelToken::NEVER).unwrap();
                assert!(out.to_vec() == encoded(level, segment), "level {level}, {} bytes", segment.len());
            }
        }
    }

    /// Half of it is text, and half cannot be compressed, so that the frame is nearly as large as it can get.
    #[test]
    fn the_largest_segments_decode_at_levels_that_get_pieces() {
        let mut segment = words(5 << 19);
        let mut state = 1_u64;
        while segment.len() < 5 << 20 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            segment.extend_from_slice(&state.to_be_bytes()[..4]);
        }
        std::thread::scope(|scope| {
            for level in (WHOLE + 1..=19).step_by(testkit::tier::sized(3, 1)) {
                let segment = &segment;
                scope.spawn(move || {
                    let decoded = zstd::decode_all(&*encoded(level, segment)).unwrap();
                    assert!(decoded == *segment, "level {level}");
                });
            }
        });
    }

    #[test]
    fn a_frame_that_has_no_room_is_an_error() {
        let segment = words(400 << 10);
        let whole = plain(3, &segment).len();
        let compress_into = |room: usize| {
            let mut context = CCtx::create();
            context.set_parameter(CParameter::ChecksumFlag(true)).unwrap();
            context.set_pledged_src_size(Some(segment.len() as u64)).unwrap();
            let mut bytes = Vec::with_capacity(room);
            // A vector may have more than was asked for.
            assert_eq!(bytes.capacity(), room);
            let result = compress(&mut context, &segment, &mut OutBuffer::around(&mut bytes), ZSTD_e_end);
            result.map_err(|error| error.to_string())
        };
        assert_eq!(compress_into(whole), Ok(()));
        for room in [0, 1, whole / 2, whole - 1] {
            let error = compress_into(room).unwrap_err();
            assert!(error.starts_with("zstd encoder: "), "{room}: {error}");
        }
    }
}
