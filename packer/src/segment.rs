//! Segments: the archive cut into runs that are framed and encoded independently of each other.
//!
//! Where a cut falls is part of the image's bytes, and depends on the entries near it alone – never on thread count,
//! timing, memory, or on how the kernel splits a read:
//!
//! * a file of at least one segment size stands alone, in ranges of equal size;
//! * among smaller entries a cut falls before an entry that its path's hash picks, with a chance in proportion to the
//!   bytes that the entry takes, so that a change of one file moves only the cuts around it;
//! * no run is shorter than half a segment (unless a large file or the end follows) or longer than two.

use std::sync::Arc;

use crate::entry::Entry;
use crate::error::Result;
use crate::tar;

/// A run of the archive that one worker frames and encodes.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) parts: Vec<Part>,
    /// The framed bytes that are expected: for progress and for the size of buffers.
    pub(crate) length: u64,
}

/// A piece of a segment.
#[derive(Debug)]
pub(crate) enum Part {
    /// A whole member.
    Member(Entry),
    /// Some of a large file's content: with the header before it if it starts at 0, with the padding if it is the last.
    Range { file: Arc<Entry>, from: u64, to: u64 },
    /// The two zero blocks that end the archive.
    End,
}

/// Groups entries to segments of about `size` bytes.
#[derive(Debug)]
pub(crate) struct Segments<Entries> {
    entries: Entries,
    size: u64,
    /// An entry that did not go into the run before it.
    ahead: Option<Entry>,
    /// The large file that is being handed out in ranges: where the next one starts, and how many there are.
    large: Option<Large>,
    ended: bool,
}

#[derive(Debug)]
struct Large {
    file: Arc<Entry>,
    next: u64,
    ranges: u64,
}

impl<Entries: Iterator<Item = Result<Entry>>> Segments<Entries> {
    pub(crate) fn new(entries: Entries, size: u64) -> Self {
        Segments { entries, size, ahead: None, large: None, ended: false }
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
        while let Some(entry) = self.next_entry()? {
            let length = tar::framed_length(&entry);
            let content = tar::content(&entry);
            let large = content >= self.size;
            if !run.parts.is_empty() && (large || self.cuts_before(&entry, length, run.length)) {
                self.ahead = Some(entry);
                return Ok(Some(run));
            }
            if large {
                let ranges = (content + self.size / 2) / self.size;
                return Ok(Some(self.range(Large { file: Arc::new(entry), next: 0, ranges })));
            }
            run.length += length;
            run.parts.push(Part::Member(entry));
        }
        if self.ended {
            return Ok(None);
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

    fn cuts_before(&self, entry: &Entry, length: u64, run: u64) -> bool {
        let (floor, ceiling) = (self.size / 2, self.size * 2);
        if run + length > ceiling {
            return true;
        }
        // After the floor, a cut is expected within half a segment: chance = length / (size / 2).
        let chance = (u128::from(length) << 64) / u128::from(floor.max(1));
        run >= floor && u128::from(hash(&entry.path)) < chance
    }
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
