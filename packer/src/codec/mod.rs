//! Stage 5: the codecs: what a `--compression` spec means, and how framed segments become the bytes of an image.
//!
//! A codec has two halves. The [`Encoder`] is a worker's: it compresses one piece on its own. The [`Container`] is the sink's: the
//! bytes before, between and behind the encoded pieces that make one valid file of them.

mod deflate;
mod external;
mod gzip;
mod incompressible;
mod piece;
mod spec;
#[cfg(not(feature = "xz"))]
mod without_xz;
#[cfg(feature = "xz")]
mod xz;
mod zstd;

#[cfg(not(feature = "xz"))]
use without_xz as xz;

pub(crate) use piece::{EncodedPiece, PieceCheck};

pub use external::{InvalidProgram, Program};
pub use spec::{Compression, InvalidCompression};

use crate::buffer::{Buffer, Buffers};
use crate::cancel::CancelToken;
use crate::error::Result;

/// The name and version of an encoder. Another version may make other bytes of the same tar.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncoderVersion {
    /// The encoder: `libdeflate`, `libzstd`, `liblzma`, or the name of a program.
    pub name: &'static str,
    /// Its version; for libdeflate and liblzma that of the crate which carries it.
    pub version: String,
}

impl Compression {
    /// Whether this build has the encoder.
    pub(crate) fn is_built_in(self) -> bool {
        cfg!(feature = "xz") || !matches!(self, Compression::Xz(_))
    }

    /// The encoder in this process; none for `none` and for programs.
    pub(crate) fn library(self) -> Option<EncoderVersion> {
        let (name, version) = match self {
            Compression::None | Compression::Squashfs | Compression::External(..) => return None,
            Compression::Gzip(_) => ("libdeflate", gzip::VERSION.to_owned()),
            Compression::Zstd(_) => ("libzstd", zstd::version().to_owned()),
            Compression::Xz(_) => ("liblzma", xz::VERSION.to_owned()),
        };
        Some(EncoderVersion { name, version })
    }
}

/// One worker's half of a codec.
#[derive(Debug)]
pub(crate) enum Encoder {
    /// Passes framed bytes on: for `none`, and for programs.
    Plain,
    Gzip(gzip::Encoder),
    Zstandard(zstd::Encoder),
    Xz(xz::Encoder),
}

impl Encoder {
    pub(crate) fn new(compression: Compression) -> Result<Self> {
        match compression {
            Compression::None | Compression::Squashfs | Compression::External(..) => Ok(Encoder::Plain),
            Compression::Gzip(level) => gzip::Encoder::new(level).map(Encoder::Gzip),
            Compression::Zstd(level) => zstd::Encoder::new(level).map(Encoder::Zstandard),
            Compression::Xz(level) => Ok(Encoder::Xz(xz::Encoder::new(level))),
        }
    }

    /// Encodes pieces. Each result depends on the bytes of its piece alone.
    pub(crate) fn encode(
        &mut self,
        framed: Vec<Buffer>,
        buffers: &Buffers,
        cancel: &CancelToken,
    ) -> Result<Vec<EncodedPiece>> {
        let pieces = framed.into_iter().map(|framed| self.encode_one(framed, buffers, cancel));
        let mut pieces = pieces.collect::<Result<Vec<EncodedPiece>>>()?;
        if let Encoder::Gzip(_) = self {
            gzip::splice(&mut pieces)?;
        }
        Ok(pieces)
    }

    fn encode_one(&mut self, framed: Buffer, buffers: &Buffers, cancel: &CancelToken) -> Result<EncodedPiece> {
        cancel.check()?;
        let framed_length = framed.len() as u64;
        let mut check = PieceCheck::default();
        if let Encoder::Plain = self {
            return Ok(EncodedPiece { bytes: framed, framed_length, framed: None, check });
        }
        let mut bytes = buffers.take();
        match self {
            Encoder::Plain => {}
            Encoder::Gzip(encoder) => check.crc32 = encoder.compress(&framed, &mut bytes)?,
            Encoder::Zstandard(encoder) => encoder.encode(&framed, &mut bytes, cancel)?,
            Encoder::Xz(encoder) => check.unpadded_length = encoder.encode(&framed, &mut bytes, cancel)?,
        }
        Ok(EncodedPiece { bytes, framed_length, framed: Some(framed), check })
    }

    /// The library's part of encoding alone, without what the container needs; for measuring.
    pub(crate) fn kernel(&mut self, framed: &[u8], out: &mut Buffer) -> Result<()> {
        match self {
            Encoder::Plain => Ok(()),
            Encoder::Gzip(encoder) => encoder.kernel(framed, out),
            Encoder::Zstandard(encoder) => encoder.encode(framed, out, &CancelToken::NEVER),
            Encoder::Xz(encoder) => encoder.encode(framed, out, &CancelToken::NEVER).map(|_| ()),
        }
    }
}

/// The sink's half of a codec.
#[derive(Debug)]
pub(crate) enum Container {
    /// Nothing around the pieces: a bare tar, and zstd, whose frames simply follow each other (RFC 8878, section 3).
    Concatenation,
    Gzip(gzip::Member),
    Xz(xz::Index),
}

impl Container {
    pub(crate) fn new(compression: Compression) -> Self {
        match compression {
            Compression::None | Compression::Zstd(_) | Compression::Squashfs | Compression::External(..) => {
                Container::Concatenation
            }
            Compression::Gzip(_) => Container::Gzip(gzip::Member::default()),
            Compression::Xz(_) => Container::Xz(xz::Index::default()),
        }
    }

    /// What the file begins with.
    pub(crate) fn opening(&self) -> &'static [u8] {
        match self {
            Container::Concatenation => b"",
            Container::Gzip(_) => gzip::HEADER,
            Container::Xz(_) => xz::HEADER,
        }
    }

    /// Takes account of a piece whose bytes come next.
    pub(crate) fn append(&mut self, piece: &EncodedPiece) {
        match self {
            Container::Concatenation => {}
            Container::Gzip(member) => member.append(piece.check.crc32, piece.framed_length),
            Container::Xz(index) => index.append(piece.check.unpadded_length, piece.framed_length),
        }
    }

    /// What the file ends with.
    pub(crate) fn closing(&self) -> Vec<u8> {
        match self {
            Container::Concatenation => Vec::new(),
            Container::Gzip(member) => member.trailer(),
            Container::Xz(index) => index.trailer(),
        }
    }
}
