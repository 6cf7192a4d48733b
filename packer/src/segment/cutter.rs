//! The cutter: entries in, segments out.
//!
//! Where the cuts fall is part of the image's bytes. A cut depends on the entries near it, and roughly on how far from the start they
//! are – never on thread count, timing, memory, or how the kernel splits a read:
//!
//! * The segment size doubles once 16 segments of the new size have passed, up to the largest: a small tree has enough segments for all
//!   workers, and few bytes of a large one are in small segments.
//! * A file of at least one segment size stands alone, in ranges that begin at multiples of that size; the last two share the rest. So
//!   bytes that are appended change the end only.
//! * Among smaller entries a cut falls before an entry that the hash of its path selects, with a chance in proportion to the entry's
//!   bytes. So a change of one file moves only some cuts behind it: 5 on average, seldom 20.
//! * No run is longer than five quarters of a segment. None is shorter than three quarters, unless the next entry would make it too
//!   long or is a large file, or the archive ends.
//!
//! Narrow bounds make workers end at about the same time, and buffers about equally large. Runs of a half to two segments cost zstd:3
//! a third more memory and 2 % of time (2 GB tree).

use std::sync::Arc;

use crate::error::Result;
use crate::segment::sizes::Sizes;
use crate::segment::{ExtraMembers, Part, Segment};
use crate::tar;
use crate::tree::entry::Entry;

/// An iterator that groups entries into segments.
#[derive(Debug)]
pub(crate) struct Segments<Entries> {
    entries: Entries,
    sizes: Sizes,
    /// The bytes of the tree in the segments so far.
    passed: u64,
    /// The entry that ended the last run and begins the next one.
    pending: Option<Entry>,
    /// The large file that is being handed out in ranges.
    large: Option<LargeFile>,
    extras: ExtraMembers,
    ended: bool,
}

/// A large file, and which of its ranges is next.
#[derive(Debug)]
struct LargeFile {
    file: Arc<Entry>,
    /// The bytes of its headers and padding.
    framing: u64,
    content_size: u64,
    /// Where the next range begins.
    next: u64,
    /// The size of a range.
    size: u64,
}

impl<Entries: Iterator<Item = Result<Entry>>> Segments<Entries> {
    pub(crate) fn new(entries: Entries, sizes: Sizes) -> Self {
        let extras = ExtraMembers::default();
        Segments { entries, sizes, passed: 0, pending: None, large: None, extras, ended: false }
    }

    /// The same segments with these members around the tree.
    pub(crate) fn with_extra_members(self, extras: ExtraMembers) -> Self {
        Segments { extras, ..self }
    }

    /// The iterator that the entries come from.
    pub(crate) fn entries_mut(&mut self) -> &mut Entries {
        &mut self.entries
    }

    /// The same, to be looked at.
    pub(crate) fn entries(&self) -> &Entries {
        &self.entries
    }

    fn next_entry(&mut self) -> Result<Option<Entry>> {
        match self.pending.take() {
            Some(entry) => Ok(Some(entry)),
            None => self.entries.next().transpose(),
        }
    }

    fn next_segment(&mut self) -> Result<Option<Segment>> {
        if let Some(large) = self.large.take() {
            return Ok(Some(self.next_range(large)));
        }
        let mut run = Segment::default();
        // A segment of its own, so that the cuts between the entries are those of the tree alone.
        if let Some(framed) = self.extras.prefix.take() {
            run.append(framed);
            return Ok(Some(run));
        }
        let size = self.sizes.behind(self.passed);
        while let Some(entry) = self.next_entry()? {
            let length = tar::framed_length(&entry.member)?;
            let content_size = tar::content_size(&entry.member);
            let is_large = content_size >= size;
            if !run.parts.is_empty() && (is_large || cuts_before(&entry, length, run.length, size)) {
                self.pending = Some(entry);
                self.passed += run.length;
                return Ok(Some(run));
            }
            if is_large {
                self.passed += length;
                let (file, framing) = (Arc::new(entry), length - content_size);
                let large = LargeFile { file, framing, content_size, next: 0, size: self.sizes.behind(self.passed) };
                return Ok(Some(self.next_range(large)));
            }
            run.length += length;
            run.parts.push(Part::Member(entry));
        }
        Ok(self.end(run))
    }

    /// The segments behind the last entry: the last run, then the members behind the tree with the end of the archive.
    fn end(&mut self, mut run: Segment) -> Option<Segment> {
        if self.ended {
            return None;
        }
        if let Some(framed) = self.extras.suffix.take_if(|_| run.parts.is_empty()) {
            run.append(framed);
        } else if self.extras.suffix.is_some() {
            return Some(run);
        }
        self.ended = true;
        run.parts.push(Part::End);
        run.length += tar::END_OF_ARCHIVE_SIZE as u64;
        Some(run)
    }

    fn next_range(&mut self, large: LargeFile) -> Segment {
        let LargeFile { file, framing, content_size, next, size } = large;
        let content = next..range_end(next, content_size, size);
        if content.end < content_size {
            self.large = Some(LargeFile { file: Arc::clone(&file), next: content.end, ..large });
        }
        let length = content.end - content.start + if next == 0 { framing } else { 0 };
        Segment { parts: vec![Part::Range { file, content }], length }
    }
}

impl<Entries: Iterator<Item = Result<Entry>>> Iterator for Segments<Entries> {
    type Item = Result<Segment>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_segment().transpose()
    }
}

/// The most bytes of a run, and of a large file's range.
fn max_length(size: u64) -> u64 {
    size / 4 * 5
}

/// Where a range of a large file ends that begins at `start`.
fn range_end(start: u64, content_size: u64, size: u64) -> u64 {
    match content_size - start {
        rest if rest <= max_length(size) => content_size,
        rest if rest < 2 * size => start + rest / 2,
        _ => start + size,
    }
}

fn cuts_before(entry: &Entry, length: u64, run: u64, size: u64) -> bool {
    if run + length > max_length(size) {
        return true;
    }
    // Behind three quarters, a cut is expected within one quarter.
    let quarter = (size / 4).max(1);
    let chance = (u128::from(length) << 64) / u128::from(quarter);
    run >= 3 * quarter && u128::from(hash(&entry.member.path)) < chance
}

/// 64-bit FNV-1a with the finishing mix of MurmurHash3. The high bits of plain FNV depend little on the last letters.
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
    use crate::tree::directory::Directory;
    use crate::tree::entry::{Kind, Member};
    use crate::tree::stat::{Identity, Stat, Timestamp};
    use crate::tree::xattr::Xattrs;

    const SIZE: u64 = 64 << 10;

    /// `files` reach the first, the middle and the largest size.
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
        Segments::new(files.iter().map(|(path, size)| Ok(entry(path, *size))), SIZES).map(Result::unwrap).collect()
    }

    /// A file of no tree, as the walk would list it.
    fn entry(path: &str, size: u64) -> Entry {
        let identity = Identity { device: (0, 1), inode: 1, mount: Some(1), is_persistent: true };
        let modified = Timestamp { seconds: 0, nanoseconds: 0 };
        let stat = Stat {
            identity,
            mode: 0o100_644,
            links: 1,
            uid: 0,
            gid: 0,
            size,
            device: (0, 0),
            modified,
            changed: modified,
        };
        Entry { member: Member::file(path.as_bytes(), size), directory: Directory::top(identity), stat }
    }

    fn size_of(entry: &Entry) -> u64 {
        let Kind::File { size } = entry.member.kind else { panic!("not a file") };
        size
    }

    /// Each segment's size as it should be where it begins. The headers and the padding of large files count at once.
    fn sizes(segments: &[Segment]) -> Vec<u64> {
        let mut passed = 0;
        let mut size = |segment: &Segment| {
            let size = SIZES.behind(passed);
            passed += match &segment.parts[0] {
                Part::Range { file, content } if content.start == 0 => tar::framed_length(&file.member).unwrap(),
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
    fn a_header_that_readers_refuse_fails_the_walk_and_names_the_entry() {
        let with_xattr = |size: usize| {
            let mut entry = entry("d/name", 0);
            entry.member.xattrs = Xattrs::from_iter([(b"user.a".to_vec(), vec![b'x'; size])]);
            Segments::new([Ok(entry)].into_iter(), SIZES).collect::<Result<Vec<_>>>()
        };
        assert!(with_xattr((1 << 20) - 100).is_ok());
        let error = with_xattr(1 << 20).unwrap_err().to_string();
        assert!(error.starts_with("`d/name` needs an extended header of 10486"), "{error}");
    }

    /// A log of any size grows by anything: all of its ranges but the last two are those of before.
    #[test]
    fn what_is_appended_to_a_large_file_changes_its_end_only() {
        let bounds = |content_size: u64| {
            let end = |start: &u64| Some(range_end(*start, content_size, SIZE)).filter(|end| *end < content_size);
            std::iter::successors(Some(0), end).collect::<Vec<u64>>()
        };
        for content_size in (SIZE..20 * SIZE).step_by(SIZE as usize / 7 + 1) {
            let before = bounds(content_size);
            for more in [1, 511, SIZE / 3, SIZE, 5 * SIZE] {
                let after = bounds(content_size + more);
                let kept = before.len().saturating_sub(1);
                assert_eq!(before[..kept], after[..kept], "{content_size} + {more}");
            }
        }
    }

    /// Where a file grows, the cuts behind it soon fall where they fell, also across the places where segments grow.
    #[test]
    fn cuts_behind_a_change_become_those_of_before() {
        let path = |number: u64| format!("{number:04}");
        let files: BTreeMap<String, u64> =
            (0..6_000_u64).map(|number| (path(number), hash(&number.to_le_bytes()) % 3_000)).collect();
        let firsts = |files: &BTreeMap<String, u64>| -> BTreeSet<String> {
            cut(files).iter().map(|segment| describe(segment).swap_remove(0)).collect()
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

    /// The parts of a segment, as text.
    fn describe(segment: &Segment) -> Vec<String> {
        let part = |part: &Part| match part {
            Part::Member(entry) => String::from_utf8_lossy(&entry.member.path).into_owned(),
            Part::Range { file, content } => format!("{} {content:?}", String::from_utf8_lossy(&file.member.path)),
            Part::Framed(framed) => format!("{} framed", framed.count),
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
                        prop_assert_eq!((path.as_bytes(), *size), (&*entry.member.path, size_of(entry)));
                        prop_assert!(*size < SIZE);
                    }
                    Part::Range { file, content } => {
                        if open.is_none() {
                            let (path, size) = rest.next().unwrap();
                            prop_assert_eq!((path.as_bytes(), *size), (&*file.member.path, size_of(file)));
                        }
                        prop_assert_eq!(content.start, open.unwrap_or(0));
                        let length = content.end - content.start;
                        prop_assert!((SIZES.first / 2..=SIZE / 4 * 5).contains(&length));
                        open = Some(content.end).filter(|end| *end < size_of(file));
                    }
                    Part::Framed(_) => prop_assert!(false, "nothing was given"),
                    Part::End => ended = true,
                }
            }
            prop_assert!(ended && open.is_none() && rest.next().is_none());
            let length: u64 = segments.iter().map(|segment| segment.length).sum();
            let expected: u64 = files.iter()
                .map(|(path, size)| tar::framed_length(&Member::file(path.as_bytes(), *size)).unwrap().next_multiple_of(512))
                .sum();
            // The expected length of a large file's last range has no padding.
            prop_assert!(length <= expected + tar::END_OF_ARCHIVE_SIZE as u64 && length + 512 * files.len() as u64 >= expected);
        }

        #[test]
        fn runs_and_ranges_are_of_their_size(files in files()) {
            let segments = cut(&files);
            for (segment, size) in segments.iter().zip(sizes(&segments)) {
                prop_assert!(segment.length <= size / 4 * 5 + 2_048, "{} of {size}", segment.length);
                if let Part::Range { content, .. } = &segment.parts[0] {
                    let length = content.end - content.start;
                    prop_assert!(length >= size / 2, "a range of {length} of {size}");
                }
            }
        }

        #[test]
        fn a_short_run_has_a_reason(files in files()) {
            let segments = cut(&files);
            for ((run, next), size) in segments.iter().zip(&segments[1..]).zip(sizes(&segments)) {
                match (&run.parts[0], &next.parts[0]) {
                    (Part::Member(_), Part::Member(entry)) => {
                        let together = run.length + tar::framed_length(&entry.member).unwrap();
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
            let [one, other] = [&one, &other].map(|segments| segments.iter().map(describe).collect::<Vec<_>>());
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
