//! xz: one stream (the .xz file format, version 1.2) with a block for each segment, compressed independently.
//!
//! liblzma makes a whole stream of a segment. The block is cut out of it and gets a new header with both sizes of the block, as `xz -T`
//! writes it: readers decode blocks in parallel only then. The index of all blocks and the footer end the file. Several streams one
//! behind the other would be simpler, but some readers stop after the first.

use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};

use crate::buffer::Buffer;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};

/// The version of the crate `liblzma-sys`, which carries liblzma 5.8.4. A test compares it with `Cargo.lock`.
pub(crate) const VERSION: &str = "liblzma-sys 0.4.9";

/// Magic, the flags of a stream whose blocks end with a CRC-64 (the default of `xz`), and their CRC-32.
pub(crate) const HEADER: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0, FLAGS[0], FLAGS[1], 0xe6, 0xd6, 0xb4, 0x46];

const FLAGS: [u8; 2] = [0, 4];

/// The sizes of a footer and of a CRC-64, in bytes.
const FOOTER: usize = 12;
const CHECK: u64 = 8;

/// How many bytes an encoder gets between two looks at the cancellation: a tenth of a second of the slowest level on hard bytes. The
/// output does not depend on it.
const PIECE: usize = 32 << 10;

/// The dictionaries of the levels of `xz`, in KiB.
const DICTIONARIES: [u32; 10] =
    [256, 1 << 10, 2 << 10, 4 << 10, 4 << 10, 8 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];

/// The smallest dictionary, in bytes.
const SMALLEST: u32 = 4 << 10;

/// A level; liblzma's own state is made for each segment.
#[derive(Debug)]
pub(crate) struct Encoder {
    level: u8,
}

impl Encoder {
    pub(crate) fn new(level: u8) -> Self {
        Encoder { level }
    }

    /// Makes the segment a block; returns its size without the padding.
    pub(crate) fn encode(&mut self, framed: &[u8], out: &mut Buffer, cancel: &CancelToken) -> Result<u64> {
        debug_assert!(out.is_empty() && !framed.is_empty(), "a segment is a block of its own");
        let mut stream = self.stream(framed.len())?;
        let mut unpadded = 0;
        // Incompressible bytes take 3 bytes more for every 64 KiB.
        out.refill(framed.len() + framed.len() / (8 << 10) + (1 << 10), |out| -> Result<()> {
            for piece in framed.chunks(PIECE) {
                cancel.check()?;
                feed(&mut stream, piece, Action::Run, out)?;
            }
            feed(&mut stream, &[], Action::Finish, out)?;
            let cut = Cut::of(out).filter(|cut| cut.uncompressed == framed.len() as u64);
            let cut = cut.ok_or_else(|| failed("the compressed segment does not stand for the bytes that went in"))?;
            unpadded = cut.apply(out);
            Ok(())
        })?;
        Ok(unpadded)
    }

    /// The dictionary is no larger than the segment: more would only take memory, eleven times its size here and once in each reader.
    fn stream(&self, length: usize) -> Result<Stream> {
        let level = self.level;
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let dictionary = (DICTIONARIES[usize::from(level)] << 10).min(length.max(SMALLEST));
        let mut options = LzmaOptions::new_preset(level.into()).map_err(failed)?;
        let mut filters = Filters::new();
        filters.lzma2(options.dict_size(dictionary));
        Stream::new_stream_encoder(&filters, Check::Crc64).map_err(failed)
    }
}

fn failed(cause: impl ToString) -> Error {
    Error::codec("xz", cause)
}

/// Gives all of `bytes` to an encoder. At the end of the input, takes all its output.
fn feed(stream: &mut Stream, bytes: &[u8], action: Action, out: &mut Vec<u8>) -> Result<()> {
    let mut rest = bytes;
    loop {
        let before = stream.total_in();
        let status = stream.process_vec(rest, out, action).map_err(failed)?;
        rest = &rest[(stream.total_in() - before) as usize..];
        match (status, action) {
            (Status::StreamEnd, _) => return Ok(()),
            (_, Action::Run) if rest.is_empty() => return Ok(()),
            _ => out.reserve(PIECE),
        }
    }
}

/// Where the parts are of a stream that has one block.
struct Cut {
    /// Where the content begins, behind the stream's header and the block's.
    content: usize,
    /// Where the padding and the check behind the content end.
    end: usize,
    /// The filter: how the content is compressed.
    filter: [u8; 3],
    compressed: u64,
    uncompressed: u64,
}

impl Cut {
    /// `None` if the stream is of another form.
    fn of(stream: &[u8]) -> Option<Self> {
        let (before, footer) = stream.split_last_chunk::<FOOTER>()?;
        let [_, _, _, _, size @ .., _, _, _, _] = footer;
        let end = before.len().checked_sub((u32::from_le_bytes(*size) as usize + 1) * 4)?;
        let [0, 1, records @ ..] = before.get(end..)? else { return None };
        let mut records = records;
        let (unpadded, uncompressed) = (number(&mut records)?, number(&mut records)?);
        let block = before.get(HEADER.len()..end)?;
        let [size, 0, filter @ ..] = block else { return None };
        let header = (usize::from(*size) + 1) * 4;
        let compressed = unpadded.checked_sub(header as u64 + CHECK)?;
        let filter = *filter.first_chunk()?;
        let whole = unpadded.next_multiple_of(4) == block.len() as u64;
        whole.then_some(Cut { content: HEADER.len() + header, end, filter, compressed, uncompressed })
    }

    /// Removes everything but the block, whose header gets both sizes. Returns its size without the padding.
    fn apply(&self, stream: &mut Vec<u8>) -> u64 {
        // The length of the header in words of 4 bytes, less one; then the flags: one filter, both sizes present.
        let mut header = vec![0, 0xc0];
        append_number(&mut header, self.compressed);
        append_number(&mut header, self.uncompressed);
        header.extend(self.filter);
        pad(&mut header);
        header[0] = (header.len() / 4) as u8;
        append_crc(&mut header);
        let unpadded = header.len() as u64 + self.compressed + CHECK;
        stream.truncate(self.end);
        stream.splice(..self.content, header);
        unpadded
    }
}

/// The index of the blocks so far: some eight bytes for each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    records: Vec<u8>,
    count: u64,
}

impl Index {
    pub(crate) fn append(&mut self, unpadded: u64, uncompressed: u64) {
        append_number(&mut self.records, unpadded);
        append_number(&mut self.records, uncompressed);
        self.count += 1;
    }

    /// The index and the footer.
    pub(crate) fn trailer(&self) -> Vec<u8> {
        let mut trailer = vec![0];
        append_number(&mut trailer, self.count);
        trailer.extend(&self.records);
        pad(&mut trailer);
        append_crc(&mut trailer);
        let size = (trailer.len() / 4 - 1) as u32;
        let size = [&size.to_le_bytes()[..], &FLAGS].concat();
        trailer.extend(crc32fast::hash(&size).to_le_bytes());
        trailer.extend(size);
        trailer.extend(b"YZ");
        trailer
    }
}

/// Pads to whole words of 4 bytes.
fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn append_crc(bytes: &mut Vec<u8>) {
    bytes.extend(crc32fast::hash(bytes).to_le_bytes());
}

/// Appends a multibyte integer of the format: seven bits in each byte, the lowest first, and a bit that says whether more follow.
fn append_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a multibyte integer from the front.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::Command;

    use liblzma::bufread::XzDecoder;
    use proptest::prelude::*;

    use super::*;
    use testkit::cases::Noise;

    fn encoded(level: u8, segment: &[u8]) -> (Vec<u8>, u64) {
        let mut out = Buffer::default();
        let unpadded = Encoder::new(level).encode(segment, &mut out, &CancelToken::NEVER).unwrap();
        (out.to_vec(), unpadded)
    }

    fn file(level: u8, segments: &[Vec<u8>]) -> Vec<u8> {
        let (mut file, mut index) = (HEADER.to_vec(), Index::default());
        for segment in segments {
            let (block, unpadded) = encoded(level, segment);
            index.append(unpadded, segment.len() as u64);
            file.extend(block);
        }
        file.extend(index.trailer());
        file
    }

    /// What one stream holds, and what stands behind it.
    fn decoded(file: &[u8]) -> (Vec<u8>, &[u8]) {
        let mut decoder = XzDecoder::new_stream(file, Stream::new_stream_decoder(128 << 20, 0).unwrap());
        let mut decoded = Vec::new();
        decoder.read_to_end(&mut decoded).unwrap();
        (decoded, decoder.into_inner())
    }

    fn segment() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..3_000),
            (any::<u8>(), 0..170_000_usize).prop_map(|(byte, count)| vec![byte; count]),
            (proptest::collection::vec(0..6_u8, 1..400), 1..120_usize).prop_map(|(word, count)| word.repeat(count)),
            (any::<u64>(), 0..150_000_usize).prop_map(|(seed, count)| Noise(seed).bytes(count)),
        ];
        let some = |pieces: Vec<Vec<u8>>| Some(pieces.concat()).filter(|bytes| !bytes.is_empty());
        proptest::collection::vec(piece, 1..5).prop_filter_map("a segment is not empty", some)
    }

    /// Prints what the only stream of a file holds; fails if anything stands behind it.
    const PYTHON: &str = "import lzma, sys; decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ); \
        sys.stdout.buffer.write(decoder.decompress(open(sys.argv[1], 'rb').read())); \
        sys.exit(not decoder.eof or len(decoder.unused_data) > 0)";

    /// What a reader prints of a file; nothing if it is not installed.
    fn printed(reader: &[&str], file: &[u8]) -> Option<Vec<u8>> {
        let mut place = tempfile::NamedTempFile::new().unwrap();
        place.write_all(file).unwrap();
        match Command::new(reader[0]).args(&reader[1..]).arg(place.path()).output() {
            Ok(run) => {
                assert!(run.status.success(), "{reader:?}: {}", String::from_utf8_lossy(&run.stderr));
                Some(run.stdout)
            }
            Err(_) => {
                testkit::log::skip(&format!("{} is not installed", reader[0]));
                None
            }
        }
    }

    proptest! {
        #![proptest_config(testkit::cases::usually(8))]

        #[test]
        fn every_reader_takes_it(level in 0..=9_u8, segments in proptest::collection::vec(segment(), 1..9)) {
            let (file, content) = (file(level, &segments), segments.concat());
            for reader in [&["xz", "-dc"][..], &["xz", "-dcT0"], &["busybox", "xzcat"], &["python3", "-c", PYTHON]] {
                prop_assert!(printed(reader, &file).is_none_or(|printed| printed == content), "{:?}", reader);
            }
            prop_assert!(printed(&["xz", "-t"], &file).is_none_or(|printed| printed.is_empty()));
            if let Some(listed) = printed(&["xz", "--robot", "--list"], &file) {
                let listed = String::from_utf8(listed).unwrap();
                let totals = format!("file\t1\t{}\t{}\t{}\t", segments.len(), file.len(), content.len());
                prop_assert!(listed.contains(&totals), "{}", listed);
            }
        }
    }

    proptest! {
        #![proptest_config(testkit::cases::usually(64))]

        #[test]
        fn segments_are_the_blocks_of_one_stream(level in 0..=9_u8, segments in proptest::collection::vec(segment(), 0..6)) {
            let file = file(level, &segments);
            let (decoded, behind) = decoded(&file);
            prop_assert!(decoded == segments.concat());
            prop_assert!(behind.is_empty(), "bytes behind the stream");
        }

        #[test]
        fn numbers_are_read_as_they_were_written(number in (any::<u64>(), 0..64_u32).prop_map(|(number, by)| number >> by >> 1)) {
            let mut bytes = Vec::new();
            append_number(&mut bytes, number);
            let mut rest = &bytes[..];
            prop_assert_eq!(super::number(&mut rest), Some(number));
            prop_assert!(rest.is_empty());
        }
    }

    /// Another segment before it, or another encoder, makes no difference.
    #[test]
    fn a_block_depends_on_its_segment_alone() {
        let segments = [Noise(1).bytes(40_000), b"words ".repeat(90_000), Noise(2).bytes(10)];
        for level in [0, 3, 6, 9] {
            let mut encoder = Encoder::new(level);
            for segment in segments.iter().chain(segments.iter().rev()) {
                let mut out = Buffer::default();
                encoder.encode(segment, &mut out, &CancelToken::NEVER).unwrap();
                assert!(*out == *encoded(level, segment).0, "level {level}, {} bytes", segment.len());
            }
        }
    }

    /// A reader needs the size of the whole index before it, and the index of many blocks is long.
    #[test]
    fn an_index_may_be_long() {
        let segment = b"a few bytes".to_vec();
        let (block, unpadded) = encoded(0, &segment);
        let (mut file, mut index) = (HEADER.to_vec(), Index::default());
        let count = 40_000;
        for _ in 0..count {
            index.append(unpadded, segment.len() as u64);
            file.extend(&block);
        }
        let trailer = index.trailer();
        assert!(trailer.len() > 64 << 10, "{}", trailer.len());
        file.extend(trailer);
        assert!(decoded(&file) == (segment.repeat(count), &[][..]));
    }

    #[test]
    fn what_is_no_stream_of_one_block_is_not_cut() {
        let (mut stream, mut whole) = (Stream::new_easy_encoder(0, Check::Crc64).unwrap(), Vec::new());
        feed(&mut stream, b"some content", Action::Run, &mut whole).unwrap();
        feed(&mut stream, &[], Action::Finish, &mut whole).unwrap();
        assert!(Cut::of(&whole).is_some_and(|cut| cut.uncompressed == 12));
        for length in 0..whole.len() {
            assert!(Cut::of(&whole[..length]).is_none(), "{length} bytes");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            // The size of the block's header, the index but for its check, and the index's size in the footer.
            let (index, footer) = (whole.len() - 20, whole.len() - FOOTER);
            let matters = at == 12 || (index..index + 3).contains(&at) || (footer + 4..footer + 8).contains(&at);
            if let Some(cut) = Cut::of(&changed) {
                assert!(!matters, "byte {at}");
                cut.apply(&mut changed);
            }
        }
    }
}
