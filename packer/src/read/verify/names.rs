//! The index of an archive's names: each occurs once, and none is below a file.
//!
//! It stores a hash of 128 bits instead of each name, so that the names of a large image take little memory. The keys of the hash
//! are random for each archive, so that nobody can construct a collision.

use std::collections::HashMap;
use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

use crate::read::archive::error::{ReadError, quoted};
use crate::read::archive::member::{Member, MemberKind};
use crate::read::archive::path;

/// The most names of an archive, with the directories above them: some 200 MiB.
const MAX_NAMES: usize = 7_000_000;

/// The names of an archive so far.
#[derive(Debug)]
pub(crate) struct NameIndex {
    names: HashMap<(u64, u64), EntryClass>,
    keys: [RandomState; 2],
    max_names: usize,
    targets: LinkTargets,
}

/// What a name stands for, as far as other names depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntryClass {
    /// No member yet, but the parent of one.
    ImpliedDirectory,
    Directory,
    Other,
}

/// Where the target of a hard link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LinkTargets {
    /// Before the link, in the same archive.
    SameArchive,
    /// Before the link, or in a lower layer.
    SameOrLowerLayer,
}

impl NameIndex {
    pub(crate) fn new(targets: LinkTargets) -> Self {
        NameIndex { names: HashMap::new(), keys: Default::default(), max_names: MAX_NAMES, targets }
    }

    /// Adds the name of the next member. Returns its path.
    pub(crate) fn add(&mut self, member: &Member) -> Result<Vec<u8>, ReadError> {
        let malformed = |what: &str| ReadError::Malformed(format!("{} {what}", quoted(&member.name)));
        let path = path::normalize(&member.name)?;
        let class = if member.kind == MemberKind::Directory { EntryClass::Directory } else { EntryClass::Other };
        if let MemberKind::HardLink { target } = &member.kind
            && self.targets == LinkTargets::SameArchive
            && !self.has_file(&path::normalize(target)?)
        {
            return Err(malformed("is a hard link of what is not before it"));
        }
        let own = self.add_parents(&path).map_err(|BelowFile| malformed("is below what is no directory"))?;
        match self.names.insert(own, class) {
            Some(EntryClass::Directory | EntryClass::Other) => Err(malformed("is there twice")),
            Some(EntryClass::ImpliedDirectory) if class == EntryClass::Other => {
                Err(malformed("is no directory, and something is below it"))
            }
            _ if path.is_empty() && class == EntryClass::Other => Err(malformed("is the top, and no directory")),
            _ if self.names.len() > self.max_names => {
                Err(ReadError::Unsupported(format!("holds more than {} names, which is the limit", self.max_names)))
            }
            _ => Ok(path),
        }
    }

    /// Adds the directories above a path. Returns the path's own hash.
    fn add_parents(&mut self, path: &[u8]) -> Result<(u64, u64), BelowFile> {
        let mut hasher = PathHasher::new(&self.keys);
        for component in path::split(path).map_or(&b""[..], |(above, _)| above).split(|byte| *byte == b'/') {
            if !component.is_empty()
                && *self.names.entry(hasher.append(component)).or_insert(EntryClass::ImpliedDirectory)
                    == EntryClass::Other
            {
                return Err(BelowFile);
            }
        }
        Ok(hasher.append(path::split(path).map_or(b"", |(_, name)| name)))
    }

    fn has_file(&self, path: &[u8]) -> bool {
        let mut hasher = PathHasher::new(&self.keys);
        let hash = path.split(|byte| *byte == b'/').map(|component| hasher.append(component)).last();
        hash.and_then(|hash| self.names.get(&hash)) == Some(&EntryClass::Other)
    }
}

/// The name is below a member that is no directory.
struct BelowFile;

/// The hash of a path, extended by one component at a time.
struct PathHasher([DefaultHasher; 2]);

impl PathHasher {
    fn new(keys: &[RandomState; 2]) -> Self {
        PathHasher([keys[0].build_hasher(), keys[1].build_hasher()])
    }

    fn append(&mut self, component: &[u8]) -> (u64, u64) {
        for hasher in &mut self.0 {
            hasher.write(b"/");
            hasher.write(component);
        }
        (self.0[0].finish(), self.0[1].finish())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::tree::stat::Timestamp;

    fn member(name: &str) -> Member {
        let kind = match name.split_once(" = ") {
            Some((_, target)) => MemberKind::HardLink { target: target.into() },
            None if name.ends_with('/') => MemberKind::Directory,
            None => MemberKind::Fifo,
        };
        let name = name.split(" = ").next().unwrap().into();
        let modified = Timestamp { seconds: 0, nanoseconds: 0 };
        Member { name, kind, mode: 0, owner: (0, 0), modified, xattrs: Default::default() }
    }

    fn outcome(targets: LinkTargets, max_names: usize, names: &[&str]) -> String {
        let mut index = NameIndex { max_names, ..NameIndex::new(targets) };
        for name in names {
            match index.add(&member(name)) {
                Ok(_) => {}
                Err(ReadError::Malformed(what) | ReadError::Unsupported(what)) => return what,
                Err(error) => return error.at(Path::new("")).to_string(),
            }
        }
        "sound".into()
    }

    #[test]
    fn names_are_unique_and_none_is_below_a_file() {
        for (names, expected) in [
            (&["./", "a/", "a/b", "a-b", "a.b/"][..], "sound"),
            (&["a/b/c", "a/b/", "a/", "./"], "sound"),
            (&["a", "./a"], "`./a` is there twice"),
            (&["a/", "a/b", "a"], "`a` is there twice"),
            (&["./", "/"], "`/` is there twice"),
            (&["a", "a/b"], "`a/b` is below what is no directory"),
            (&["a", "a/b/c"], "`a/b/c` is below what is no directory"),
            (&["a/b/c", "a"], "`a` is no directory, and something is below it"),
            (&["a/b/c", "a/b = a/b/c"], "`a/b` is no directory, and something is below it"),
            (&["."], "`.` is the top, and no directory"),
            (&["a/../b"], "the name `a/../b` leads upwards"),
            (&["a", "b = a", "c = b", "d/e = ./a"], "sound"),
            (&["b = a", "a"], "`b` is a hard link of what is not before it"),
            (&["a/", "b = a"], "`b` is a hard link of what is not before it"),
            (&["a/b", "c = a"], "`c` is a hard link of what is not before it"),
            (&["a = a"], "`a` is a hard link of what is not before it"),
            (&["a", "b = ../a"], "the name `../a` leads upwards"),
        ] {
            assert_eq!(outcome(LinkTargets::SameArchive, 100, names), expected, "{names:?}");
        }
        assert_eq!(outcome(LinkTargets::SameOrLowerLayer, 100, &["b = a"]), "sound");
        assert_eq!(outcome(LinkTargets::SameArchive, 4, &["a/b/c/d"]), "sound");
        assert_eq!(outcome(LinkTargets::SameArchive, 4, &["a/b/c/d/e"]), "holds more than 4 names, which is the limit");
    }
}
