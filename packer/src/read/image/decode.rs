//! Decoding: the tar in a file, whatever compressed it.
//!
//! gzip is read by another library than the one that writes it, zstd and xz by the decoders of the same ones. All of a file
//! must be compressed data, to its last byte. The one exception is a squashfs, whose tar another program makes of it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;
use lz4_flex::frame::FrameDecoder;

use crate::read::image::encoding::Encoding;
use crate::sink::program::squashfs;

/// The most memory that a stream of xz or lzma may ask of its reader, in bytes. The highest level of `xz` asks for half of
/// it; a hostile stream may ask for 4 GiB.
const MEMORY: u64 = 128 << 20;

/// What the compression of `file` hides, from where it stands.
pub(crate) fn decoded(file: File, encoding: Encoding) -> io::Result<Box<dyn Read>> {
    let file = Source { file: BufReader::with_capacity(256 << 10, file), dry: false };
    Ok(match encoding {
        Encoding::None => Box::new(file),
        Encoding::Squashfs => Box::new(squashfs::Reader::open(file.file.into_inner())?),
        Encoding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Encoding::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
        Encoding::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        Encoding::Xz => Box::new(Streams::new(file, |file| {
            Ok(XzDecoder::new_stream(file, Stream::new_stream_decoder(MEMORY, 0)?))
        })?),
        Encoding::Lzma => {
            Box::new(Streams::new(file, |file| Ok(XzDecoder::new_stream(file, Stream::new_lzma_decoder(MEMORY)?)))?)
        }
        Encoding::Lz4 => Box::new(Streams::new(file, |file| Ok(FrameDecoder::new(file)))?),
    })
}

/// A file that knows whether more was wanted of it than there is.
struct Source {
    file: BufReader<File>,
    /// Something was to be read behind the end.
    dry: bool,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.dry |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.file.consume(count);
    }
}

/// A decoder that ends where its stream does.
trait Decoder: Read {
    /// What it reads from.
    fn source(&mut self) -> &mut Source;

    /// The same, for the next one.
    fn into_source(self) -> Source;
}

impl Decoder for XzDecoder<Source> {
    fn source(&mut self) -> &mut Source {
        self.get_mut()
    }

    fn into_source(self) -> Source {
        self.into_inner()
    }
}

impl Decoder for FrameDecoder<Source> {
    fn source(&mut self) -> &mut Source {
        self.get_mut()
    }

    fn into_source(self) -> Source {
        self.into_inner()
    }
}

/// Streams one behind the other, up to the end of the file.
struct Streams<Decoder> {
    /// Nothing if what follows a stream is none.
    current: Option<Decoder>,
    next: fn(Source) -> io::Result<Decoder>,
    ended: bool,
}

impl<D: Decoder> Streams<D> {
    fn new(file: Source, next: fn(Source) -> io::Result<D>) -> io::Result<Self> {
        Ok(Streams { current: Some(next(file)?), next, ended: false })
    }
}

impl<D: Decoder> Read for Streams<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = self.current.as_mut().filter(|_| !self.ended) {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            // The decoder of lz4 takes a file that ends between two blocks for a whole one.
            if decoder.source().dry {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the compressed data is cut short"));
            }
            self.ended = decoder.source().fill_buf()?.is_empty();
            if !self.ended {
                self.current = self.current.take().map(|decoder| (self.next)(decoder.into_source())).transpose()?;
            }
        }
        if self.ended { Ok(0) } else { Err(io::Error::other("what follows the compressed data is none")) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use liblzma::stream::{Action, Check, LzmaOptions};

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        let mut read = Vec::new();
        let encoding = Encoding::of(&bytes[..bytes.len().min(Encoding::MAGIC)]);
        let mut decoder = decoded(file, encoding)?;
        decoder.read_to_end(&mut read)?;
        assert_eq!(decoder.read(&mut [0]).unwrap(), 0, "the end stays the end");
        Ok(read)
    }

    fn by(mut stream: Stream, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(content.len() + 1_000);
        stream.process_vec(content, &mut out, Action::Run).unwrap();
        stream.process_vec(&[], &mut out, Action::Finish).unwrap();
        out
    }

    fn xz(content: &[u8]) -> Vec<u8> {
        by(Stream::new_easy_encoder(1, Check::Crc32).unwrap(), content)
    }

    fn lzma(content: &[u8]) -> Vec<u8> {
        by(Stream::new_lzma_encoder(&LzmaOptions::new_preset(1).unwrap()).unwrap(), content)
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(content: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn lz4(content: &[u8]) -> Vec<u8> {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        zstd::encode_all(content, 1).unwrap()
    }

    type Encode = fn(&[u8]) -> Vec<u8>;

    const ENCODERS: [Encode; 6] = [gzip, zstd, bzip2, xz, lzma, lz4];

    #[test]
    fn one_stream_follows_another_and_some_are_empty() {
        for encode in ENCODERS {
            let pieces = [vec![], b"one ".repeat(40_000), vec![], vec![], b"two".to_vec(), vec![]];
            let bytes = pieces.iter().flat_map(|piece| encode(piece)).collect::<Vec<_>>();
            assert!(read(&bytes).unwrap() == pieces.concat(), "{:02x?}", &bytes[..4]);
        }
    }

    /// Among the cuts are those between two blocks of lz4, which its decoder takes for the end.
    #[test]
    fn a_stream_that_is_cut_anywhere_is_an_error() {
        for encode in ENCODERS {
            let bytes = [encode(b"one"), encode(b"two ".repeat(20_000).as_slice())].concat();
            let first = encode(b"one").len();
            for length in (1..bytes.len()).filter(|length| *length != first) {
                // What is too short to be told apart is taken as it is.
                let read = read(&bytes[..length]);
                assert!(
                    read.is_err() || read.is_ok_and(|read| read == bytes[..length]),
                    "{:02x?} at {length}",
                    &bytes[..4]
                );
            }
        }
    }

    /// A decoder would need 4 GiB.
    #[test]
    fn a_dictionary_that_is_too_large_is_an_error() {
        let mut xz = xz(b"content");
        xz[16] = 40;
        let crc = crc32fast::hash(&xz[12..20]).to_le_bytes();
        xz[20..24].copy_from_slice(&crc);
        let mut lzma = lzma(b"content");
        lzma[3..5].copy_from_slice(&[0, 0xc0]);
        for bytes in [xz, lzma] {
            assert_eq!(read(&bytes).unwrap_err().to_string(), "memory limit reached");
        }
    }
}
