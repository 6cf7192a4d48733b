//! Segments: the archive cut into runs that are framed and encoded independently of each other.
//!
//! Where a cut falls is part of the image's bytes, and depends on the entries near it and roughly on how far from the start they
//! are – never on thread count, timing, memory, or on how the kernel splits a read:
//!
//! * the size of a segment doubles when sixteen of the new size have passed, up to the largest: a small tree has enough of
//!   them for all workers, and of a large one few bytes are in small segments;
//! * a file of at least one segment size stands alone, in ranges of equal size;
//! * among smaller entries a cut falls before an entry that its path's hash picks, with a chance in proportion to the
//!   bytes that the entry takes, so that a change of one file moves only some cuts behind it: 5 on average, seldom 20;
//! * no run is longer than five quarters of a segment, and none is shorter than three quarters, unless what follows would make
//!   it too long, or is a large file or the end.
//!
//! Narrow bounds make workers end at about the same time and buffers about as large as each other. With runs of a half to two
//! segments, zstd:3 needed 55 to 57 MB of memory for a tree of 2 GB instead of 41 to 42, and was 2 % slower.

use std::sync::Arc;

use crate::error::Result;
use crate::tar;
use crate::tree::entry::Entry;

/// Where sizes still grow: how many segments' worth of bytes comes before the first segment of a size.
const SEGMENTS_BEFORE: u64 = 16;

/// A run of the archive that one worker frames and encodes.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) parts: Vec<Part>,
    /// The framed bytes that are expected: for progress and for the size of buffers.
    pub(crate) length: u64,
}

impl Segment {
    fn append(&mut self, framed: Framed) {
        self.length += framed.bytes.len() as u64;
        self.parts.push(Part::Framed(framed));
    }

    /// How many members begin in it.
    pub(crate) fn members(&self) -> u64 {
        let members = |part: &Part| match part {
            Part::Member(_) | Part::Range { from: 0, .. } => 1,
            Part::Framed(framed) => framed.members,
            Part::Range { .. } | Part::End => 0,
        };
        self.parts.iter().map(members).sum()
    }
}

/// A piece of a segment.
#[derive(Debug)]
pub(crate) enum Part {
    /// A whole member.
    Member(Entry),
    /// Some of a large file's content: with the header before it if it starts at 0, with the padding if it is the last.
    Range { file: Arc<Entry>, from: u64, to: u64 },
    /// Members that are framed already.
    Framed(Framed),
    /// The two zero blocks that end the archive.
    End,
}

/// Members that stand in no tree, as the bytes of the archive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Framed {
    pub(crate) bytes: Arc<[u8]>,
    /// How many they are.
    pub(crate) members: u64,
}

/// What an archive holds beside the tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    /// Before it.
    pub(crate) before: Option<Framed>,
    /// Behind it.
    pub(crate) after: Option<Framed>,
}

impl Extras {
    /// How many members they are.
    pub(crate) fn members(&self) -> u64 {
        [&self.before, &self.after].into_iter().flatten().map(|framed| framed.members).sum()
    }

    /// The bytes that they take.
    pub(crate) fn length(&self) -> u64 {
        [&self.before, &self.after].into_iter().flatten().map(|framed| framed.bytes.len() as u64).sum()
    }
}

/// The framed sizes that segments have on average, in bytes: powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// At the start of the archive.
    pub(crate) first: u64,
    /// Of which none is larger.
    pub(crate) largest: u64,
}

impl Sizes {
    /// The size where so many bytes of the archive come before.
    fn behind(self, bytes: u64) -> u64 {
        let share = bytes / SEGMENTS_BEFORE;
        let power = share.checked_ilog2().map_or(0, |exponent| 1 << exponent);
        power.clamp(self.first, self.largest)
    }
}

/// Groups entries to segments.
#[derive(Debug)]
pub(crate) struct Segments<Entries> {
    entries: Entries,
    sizes: Sizes,
    /// The bytes of the tree in the segments so far.
    passed: u64,
    /// An entry that did not go into the run before it.
    ahead: Option<Entry>,
    /// The large file that is being handed out in ranges: where the next one starts, and how many there are.
    large: Option<Large>,
    extras: Extras,
    ended: bool,
}

#[derive(Debug)]
struct Large {
    file: Arc<Entry>,
    next: u64,
    ranges: u64,
}

impl<Entries: Iterator<Item = Result<Entry>>> Segments<Entries> {
    pub(crate) fn new(entries: Entries, sizes: Sizes) -> Self {
        Segments { entries, sizes, passed: 0, ahead: None, large: None, extras: Extras::default(), ended: false }
    }

    /// The same with members around them that stand in no tree.
    pub(crate) fn with(self, extras: Extras) -> Self {
        Segments { extras, ..self }
    }

    /// What the entries come from; for what it counted once all are out.
    pub(crate) fn entries(&self) -> &Entries {
        &self.entries
    }

    fn next_entry(&mut self) -> Result<Option<Entry>> {
        match self.ahead.take() {
            Some(entry) => Ok(Some(entry)),
            None => self.entries.next().transpose(),
        }
    }

    fn next_segment(&mut self) -> Result<Option<Segment>> {
        if let Some(large) = self.large.take() {
            return Ok(Some(self.range(large)));
        }
        let mut run = Segment { parts: Vec::new(), length: 0 };
        // A segment of its own, so that the cuts between the entries are those of the tree alone.
        if let Some(framed) = self.extras.before.take() {
            run.append(framed);
            return Ok(Some(run));
        }
        let size = self.sizes.behind(self.passed);
        while let Some(entry) = self.next_entry()? {
            let length = tar::framed_length(&entry);
            let content = tar::content(&entry);
            let large = content >= size;
            if !run.parts.is_empty() && (large || cuts_before(&entry, length, run.length, size)) {
                self.ahead = Some(entry);
                self.passed += run.length;
                return Ok(Some(run));
            }
            if large {
                self.passed += length;
                let ranges = content.div_ceil(ceiling(self.sizes.behind(self.passed)));
                return Ok(Some(self.range(Large { file: Arc::new(entry), next: 0, ranges })));
            }
            run.length += length;
            run.parts.push(Part::Member(entry));
        }
        if self.ended {
            return Ok(None);
        }
        if let Some(framed) = self.extras.after.take_if(|_| run.parts.is_empty()) {
            run.append(framed);
        } else if self.extras.after.is_some() {
            return Ok(Some(run));
        }
        self.ended = true;
        run.parts.push(Part::End);
        run.length += tar::END as u64;
        Ok(Some(run))
    }

    fn range(&mut self, large: Large) -> Segment {
        let Large { file, next, ranges } = large;
        let content = tar::content(&file);
        let bound = |index: u64| (u128::from(content) * u128::from(index) / u128::from(ranges)) as u64;
        let (from, to) = (bound(next), bound(next + 1));
        let framing = if next == 0 { tar::framed_length(&file) - content } else { 0 };
        let part = Part::Range { file: Arc::clone(&file), from, to };
        if next + 1 < ranges {
            self.large = Some(Large { file, next: next + 1, ranges });
        }
        Segment { parts: vec![part], length: to - from + framing }
    }
}

/// The most bytes of a run, and of a large file's range.
fn ceiling(size: u64) -> u64 {
    size / 4 * 5
}

fn cuts_before(entry: &Entry, length: u64, run: u64, size: u64) -> bool {
    if run + length > ceiling(size) {
        return true;
    }
    // After the floor, a cut is expected within a quarter of a segment.
    let quarter = (size / 4).max(1);
    let chance = (u128::from(length) << 64) / u128::from(quarter);
    run >= 3 * quarter && u128::from(hash(&entry.path)) < chance
}

impl<Entries: Iterator<Item = Result<Entry>>> Iterator for Segments<Entries> {
    type Item = Result<Segment>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_segment().transpose()
    }
}

/// 64-bit FNV-1a with a finishing mix (MurmurHash3's): the high bits of plain FNV depend little on the last letters.
fn hash(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    const SIZE: u64 = 64 << 10;

    /// So that the first, the one between and the last are all met by `files`.
    const SIZES: Sizes = Sizes { first: SIZE / 4, largest: SIZE };

    /// Files by path, of every size around a segment's.
    fn files() -> impl Strategy<Value = BTreeMap<String, u64>> {
        let size = prop_oneof![
            8 => 0..3_000_u64,
            4 => 0..SIZE,
            2 => SIZE - 3_000..SIZE + 3_000,
            1 => SIZE..9 * SIZE,
            1 => 100 * SIZE..101 * SIZE,
        ];
        proptest::collection::btree_map("[a-z]{1,12}(/[a-z]{1,150})?", size, 0..120)
    }

    fn cut(files: &BTreeMap<String, u64>) -> Vec<Segment> {
        let entries = files.iter().map(|(path, size)| Ok(Entry::made_up(path.as_bytes(), *size)));
        Segments::new(entries, SIZES).map(Result::unwrap).collect()
    }

    /// Each segment's size as it should be where it begins. The headers and the padding of large files count at once.
    fn sizes(segments: &[Segment]) -> Vec<u64> {
        let mut passed = 0;
        let mut size = |segment: &Segment| {
            let size = SIZES.behind(passed);
            passed += match &segment.parts[0] {
                Part::Range { file, from: 0, .. } => tar::framed_length(file),
                Part::Range { .. } => 0,
                Part::Member(_) | Part::Framed(_) | Part::End => segment.length,
            };
            match &segment.parts[0] {
                Part::Range { .. } => SIZES.behind(passed),
                Part::Member(_) | Part::Framed(_) | Part::End => size,
            }
        };
        segments.iter().map(&mut size).collect()
    }

    #[test]
    fn sizes_double_when_sixteen_of_the_new_one_have_passed() {
        let sizes = Sizes { first: 4, largest: 16 };
        for (passed, size) in [(0, 4), (127, 4), (128, 8), (255, 8), (256, 16), (511, 16), (512, 16), (u64::MAX, 16)] {
            assert_eq!(sizes.behind(passed), size, "behind {passed}");
        }
        assert_eq!(Sizes { first: 1, largest: 1 }.behind(0), 1);
    }

    /// Where a file grows, the cuts behind it soon fall where they fell, also across the places where segments grow.
    #[test]
    fn cuts_behind_a_change_become_those_of_before() {
        let path = |number: u64| format!("{number:04}");
        let files: BTreeMap<String, u64> =
            (0..6_000_u64).map(|number| (path(number), hash(&number.to_le_bytes()) % 3_000)).collect();
        let firsts = |files: &BTreeMap<String, u64>| -> BTreeSet<String> {
            cut(files).iter().map(|segment| told(segment).swap_remove(0)).collect()
        };
        let usual = firsts(&files);
        let moved = |number: u64| {
            let mut changed = files.clone();
            *changed.get_mut(&path(number)).unwrap() += 10_000;
            usual.symmetric_difference(&firsts(&changed)).count()
        };
        let moved: Vec<usize> = (0..6_000).step_by(53).map(moved).collect();
        let (sum, most) = (moved.iter().sum::<usize>(), moved.iter().max().unwrap());
        assert!(sum <= 6 * moved.len() && *most <= 50, "{sum} by {} changes, {most} by one", moved.len());
    }

    /// What a segment holds, as text.
    fn told(segment: &Segment) -> Vec<String> {
        let part = |part: &Part| match part {
            Part::Member(entry) => String::from_utf8_lossy(&entry.path).into_owned(),
            Part::Range { file, from, to } => format!("{} {from}-{to}", String::from_utf8_lossy(&file.path)),
            Part::Framed(framed) => format!("{} framed", framed.members),
            Part::End => "end".to_owned(),
        };
        segment.parts.iter().map(part).collect()
    }

    proptest! {
        #![proptest_config(testkit::cases::usually(192))]

        #[test]
        fn every_byte_comes_once_and_in_order(files in files()) {
            let segments = cut(&files);
            let mut rest = files.iter();
            let (mut open, mut ended) = (None, false);
            for part in segments.iter().flat_map(|segment| &segment.parts) {
                prop_assert!(!ended, "something behind the end");
                match part {
                    Part::Member(entry) => {
                        prop_assert_eq!(open, None);
                        let (path, size) = rest.next().unwrap();
                        prop_assert_eq!((path.as_bytes(), *size), (&*entry.path, entry.stat.size));
                        prop_assert!(*size < SIZE);
                    }
                    Part::Range { file, from, to } => {
                        if open.is_none() {
                            let (path, size) = rest.next().unwrap();
                            prop_assert_eq!((path.as_bytes(), *size), (&*file.path, file.stat.size));
                        }
                        prop_assert_eq!(*from, open.unwrap_or(0));
                        prop_assert!(to - from >= SIZES.first / 2 && to - from <= SIZE / 4 * 5);
                        open = Some(*to).filter(|to| *to < file.stat.size);
                    }
                    Part::Framed(_) => prop_assert!(false, "nothing was given"),
                    Part::End => ended = true,
                }
            }
            prop_assert!(ended && open.is_none() && rest.next().is_none());
            let length: u64 = segments.iter().map(|segment| segment.length).sum();
            let expected: u64 = files.iter()
                .map(|(path, size)| tar::framed_length(&Entry::made_up(path.as_bytes(), *size)).next_multiple_of(512))
                .sum();
            // The padding of a large file's last range is not foretold.
            prop_assert!(length <= expected + tar::END as u64 && length + 512 * files.len() as u64 >= expected);
        }

        #[test]
        fn runs_and_ranges_are_of_their_size(files in files()) {
            let segments = cut(&files);
            for (segment, size) in segments.iter().zip(sizes(&segments)) {
                prop_assert!(segment.length <= size / 4 * 5 + 2_048, "{} of {size}", segment.length);
                if let Part::Range { from, to, .. } = &segment.parts[0] {
                    prop_assert!(to - from >= size / 2, "a range of {} of {size}", to - from);
                }
            }
        }

        #[test]
        fn a_short_run_has_a_reason(files in files()) {
            let segments = cut(&files);
            for ((run, next), size) in segments.iter().zip(&segments[1..]).zip(sizes(&segments)) {
                match (&run.parts[0], &next.parts[0]) {
                    (Part::Member(_), Part::Member(entry)) => {
                        let together = run.length + tar::framed_length(entry);
                        prop_assert!(run.length >= size / 4 * 3 || together > size / 4 * 5, "{} of {size}", run.length);
                    }
                    (_, Part::Range { .. } | Part::End) | (Part::Range { .. }, _) => {}
                    (Part::Framed(_) | Part::End, _) | (_, Part::Framed(_)) => prop_assert!(false, "in the middle"),
                }
            }
        }

        #[test]
        fn what_stands_before_a_change_is_cut_as_it_was(files in files(), which: prop::sample::Index, size in 0..SIZE) {
            prop_assume!(!files.is_empty());
            let mut changed = files.clone();
            *changed.values_mut().nth(which.index(files.len())).unwrap() = size;
            let (one, other) = (cut(&files), cut(&changed));
            let [one, other] = [&one, &other].map(|segments| segments.iter().map(told).collect::<Vec<_>>());
            // The run that it is in may end elsewhere, and so may the one before.
            let path = changed.keys().nth(which.index(files.len())).unwrap();
            let before = |segments: &[Vec<String>]| {
                let holds = |part: &String| part.split(' ').next() == Some(path);
                segments.iter().position(|segment| segment.iter().any(holds)).unwrap()
            };
            let until = before(&one).min(before(&other)).saturating_sub(1);
            prop_assert_eq!(&one[..until], &other[..until]);
        }
    }
}
