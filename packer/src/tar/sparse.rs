//! GNU tar's sparse format 1.0: a map in decimal numbers, then the data without the holes.
//!
//! The map is the number of extents, then offset and length of each, every number on a line of its own, filled up with NULs to whole
//! blocks. Source: the [GNU tar manual][manual], "PAX Format, Version 1.0".
//!
//! [manual]: https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html

use std::fmt::Write;
use std::ops::Range;

use crate::tar::ustar::BLOCK_SIZE;
use crate::tree::holes::Extents;

/// A piece of the content that the archive has of a sparse file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes of the map.
    Map(Vec<u8>),
    /// A range of the file.
    Data(Range<u64>),
}

/// The size of the content in the archive, in bytes: the map and the data.
pub(super) fn content_size(extents: &Extents) -> u64 {
    map_size(extents) + extents.data_size()
}

/// The pieces that a range of the content consists of.
pub(crate) fn pieces(extents: &Extents, content: Range<u64>) -> Vec<Piece> {
    let map_size = map_size(extents);
    let mut pieces = Vec::new();
    if content.start < map_size {
        let part = content.start as usize..content.end.min(map_size) as usize;
        pieces.push(Piece::Map(map(extents)[part].to_vec()));
    }
    let mut position = map_size;
    for range in extents.ranges() {
        let end = position + (range.end - range.start);
        let (from, to) = (content.start.max(position), content.end.min(end));
        if from < to {
            pieces.push(Piece::Data(range.start + (from - position)..range.start + (to - position)));
        }
        position = end;
    }
    pieces
}

/// Offset and length of each extent in the map. A hole at the end of the file shows as an empty extent behind it.
fn records(extents: &Extents) -> impl Iterator<Item = (u64, u64)> {
    let size = extents.file_size();
    let ends_in_hole = extents.ranges().last().is_none_or(|last| last.end < size);
    let ranges = extents.ranges().iter().map(|range| (range.start, range.end - range.start));
    ranges.chain(ends_in_hole.then_some((size, 0)))
}

fn map(extents: &Extents) -> Vec<u8> {
    let mut text = format!("{}\n", records(extents).count());
    for (offset, length) in records(extents) {
        let _ = write!(text, "{offset}\n{length}\n");
    }
    let mut map = text.into_bytes();
    map.resize(map.len().next_multiple_of(BLOCK_SIZE), 0);
    map
}

/// The length of the [map](map), without writing it.
fn map_size(extents: &Extents) -> u64 {
    let line = |number: u64| u64::from(number.checked_ilog10().unwrap_or(0)) + 2;
    let lines: u64 = records(extents).map(|(offset, length)| line(offset) + line(length)).sum();
    (line(records(extents).count() as u64) + lines).next_multiple_of(BLOCK_SIZE as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "lists of ranges, some of which have one")]
    fn the_map_has_every_extent_and_the_end() {
        for (ranges, file_size, expected) in [
            (vec![], 20, "1 20 0"),
            (vec![0..20], 20, "1 0 20"),
            (vec![0..5], 20, "2 0 5 20 0"),
            (vec![3..4, 10..20], 20, "2 3 1 10 10"),
            (vec![3..4, 10..19], 20_971_520, "3 3 1 10 9 20971520 0"),
        ] {
            let map = map(&Extents::new(ranges, file_size));
            assert_eq!(map.len(), BLOCK_SIZE);
            let text = String::from_utf8(map).unwrap();
            assert_eq!(text.trim_end_matches('\0').trim_end().replace('\n', " "), expected);
        }
    }

    proptest! {
        #![proptest_config(testkit::cases::usually(64))]
        #[test]
        fn pieces_put_together_are_the_whole(
            lengths in proptest::collection::vec((1..5_000_u64, 1..5_000_u64), 0..90),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let (mut ranges, mut at) = (Vec::new(), 0);
            for (hole, data) in lengths {
                ranges.push(at + hole..at + hole + data);
                at += hole + data;
            }
            let extents = Extents::new(ranges.clone(), at + 1);
            let size = content_size(&extents);
            let mut bounds: Vec<u64> = cuts.iter().map(|cut| cut.index(size as usize + 1) as u64).collect();
            bounds.extend([0, size]);
            bounds.sort_unstable();
            let (mut text, mut data) = (Vec::new(), Vec::new());
            for pair in bounds.windows(2) {
                for piece in pieces(&extents, pair[0]..pair[1]) {
                    match piece {
                        Piece::Map(bytes) => { prop_assert!(data.is_empty()); text.extend_from_slice(&bytes); }
                        Piece::Data(range) => data.extend(range),
                    }
                }
            }
            prop_assert_eq!(&text, &map(&extents));
            prop_assert_eq!(data, ranges.into_iter().flatten().collect::<Vec<u64>>());
        }
    }
}
