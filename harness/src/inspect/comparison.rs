//! An image compared with its tree, member by member, while it is read: nothing of the image is kept.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::archive::Archive;
use super::difference::{Difference, fields};
use super::entry::{Entry, shown};
use super::listing::Listing;
use crate::plan::Limit;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Members of the archive.
    pub members: u64,
    /// Entries that differ, are missing, or are not in the tree.
    pub differing: u64,
    /// The first of these, and what differs there.
    pub first: Option<Difference>,
    /// How many entries have lost what their tool is known to lose, by limit.
    pub losses: BTreeMap<Limit, u64>,
}

impl Comparison {
    /// Compares an archive that should have every entry of the tree, once, in the tree's order.
    pub(crate) fn in_order(tree: &Listing, from: impl Read) -> io::Result<Self> {
        let (mut archive, mut comparison) = (Archive::new(from), Comparison::default());
        let mut expected = tree.entries.iter().peekable();
        let mut last: Option<Box<[u8]>> = None;
        while let Some(member) = archive.next()? {
            comparison.members += 1;
            if let Some(last) = last.as_ref().filter(|last| !follows(&member.path, last)) {
                let (path, behind) = (shown(&member.path), shown(last));
                comparison.note(Difference::Disorder { path, behind });
                continue;
            }
            while let Some(missing) =
                expected.next_if(|entry| entry.path != member.path && follows(&member.path, &entry.path))
            {
                comparison.note(Difference::Missing { path: shown(&missing.path) });
            }
            match expected.next_if(|entry| entry.path == member.path) {
                Some(entry) => comparison.note_fields(entry, &member),
                None => comparison.note(Difference::Additional { path: shown(&member.path) }),
            }
            last = Some(member.path);
        }
        if !archive.is_ended() {
            comparison.note(Difference::NoEnd);
        }
        expected.for_each(|missing| comparison.note(Difference::Missing { path: shown(&missing.path) }));
        Ok(comparison)
    }

    pub(super) fn note(&mut self, difference: Difference) {
        self.differing += 1;
        self.first.get_or_insert(difference);
    }

    fn note_fields(&mut self, entry: &Entry, member: &Entry) {
        if let Some(difference) = fields(entry, member).into_iter().next() {
            self.note(Difference::field(&entry.path, difference));
        }
    }

    /// The first difference in words, and how many more entries differ; `None` if nothing does.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(match self.differing {
            0 | 1 => first.to_string(),
            2 => format!("{first}; 1 more entry differs"),
            more => format!("{first}; {} more entries differ", more - 1),
        })
    }
}

/// Whether a path stands behind another one in an archive: a directory before what is in it, names sorted by their
/// bytes.
fn follows(path: &[u8], other: &[u8]) -> bool {
    let names = |path| <[u8]>::split(path, |byte| *byte == b'/');
    !path.is_empty() && (other.is_empty() || names(path).gt(names(other)))
}
