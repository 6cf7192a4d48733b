//! Which names an archive has: each of them once, none below what is no directory.
//!
//! Of a name only a hash of 128 bits is kept, so that the names of a large image take little memory. Its keys are drawn anew for
//! each archive: nobody can make names whose hashes are equal.

use std::collections::HashMap;
use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

use crate::read::archive::error::{Flaw, quoted};
use crate::read::archive::member::{Kind, Member};
use crate::read::archive::path;

/// The most names that are kept, directories above them included: some 200 MiB.
const MOST: usize = 7_000_000;

/// The names so far.
#[derive(Debug)]
pub(crate) struct Register {
    names: HashMap<(u64, u64), Place>,
    keys: [RandomState; 2],
    most: usize,
    targets: Targets,
}

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing itself, but something below it.
    Above,
    Directory,
    Other,
}

/// Where the first name of a hard link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Targets {
    /// Before the other ones.
    Here,
    /// Perhaps in another archive, which this one lies on top of.
    HereOrBelow,
}

impl Register {
    pub(crate) fn new(targets: Targets) -> Self {
        Register { names: HashMap::new(), keys: Default::default(), most: MOST, targets }
    }

    /// Takes the name of one more member; gives the path that it is.
    pub(crate) fn add(&mut self, member: &Member) -> Result<Vec<u8>, Flaw> {
        let unfit = |what: &str| Flaw::Unsound(format!("{} {what}", quoted(&member.name)));
        let path = path::of_name(&member.name)?;
        let place = if member.kind == Kind::Directory { Place::Directory } else { Place::Other };
        if let Kind::HardLink { target } = &member.kind
            && self.targets == Targets::Here
            && !self.has_file(&path::of_name(target)?)
        {
            return Err(unfit("is a hard link of what is not before it"));
        }
        let own = self.enter(&path).map_err(|BelowFile| unfit("is below what is no directory"))?;
        match self.names.insert(own, place) {
            Some(Place::Directory | Place::Other) => Err(unfit("is there twice")),
            Some(Place::Above) if place == Place::Other => Err(unfit("is no directory, and something is below it")),
            _ if path.is_empty() && place == Place::Other => Err(unfit("is the top, and no directory")),
            _ if self.names.len() > self.most => {
                Err(Flaw::Beyond(format!("holds more than {} names, which is the limit", self.most)))
            }
            _ => Ok(path),
        }
    }

    /// Takes note of the directories above a path; gives its own hash.
    fn enter(&mut self, path: &[u8]) -> Result<(u64, u64), BelowFile> {
        let mut hashes = Hashes::new(&self.keys);
        for component in path::split(path).map_or(&b""[..], |(above, _)| above).split(|byte| *byte == b'/') {
            if !component.is_empty()
                && *self.names.entry(hashes.append(component)).or_insert(Place::Above) == Place::Other
            {
                return Err(BelowFile);
            }
        }
        Ok(hashes.append(path::split(path).map_or(b"", |(_, name)| name)))
    }

    fn has_file(&self, path: &[u8]) -> bool {
        let mut hashes = Hashes::new(&self.keys);
        let hash = path.split(|byte| *byte == b'/').map(|component| hashes.append(component)).last();
        hash.and_then(|hash| self.names.get(&hash)) == Some(&Place::Other)
    }
}

/// A member is below what is no directory.
struct BelowFile;

/// The hash of a path that is getting longer.
struct Hashes([DefaultHasher; 2]);

impl Hashes {
    fn new(keys: &[RandomState; 2]) -> Self {
        Hashes([keys[0].build_hasher(), keys[1].build_hasher()])
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
    use super::*;
    use crate::tree::entry::Timestamp;

    fn member(name: &str) -> Member {
        let kind = match name.split_once(" = ") {
            Some((_, target)) => Kind::HardLink { target: target.into() },
            None if name.ends_with('/') => Kind::Directory,
            None => Kind::Fifo,
        };
        let name = name.split(" = ").next().unwrap().into();
        let modified = Timestamp { seconds: 0, nanoseconds: 0 };
        Member { name, kind, mode: 0, owner: (0, 0), modified, attributes: Default::default() }
    }

    fn outcome(targets: Targets, most: usize, names: &[&str]) -> String {
        let mut register = Register { most, ..Register::new(targets) };
        for name in names {
            match register.add(&member(name)) {
                Ok(_) => {}
                Err(Flaw::Unsound(what) | Flaw::Beyond(what)) => return what,
                Err(Flaw::Io(error)) => return error.to_string(),
            }
        }
        "sound".into()
    }

    #[test]
    fn each_name_once_and_nothing_below_what_is_no_directory() {
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
            assert_eq!(outcome(Targets::Here, 100, names), expected, "{names:?}");
        }
        assert_eq!(outcome(Targets::HereOrBelow, 100, &["b = a"]), "sound");
        assert_eq!(outcome(Targets::Here, 4, &["a/b/c/d"]), "sound");
        assert_eq!(outcome(Targets::Here, 4, &["a/b/c/d/e"]), "holds more than 4 names, which is the limit");
    }
}
