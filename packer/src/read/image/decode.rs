//! Decoders: from a compressed file to its tar.
//!
//! gzip is read by another library than the one that writes it, zstd and xz by the decoders of the same libraries. A file must be
//! compressed data to its last byte. The tar of a squashfs is made by a program.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;
use lz4_flex::frame::FrameDecoder;

use crate::read::context::{ReadContext, WatchedReader};
use crate::read::image::encoding::Encoding;
use crate::read::image::squashfs::SquashfsReader;

/// The most memory that a stream of xz or lzma may demand, in bytes. The highest level of `xz` demands half of it; a hostile
/// stream may demand 4 GiB.
const MEMORY_LIMIT: u64 = 128 << 20;

/// Decodes `file` from its current position.
pub(crate) fn decoder<'a>(
    file: File,
    encoding: Encoding,
    context: &'a ReadContext<'a>,
) -> io::Result<Box<dyn Read + 'a>> {
    if encoding == Encoding::Squashfs {
        return Ok(Box::new(SquashfsReader::open(file, context)?));
    }
    let file = CompressedFile { file: BufReader::with_capacity(256 << 10, context.watch(file)), is_exhausted: false };
    Ok(match encoding {
        Encoding::None | Encoding::Squashfs => Box::new(file),
        Encoding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Encoding::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
        Encoding::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        Encoding::Xz => Box::new(ConcatenatedStreams::new(file, |file| {
            Ok(XzDecoder::new_stream(file, Stream::new_stream_decoder(MEMORY_LIMIT, 0)?))
        })?),
        Encoding::Lzma => Box::new(ConcatenatedStreams::new(file, |file| {
            Ok(XzDecoder::new_stream(file, Stream::new_lzma_decoder(MEMORY_LIMIT)?))
        })?),
        Encoding::Lz4 => Box::new(ConcatenatedStreams::new(file, |file| Ok(FrameDecoder::new(file)))?),
    })
}

/// A file that records whether its reader asked for more bytes than there are.
struct CompressedFile<'a> {
    file: BufReader<WatchedReader<'a, File>>,
    /// A read hit the end.
    is_exhausted: bool,
}

impl Read for CompressedFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.is_exhausted |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

impl BufRead for CompressedFile<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.file.consume(count);
    }
}

/// A decoder that ends with its stream and gives its file back.
trait StreamDecoder<'a>: Read {
    /// The file that it reads.
    fn source(&mut self) -> &mut CompressedFile<'a>;

    /// The file, for the decoder of the next stream.
    fn into_source(self) -> CompressedFile<'a>;
}

impl<'a> StreamDecoder<'a> for XzDecoder<CompressedFile<'a>> {
    fn source(&mut self) -> &mut CompressedFile<'a> {
        self.get_mut()
    }

    fn into_source(self) -> CompressedFile<'a> {
        self.into_inner()
    }
}

impl<'a> StreamDecoder<'a> for FrameDecoder<CompressedFile<'a>> {
    fn source(&mut self) -> &mut CompressedFile<'a> {
        self.get_mut()
    }

    fn into_source(self) -> CompressedFile<'a> {
        self.into_inner()
    }
}

/// Decodes concatenated streams up to the end of the file.
struct ConcatenatedStreams<'a, Decoder> {
    /// `None` once the bytes behind a stream turned out to be no stream.
    current: Option<Decoder>,
    next: fn(CompressedFile<'a>) -> io::Result<Decoder>,
    ended: bool,
}

impl<'a, D: StreamDecoder<'a>> ConcatenatedStreams<'a, D> {
    fn new(file: CompressedFile<'a>, next: fn(CompressedFile<'a>) -> io::Result<D>) -> io::Result<Self> {
        Ok(ConcatenatedStreams { current: Some(next(file)?), next, ended: false })
    }
}

impl<'a, D: StreamDecoder<'a>> Read for ConcatenatedStreams<'a, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = self.current.as_mut().filter(|_| !self.ended) {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            // The decoder of lz4 accepts a file that ends between two blocks.
            if decoder.source().is_exhausted {
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
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::SeqCst;

    use liblzma::stream::{Action, Check, LzmaOptions};

    use super::*;
    use crate::cancel::CancelToken;
    use crate::progress::OnProgress;
    use crate::read::context::is_cancelled;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        read_until(bytes, &CancelToken::NEVER)
    }

    fn read_until(bytes: &[u8], cancel: &CancelToken) -> io::Result<Vec<u8>> {
        let read = ReadContext::run(cancel, &OnProgress::default(), |context| Ok(read_with(bytes, context)));
        read.map_err(io::Error::other)?
    }

    fn read_with(bytes: &[u8], context: &ReadContext<'_>) -> io::Result<Vec<u8>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        let mut read = Vec::new();
        let encoding = Encoding::detect(&bytes[..bytes.len().min(Encoding::MAGIC_LENGTH)]);
        let mut decoder = decoder(file, encoding, context)?;
        decoder.read_to_end(&mut read)?;
        assert_eq!(decoder.read(&mut [0])?, 0, "the end stays the end");
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

    /// Also if it is cut between two blocks of lz4, where the decoder alone would see a regular end.
    #[test]
    fn a_truncated_stream_is_an_error() {
        for encode in ENCODERS {
            let bytes = [encode(b"one"), encode(b"two ".repeat(20_000).as_slice())].concat();
            let first = encode(b"one").len();
            for length in (1..bytes.len()).filter(|length| *length != first) {
                // A beginning that is too short for detection is read as no compression.
                let read = read(&bytes[..length]);
                assert!(
                    read.is_err() || read.is_ok_and(|read| read == bytes[..length]),
                    "{:02x?} at {length}",
                    &bytes[..4]
                );
            }
        }
    }

    #[test]
    fn every_decoder_passes_cancellation_on() {
        for encode in ENCODERS {
            let bytes = [encode(b"one"), encode(b"two ".repeat(20_000).as_slice())].concat();
            let mut asked = 0;
            loop {
                let left = AtomicU64::new(asked);
                let cancel =
                    CancelToken::when(move || left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err());
                match read_until(&bytes, &cancel) {
                    Ok(_) => break,
                    Err(error) => assert!(is_cancelled(&error), "{:02x?} after {asked}: {error}", &bytes[..4]),
                }
                asked += 1;
            }
            // At the start, at the data and at the end of the file.
            assert!(asked >= 3, "{:02x?}: asked {asked} times", &bytes[..4]);
        }
    }

    /// This one would need 4 GiB.
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
