//! Files with holes: which of their bytes an archive need not hold.
//!
//! What counts as a hole depends on the content alone – long runs of zeros, whether the filesystem has blocks for them or not –
//! so that the same bytes make the same archive on any filesystem. What the filesystem says of its own holes only saves
//! reading them.
//!
//! The archive's form is that of GNU tar's sparse format 1.0: a map in decimal numbers, then the data without the holes.

use std::fmt::Write;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::str::FromStr;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::cancel::CancelToken;
use crate::error::Error;

/// Whether holes are left out of the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sparse {
    /// They are packed as the zeros that they are; any reader understands that.
    #[default]
    Never,
    /// Files that become at least 16 MiB smaller by it are packed without their holes. Files of that size are read twice.
    Auto,
}

impl FromStr for Sparse {
    type Err = InvalidSparse;

    fn from_str(name: &str) -> std::result::Result<Self, InvalidSparse> {
        match name {
            "never" => Ok(Sparse::Never),
            "auto" => Ok(Sparse::Auto),
            _ => Err(InvalidSparse(name.escape_debug().to_string())),
        }
    }
}

/// A text that names no value of [`Sparse`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither auto nor never")]
pub struct InvalidSparse(String);

/// What leaving out holes has to save, in bytes: for less, no reader should need to know the format.
pub(crate) const WORTHWHILE: u64 = 16 << 20;

/// Zeros are looked for in blocks of this many bytes: the usual size of a page and of a filesystem's block.
const BLOCK: u64 = 4 << 10;

/// Fewer zeros in a row than this are data. Every codec makes almost nothing of them, and the map stays small: at most
/// about 40 bytes for each of these in the file.
const SHORTEST: u64 = 256 << 10;

/// How much is read at once.
const CHUNK: u64 = 1 << 20;

/// Where a file has data, and how the archive holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Map {
    extents: Vec<Range<u64>>,
    /// The map as it stands before the data, filled up to whole blocks of the archive.
    text: Vec<u8>,
}

/// Why a file has no map.
#[derive(Debug)]
pub(crate) enum Unmapped {
    Io(io::Error),
    Cancelled(Error),
}

impl From<io::Error> for Unmapped {
    fn from(error: io::Error) -> Self {
        Unmapped::Io(error)
    }
}

/// A part of what the archive holds of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Bytes of the map.
    Map(&'a [u8]),
    /// Bytes of the file.
    Data(Range<u64>),
}

impl Map {
    /// The map of a file of `size` bytes, if leaving out its holes is worth while.
    pub(crate) fn of(file: &File, size: u64, cancel: &CancelToken) -> Result<Option<Self>, Unmapped> {
        let mut extents: Vec<Range<u64>> = Vec::new();
        let mut buffer = vec![0; CHUNK as usize];
        let mut at = 0;
        while let Some(region) = next_data(file, at, size)? {
            for start in (region.start..region.end).step_by(CHUNK as usize) {
                let chunk = &mut buffer[..(region.end - start).min(CHUNK) as usize];
                cancel.check().map_err(Unmapped::Cancelled)?;
                file.read_exact_at(chunk, start)?;
                for (number, block) in chunk.chunks(BLOCK as usize).enumerate() {
                    if block.iter().any(|byte| *byte != 0) {
                        let from = start + number as u64 * BLOCK;
                        extend(&mut extents, from..from + block.len() as u64);
                    }
                }
            }
            at = region.end;
        }
        if let Some(last) = extents.last_mut().filter(|last| size - last.end < SHORTEST) {
            last.end = size;
        }
        let data: u64 = extents.iter().map(|extent| extent.end - extent.start).sum();
        Ok((size - data >= WORTHWHILE).then(|| Map::new(extents, size)))
    }

    fn new(extents: Vec<Range<u64>>, size: u64) -> Self {
        // A hole at the end is told by an empty extent behind it.
        let ends_in_hole = extents.last().is_none_or(|last| last.end < size);
        let end = ends_in_hole.then_some(size..size);
        let told = || extents.iter().cloned().chain(end.clone());
        let mut text = format!("{}\n", told().count());
        for extent in told() {
            let _ = write!(text, "{}\n{}\n", extent.start, extent.end - extent.start);
        }
        let mut text = text.into_bytes();
        text.resize(text.len().next_multiple_of(crate::tar::BLOCK), 0);
        Map { extents, text }
    }

    /// How many bytes the archive holds: the map and the data.
    pub(crate) fn stored(&self) -> u64 {
        self.text.len() as u64 + self.extents.iter().map(|extent| extent.end - extent.start).sum::<u64>()
    }

    /// What the bytes `wanted` of those are.
    pub(crate) fn pieces(&self, wanted: Range<u64>) -> Vec<Piece<'_>> {
        let text = self.text.len() as u64;
        let mut pieces = Vec::new();
        if wanted.start < text {
            pieces.push(Piece::Map(&self.text[wanted.start as usize..wanted.end.min(text) as usize]));
        }
        let mut position = text;
        for extent in &self.extents {
            let end = position + (extent.end - extent.start);
            let (from, to) = (wanted.start.max(position), wanted.end.min(end));
            if from < to {
                pieces.push(Piece::Data(extent.start + (from - position)..extent.start + (to - position)));
            }
            position = end;
        }
        pieces
    }
}

/// Adds a block of data behind the others; with what is between them, if that is too short for a hole.
fn extend(extents: &mut Vec<Range<u64>>, block: Range<u64>) {
    match extents.last_mut() {
        Some(last) if block.start - last.end < SHORTEST => last.end = block.end,
        None if block.start < SHORTEST => extents.push(0..block.end),
        _ => extents.push(block),
    }
}

/// The next stretch at or behind `at` that the filesystem has blocks for, widened to whole [`BLOCK`]s.
fn next_data(file: &File, at: u64, size: u64) -> io::Result<Option<Range<u64>>> {
    if at >= size {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        // A filesystem that cannot tell.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some(at..size)),
        Err(error) => return Err(error.into()),
    };
    let end = match rustix::fs::seek(file, SeekFrom::Hole(start)) {
        Ok(end) => end,
        Err(Errno::NXIO) => size,
        Err(error) => return Err(error.into()),
    };
    let start = (start - start % BLOCK).max(at).min(size);
    Ok(Some(start..end.next_multiple_of(BLOCK).clamp(start, size)).filter(|region| !region.is_empty()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// A file of `size` bytes with these stretches of data, the rest written as zeros or left to the filesystem.
    fn file(directory: &str, size: u64, data: &[Range<u64>], allocated: bool) -> File {
        let file = tempfile::tempfile_in(directory).unwrap();
        if allocated {
            let zeros = vec![0; MIB as usize];
            for start in (0..size).step_by(MIB as usize) {
                file.write_all_at(&zeros[..(size - start).min(MIB) as usize], start).unwrap();
            }
        }
        file.set_len(size).unwrap();
        for stretch in data {
            file.write_all_at(&vec![7; (stretch.end - stretch.start) as usize], stretch.start).unwrap();
        }
        file
    }

    fn map(size: u64, data: &[Range<u64>]) -> Option<String> {
        // A disk and memory, with and without blocks for the zeros: always the same.
        let maps = ["/dev/shm", env!("CARGO_MANIFEST_DIR")].iter().flat_map(|directory| {
            [false, true]
                .map(|allocated| Map::of(&file(directory, size, data, allocated), size, &CancelToken::NEVER).unwrap())
        });
        let maps: Vec<_> = maps.collect();
        assert!(maps.windows(2).all(|pair| pair[0] == pair[1]), "{maps:?}");
        let text = String::from_utf8(maps[0].clone()?.text).unwrap();
        assert_eq!(text.len() % 512, 0);
        Some(text.trim_end_matches('\0').trim_end().replace('\n', " "))
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "lists of stretches, some of which have one")]
    fn holes_are_long_runs_of_zeros_wherever_they_are() {
        let check = |size: u64, data: &[Range<u64>], expected: Option<&str>| {
            assert_eq!(map(size, data).as_deref(), expected, "{size} {data:?}");
        };
        check(16 * MIB - 1, &[], None);
        check(16 * MIB, &[], Some("1 16777216 0"));
        check(16 * MIB + 1, &[], Some("1 16777217 0"));
        check(20 * MIB, &[0..MIB], Some("2 0 1048576 20971520 0"));
        check(20 * MIB, &[19 * MIB..20 * MIB], Some("1 19922944 1048576"));
        check(20 * MIB, &[0..5 * MIB], None);
        check(20 * MIB, &[MIB + 5..MIB + 6], Some("2 1048576 4096 20971520 0"));
        // Less than 256 KiB between two stretches is not a hole.
        check(20 * MIB, &[4096..8192, 266_239..266_240], Some("2 0 266240 20971520 0"));
        check(20 * MIB, &[0..4096, 266_240..266_241], Some("3 0 4096 266240 4096 20971520 0"));
        check(20 * MIB, &[0..1, 20 * MIB - 5000..20 * MIB - 4999], Some("2 0 4096 20963328 8192"));
        check(20 * MIB + 3, &[20 * MIB + 2..20 * MIB + 3], Some("1 20971520 3"));
    }

    proptest! {
        #![proptest_config(testkit::cases::usually(64))]
        #[test]
        fn pieces_put_together_are_the_whole(
            lengths in proptest::collection::vec((1..5_000_u64, 1..5_000_u64), 0..8), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let (mut extents, mut at) = (Vec::new(), 0);
            for (hole, data) in lengths {
                extents.push(at + hole..at + hole + data);
                at += hole + data;
            }
            let map = Map::new(extents.clone(), at + 1);
            let mut bounds: Vec<u64> = cuts.iter().map(|cut| cut.index(map.stored() as usize + 1) as u64).collect();
            bounds.extend([0, map.stored()]);
            bounds.sort_unstable();
            let (mut text, mut data) = (Vec::new(), Vec::new());
            for pair in bounds.windows(2) {
                for piece in map.pieces(pair[0]..pair[1]) {
                    match piece {
                        Piece::Map(bytes) => { prop_assert!(data.is_empty()); text.extend_from_slice(bytes); }
                        Piece::Data(range) => data.extend(range),
                    }
                }
            }
            prop_assert_eq!(&text, &map.text);
            prop_assert_eq!(data, extents.into_iter().flatten().collect::<Vec<u64>>());
        }
    }
}
