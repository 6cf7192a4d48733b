//! An image of another tool compared with the tree: in any order, whichever name of an inode has the content, and
//! within the known limits of the tool.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;

use super::archive::Archive;
use super::comparison::Comparison;
use super::difference::{Difference, fields};
use super::entry::{Entry, Kind, plain, shown};
use super::listing::Listing;
use crate::plan::Limit;

/// What the image of another tool should hold.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// The tree.
    pub tree: &'a Listing,
    /// The directory in the image that stands for the tree; nothing else there is looked at.
    pub top: &'a str,
    /// What the tool is known to lose.
    pub limits: &'a [Limit],
}

impl Expectation<'_> {
    /// Compares an archive.
    pub(super) fn archive(&self, from: impl Read) -> io::Result<Comparison> {
        let (mut archive, mut by_name) = (Archive::new(from), ByName::new(self));
        while let Some(member) = archive.next()? {
            by_name.add(member);
        }
        Ok(by_name.finish(archive.is_ended()))
    }

    /// Compares a tree that was unpacked.
    pub(super) fn unpacked(&self, top: &Path) -> io::Result<Comparison> {
        let mut by_name = ByName::new(self);
        Listing::of_tree(top)?.entries.into_iter().for_each(|entry| by_name.add(entry));
        Ok(by_name.finish(true))
    }

    fn knows(&self, limit: Limit) -> bool {
        self.limits.contains(&limit)
    }
}

/// A comparison under way.
struct ByName<'a> {
    expectation: &'a Expectation<'a>,
    entries: &'a [Entry],
    /// Places in the tree by path.
    places: HashMap<&'a [u8], usize>,
    /// Which entries the image has.
    found: Vec<bool>,
    /// Which inodes the image has with their content, by the place of their first name.
    stored: Vec<bool>,
    comparison: Comparison,
}

impl<'a> ByName<'a> {
    fn new(expectation: &'a Expectation<'a>) -> Self {
        let entries = &expectation.tree.entries[..];
        let places = entries.iter().enumerate().map(|(place, entry)| (&*entry.path, place)).collect();
        let [found, stored] = [0, 1].map(|_| vec![false; entries.len()]);
        ByName { expectation, entries, places, found, stored, comparison: Comparison::default() }
    }

    fn add(&mut self, member: Entry) {
        let Some(member) = below(self.expectation.top.as_bytes(), member) else { return };
        self.comparison.members += 1;
        let Some(&place) = self.places.get(&*member.path) else {
            return self.comparison.note(Difference::Additional { path: shown(&member.path) });
        };
        if std::mem::replace(&mut self.found[place], true) {
            return self.comparison.note(Difference::Doubled { path: shown(&member.path) });
        }
        let member = Entry { attributes: member.attributes.comparable(), ..member };
        let expected = self.within_limits(self.expected(place, &member), &member);
        if !matches!(member.kind, Kind::HardLink { .. }) {
            let first = self.first(place);
            self.stored[first] = true;
        }
        if let Some(difference) = fields(&expected, &member).into_iter().next() {
            self.comparison.note(Difference::field(&expected.path, difference));
        }
    }

    /// The entry that a member should be. Archives differ in which name of an inode comes first.
    fn expected(&self, place: usize, member: &Entry) -> Entry {
        let (entry, first) = (&self.entries[place], self.first(place));
        let mut expected = entry.clone();
        match &member.kind {
            Kind::HardLink { target } => {
                if self.places.get(&**target).is_some_and(|target| self.first(*target) == first) {
                    expected.kind = member.kind.clone();
                    // Readers take those of the target.
                    expected.attributes = member.attributes.clone();
                }
            }
            _ if !self.stored[first] => expected.kind = self.entries[first].kind.clone(),
            // A second copy.
            _ => expected.kind = Kind::HardLink { target: self.entries[first].path.clone() },
        }
        expected.attributes = expected.attributes.comparable();
        expected
    }

    /// The place of the first name of an inode.
    fn first(&self, place: usize) -> usize {
        match &self.entries[place].kind {
            Kind::HardLink { target } => self.places.get(&**target).copied().unwrap_or(place),
            _ => place,
        }
    }

    /// What the tool makes of an entry, as far as its limits explain the member.
    fn within_limits(&mut self, mut entry: Entry, member: &Entry) -> Entry {
        const SECOND: i128 = 1_000_000_000;
        let near = (entry.modified - member.modified).abs() < SECOND && member.modified % SECOND == 0;
        if near && entry.modified != member.modified && self.accept(Limit::WholeSeconds) {
            entry.modified = member.modified;
        }
        let lost = |of: &Entry| !of.attributes.is_empty() && member.attributes.is_empty();
        if lost(&entry) && matches!(entry.kind, Kind::Symlink { .. }) && self.accept(Limit::SymlinkAttributes) {
            entry.attributes = member.attributes.clone();
        }
        if entry.attributes.has_acls() && !member.attributes.has_acls() && self.accept(Limit::Acls) {
            entry.attributes = entry.attributes.without_acls();
        }
        entry
    }

    /// Counts a loss, if it is known of the tool.
    fn accept(&mut self, limit: Limit) -> bool {
        let is_known = self.expectation.knows(limit);
        if is_known {
            *self.comparison.losses.entry(limit).or_default() += 1;
        }
        is_known
    }

    fn finish(mut self, is_ended: bool) -> Comparison {
        for (place, entry) in self.entries.iter().enumerate() {
            let excused = match &*entry.path {
                _ if self.found[place] => true,
                b"" => self.accept(Limit::TopDirectory),
                path if path.starts_with(b"dev/") => self.accept(Limit::BelowDev),
                _ => false,
            };
            if !excused {
                self.comparison.note(Difference::Missing { path: shown(&entry.path) });
            }
        }
        if !is_ended && !self.accept(Limit::End) {
            self.comparison.note(Difference::NoEnd);
        }
        self.comparison
    }
}

/// The member with its path below `top`; `None` if it is not there.
fn below(top: &[u8], member: Entry) -> Option<Entry> {
    let strip = |path: &[u8]| {
        let rest = path.strip_prefix(top)?;
        (top.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
            .then(|| plain(rest.strip_prefix(b"/").unwrap_or(rest)).into())
    };
    let kind = match &member.kind {
        Kind::HardLink { target } => Kind::HardLink { target: strip(target)? },
        kind => kind.clone(),
    };
    Some(Entry { path: strip(&member.path)?, kind, ..member })
}
