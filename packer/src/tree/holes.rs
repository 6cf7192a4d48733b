//! Holes: which bytes of a large file the archive need not hold.
//!
//! A hole is a long run of zeros, whether the filesystem has blocks for them or not. It depends on the content alone, so that the
//! same bytes make the same archive on any filesystem. The holes that the filesystem reports only save reading them.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::cancel::CancelToken;
use crate::error::Error;

/// Whether holes in files are left out of the archive. A hole is a run of at least 256 KiB of zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sparse {
    /// Holes are archived as zeros, which every reader understands.
    #[default]
    Never,
    /// A file that becomes at least 16 MiB smaller without its holes is archived in GNU tar's sparse format 1.0. To find the holes,
    /// files of at least 16 MiB are read once more, during the walk, whatever names they have.
    Auto,
}

/// The error for a text that names no [`Sparse`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither auto nor never")]
pub struct InvalidSparse(String);

impl FromStr for Sparse {
    type Err = InvalidSparse;

    fn from_str(name: &str) -> Result<Self, InvalidSparse> {
        match name {
            "never" => Ok(Sparse::Never),
            "auto" => Ok(Sparse::Auto),
            _ => Err(InvalidSparse(name.escape_debug().to_string())),
        }
    }
}

/// The bytes that leaving out a file's holes has to save. For less, no reader should need to know the format.
pub(crate) const WORTHWHILE: u64 = 16 << 20;

/// Zeros are searched in blocks of this many bytes: the usual size of a page and of a filesystem's block.
const BLOCK: u64 = 4 << 10;

/// Shorter runs of zeros are data: every codec makes almost nothing of them, and the archive's map stays below 40 bytes for each
/// such length of the file.
const SHORTEST: u64 = 256 << 10;

/// The bytes of one read.
const CHUNK: u64 = 1 << 20;

/// The ranges of a file that have data, in order. Everything between and behind them is a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extents {
    ranges: Vec<Range<u64>>,
    file_size: u64,
}

/// Why the holes of a file were not found.
#[derive(Debug)]
pub(crate) enum ScanError {
    Io(io::Error),
    Cancelled(Error),
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        ScanError::Io(error)
    }
}

impl Extents {
    /// Extents of a file of `file_size` bytes: ascending, not empty, and within the file.
    pub(crate) fn new(ranges: Vec<Range<u64>>, file_size: u64) -> Self {
        Extents { ranges, file_size }
    }

    /// Reads a file of `file_size` bytes for its extents; `None` if leaving out its holes is not [worthwhile](WORTHWHILE). `read` adds up
    /// the bytes that are read.
    pub(crate) fn scan(
        file: &File,
        file_size: u64,
        read: &AtomicU64,
        cancel: &CancelToken,
    ) -> Result<Option<Self>, ScanError> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let mut buffer = vec![0; CHUNK as usize];
        let mut at = 0;
        while let Some(allocated) = next_allocated(file, at, file_size)? {
            for start in (allocated.start..allocated.end).step_by(CHUNK as usize) {
                let chunk = &mut buffer[..(allocated.end - start).min(CHUNK) as usize];
                cancel.check().map_err(ScanError::Cancelled)?;
                file.read_exact_at(chunk, start)?;
                read.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                for (number, block) in chunk.chunks(BLOCK as usize).enumerate() {
                    if block.iter().any(|byte| *byte != 0) {
                        let from = start + number as u64 * BLOCK;
                        append(&mut ranges, from..from + block.len() as u64);
                    }
                }
            }
            at = allocated.end;
        }
        if let Some(last) = ranges.last_mut().filter(|last| file_size - last.end < SHORTEST) {
            last.end = file_size;
        }
        let extents = Extents::new(ranges, file_size);
        Ok((file_size - extents.data_size() >= WORTHWHILE).then_some(extents))
    }

    pub(crate) fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// The size of the file with its holes.
    pub(crate) fn file_size(&self) -> u64 {
        self.file_size
    }

    /// The size of the file without its holes.
    pub(crate) fn data_size(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }
}

/// Appends a block of data, together with the zeros before it if these are too few for a hole.
fn append(ranges: &mut Vec<Range<u64>>, block: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if block.start - last.end < SHORTEST => last.end = block.end,
        None if block.start < SHORTEST => ranges.push(0..block.end),
        _ => ranges.push(block),
    }
}

/// The next range at or behind `at` that the filesystem has blocks for, widened to whole [`BLOCK`]s.
pub(crate) fn next_allocated(file: &File, at: u64, size: u64) -> io::Result<Option<Range<u64>>> {
    if at >= size {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        // This filesystem does not report holes.
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
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A file of `size` bytes with data in these ranges, the rest written as zeros or left to the filesystem.
    fn file(directory: &str, size: u64, data: &[Range<u64>], allocated: bool) -> File {
        let file = tempfile::tempfile_in(directory).unwrap();
        if allocated {
            let zeros = vec![0; MIB as usize];
            for start in (0..size).step_by(MIB as usize) {
                file.write_all_at(&zeros[..(size - start).min(MIB) as usize], start).unwrap();
            }
        }
        file.set_len(size).unwrap();
        for range in data {
            file.write_all_at(&vec![7; (range.end - range.start) as usize], range.start).unwrap();
        }
        file
    }

    /// The extents of such a file, which are the same on a disk and in memory, with and without blocks for the zeros.
    fn scan(size: u64, data: &[Range<u64>]) -> Option<Vec<Range<u64>>> {
        let found = ["/dev/shm", env!("CARGO_MANIFEST_DIR")].iter().flat_map(|directory| {
            [false, true].map(|allocated| {
                let file = file(directory, size, data, allocated);
                Extents::scan(&file, size, &AtomicU64::new(0), &CancelToken::NEVER).unwrap()
            })
        });
        let found: Vec<_> = found.collect();
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{found:?}");
        let extents = found.into_iter().next().flatten()?;
        assert_eq!(extents.file_size(), size);
        Some(extents.ranges)
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "lists of ranges, some of which have one")]
    fn holes_are_long_runs_of_zeros_wherever_they_are() {
        let check = |size: u64, data: &[Range<u64>], expected: Option<&[Range<u64>]>| {
            assert_eq!(scan(size, data).as_deref(), expected, "{size} {data:?}");
        };
        check(16 * MIB - 1, &[], None);
        check(16 * MIB, &[], Some(&[]));
        check(16 * MIB + 1, &[], Some(&[]));
        check(20 * MIB, &[0..MIB], Some(&[0..MIB]));
        check(20 * MIB, &[19 * MIB..20 * MIB], Some(&[19 * MIB..20 * MIB]));
        check(20 * MIB, &[0..5 * MIB], None);
        check(20 * MIB, &[MIB + 5..MIB + 6], Some(&[MIB..MIB + 4096]));
        // Less than 256 KiB between two ranges is not a hole.
        check(20 * MIB, &[4096..8192, 266_239..266_240], Some(&[0..266_240]));
        check(20 * MIB, &[0..4096, 266_240..266_241], Some(&[0..4096, 266_240..270_336]));
        check(20 * MIB, &[0..1, 20 * MIB - 5000..20 * MIB - 4999], Some(&[0..4096, 20 * MIB - 8192..20 * MIB]));
        check(20 * MIB + 3, &[20 * MIB + 2..20 * MIB + 3], Some(&[20 * MIB..20 * MIB + 3]));
    }
}
