//! The codecs: what a `--compression` spec means, and how framed segments become the bytes of an image.
//!
//! A codec has two halves. The [`Encoder`] is a worker's: it compresses one segment on its own. The [`Container`] is the
//! sink's: what stands before, between and behind the encoded segments so that the whole is one valid file.

mod deflate;
mod external;
mod gzip;
mod incompressible;
mod spec;
mod xz;
mod zstd;

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

/// A segment as the sink gets it.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Buffer,
    /// How many framed bytes it stands for.
    pub(crate) length: u64,
    /// The framed bytes, where somebody wants to see them too. With `none` they are `bytes` itself.
    pub(crate) framed: Option<Buffer>,
    note: Note,
}

/// What a container has to know of a segment beside its length. A codec leaves at zero what its container does not ask for.
#[derive(Debug, Default)]
struct Note {
    /// CRC-32 of the framed bytes.
    crc: u32,
    /// The length of the encoded bytes without the padding behind them.
    unpadded: u64,
}

/// One worker's half of a codec.
#[derive(Debug)]
pub(crate) enum Encoder {
    /// Framed bytes are passed on: `none`, and what goes to a program.
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

    /// Encodes one segment; the result depends on its bytes alone. `keep` hands the framed bytes on as well.
    pub(crate) fn encode(
        &mut self,
        framed: Buffer,
        buffers: &Buffers,
        keep: bool,
        cancel: &CancelToken,
    ) -> Result<Encoded> {
        cancel.check()?;
        let length = framed.len() as u64;
        let mut bytes = match self {
            Encoder::Plain => return Ok(Encoded { bytes: framed, length, framed: None, note: Note::default() }),
            Encoder::Gzip(_) | Encoder::Zstandard(_) | Encoder::Xz(_) => buffers.take(),
        };
        let mut note = Note::default();
        match self {
            Encoder::Plain => {}
            Encoder::Gzip(encoder) => note.crc = encoder.encode(&framed, &mut bytes, cancel)?,
            Encoder::Zstandard(encoder) => encoder.encode(&framed, &mut bytes, cancel)?,
            Encoder::Xz(encoder) => note.unpadded = encoder.encode(&framed, &mut bytes, cancel)?,
        }
        Ok(Encoded { bytes, length, framed: keep.then_some(framed), note })
    }

    /// What the library alone takes to compress a segment, without what is done for the container.
    #[cfg(feature = "stages")]
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
    /// Nothing around the segments: a bare tar, and zstd, whose frames simply follow each other (RFC 8878, section 3).
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

    /// Takes note of a segment whose bytes come next.
    pub(crate) fn append(&mut self, segment: &Encoded) {
        match self {
            Container::Concatenation => {}
            Container::Gzip(member) => member.append(segment.note.crc, segment.length),
            Container::Xz(index) => index.append(segment.note.unpadded, segment.length),
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
