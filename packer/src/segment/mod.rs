//! Stage 3: segments, the runs of the archive that are framed and encoded independently of each other.

pub(crate) mod batches;
pub(crate) mod cutter;
pub(crate) mod sizes;

use std::ops::Range;
use std::sync::Arc;

use crate::tree::entry::Entry;

/// A run of the archive that is framed and encoded on its own.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    pub(crate) parts: Vec<Part>,
    /// The expected size of the framed bytes: for progress and for the size of buffers.
    pub(crate) length: u64,
}

/// A part of a segment.
#[derive(Debug)]
pub(crate) enum Part {
    /// A whole member.
    Member(Entry),
    /// A range of a large file's content: with the headers before it if it is the first, with the padding behind it if it is the last.
    Range { file: Arc<Entry>, content: Range<u64> },
    /// Members that are framed already.
    Framed(FramedMembers),
    /// The two blocks of zeros that end the archive.
    End,
}

/// Members of no tree, framed.
#[derive(Clone, Debug, Default)]
pub(crate) struct FramedMembers {
    pub(crate) bytes: Arc<[u8]>,
    /// How many members they are.
    pub(crate) count: u64,
}

/// The members that stand around the tree in the archive.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExtraMembers {
    /// Before the tree.
    pub(crate) prefix: Option<FramedMembers>,
    /// Behind the tree.
    pub(crate) suffix: Option<FramedMembers>,
}

impl Segment {
    fn append(&mut self, framed: FramedMembers) {
        self.length += framed.bytes.len() as u64;
        self.parts.push(Part::Framed(framed));
    }

    /// How many members begin in the segment.
    pub(crate) fn members(&self) -> u64 {
        let members = |part: &Part| match part {
            Part::Member(_) => 1,
            Part::Range { content, .. } => u64::from(content.start == 0),
            Part::Framed(framed) => framed.count,
            Part::End => 0,
        };
        self.parts.iter().map(members).sum()
    }
}

impl ExtraMembers {
    /// The members before the tree, then those behind it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &FramedMembers> {
        [&self.prefix, &self.suffix].into_iter().flatten()
    }

    /// How many they are.
    pub(crate) fn count(&self) -> u64 {
        self.iter().map(|framed| framed.count).sum()
    }

    /// The size of all of them, in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.iter().map(|framed| framed.bytes.len() as u64).sum()
    }
}
