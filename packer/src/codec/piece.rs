//! An encoded piece of the archive, and what the container needs to know of it.

use crate::buffer::Buffer;

/// A piece of the archive as the sink gets it.
#[derive(Debug)]
pub(crate) struct EncodedPiece {
    pub(crate) bytes: Buffer,
    /// How many framed bytes it stands for.
    pub(crate) framed_length: u64,
    /// The framed bytes, if they are still wanted. With `none` they are `bytes` itself.
    pub(crate) framed: Option<Buffer>,
    pub(crate) check: PieceCheck,
}

/// What a container needs to know of an encoded piece beside its lengths. Fields that the container does not ask for are zero.
///
/// Encoded bytes, framed length and this value are all that it takes to append a piece to a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PieceCheck {
    /// CRC-32 of the framed bytes, for gzip.
    pub(crate) crc32: u32,
    /// The length of the encoded bytes without the padding behind them, for xz.
    pub(crate) unpadded_length: u64,
}
