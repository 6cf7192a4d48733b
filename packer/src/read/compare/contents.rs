//! What an image or a tree holds, as a value that compares: paths, and the inodes that they are names of.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::read::archive::error::{Flaw, quoted};
use crate::read::archive::xattr::Attributes;
use crate::read::compare::digest::Content;
use crate::tree::entry::Timestamp;

/// The most that contents may take, in bytes: some three million entries.
const ROOM: usize = 1 << 30;

/// What an entry takes beside its texts: its places in the map and in the list, and the headers of their allocations.
const OVERHEAD: usize = 64 + size_of::<Node>();

/// Paths below the top, without slashes at either end; the top itself is the empty one.
#[derive(Debug)]
pub(crate) struct Contents {
    names: BTreeMap<Box<[u8]>, Name>,
    nodes: Vec<Node>,
    /// The layer that is being laid on top of the others.
    layer: usize,
    /// How many more bytes of memory there are.
    room: usize,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    node: usize,
    layer: usize,
}

/// A few entries that are beside a tree.
pub(crate) type Rest = BTreeMap<Box<[u8]>, Node>;

/// All of an entry but its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// The permission bits with set-id and sticky.
    pub(crate) mode: u16,
    /// User and group.
    pub(crate) owner: (u32, u32),
    pub(crate) modified: Timestamp,
    pub(crate) attributes: Attributes,
}

/// What kind of entry it is, and what only that kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File(Content),
    Directory,
    Symlink { target: Box<[u8]> },
    Fifo,
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
}

impl Kind {
    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::File(_) => "file",
            Kind::Directory => "directory",
            Kind::Symlink { .. } => "symlink",
            Kind::Fifo => "fifo",
            Kind::CharacterDevice(..) => "character device",
            Kind::BlockDevice(..) => "block device",
        }
    }
}

impl Contents {
    pub(crate) fn new() -> Self {
        Contents { names: BTreeMap::new(), nodes: Vec::new(), layer: 0, room: ROOM }
    }

    /// What is put in from now on lies on top of what is there.
    pub(crate) fn begin_layer(&mut self) {
        self.layer += 1;
    }

    /// Puts in an entry, as unpacking would: it takes the place of another one, but directories keep what is in them.
    pub(crate) fn insert(&mut self, path: &[u8], node: Node) -> Result<(), Flaw> {
        let attributes = node.attributes.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum::<usize>();
        let target = if let Kind::Symlink { target } = &node.kind { target.len() } else { 0 };
        self.nodes.push(node);
        self.name(path, self.nodes.len() - 1, attributes + target)
    }

    /// Puts in a further name of an entry.
    pub(crate) fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Flaw> {
        let found = self.names.get(target).filter(|name| self.nodes[name.node].kind != Kind::Directory);
        let Some(found) = found else {
            return Err(Flaw::Unsound(format!(
                "{} is a hard link of {}, which is not before it",
                quoted(path),
                quoted(target)
            )));
        };
        // A name of its own says nothing new, and what is below its target would be lost.
        if path == target { Ok(()) } else { self.name(path, found.node, 0) }
    }

    fn name(&mut self, path: &[u8], node: usize, more: usize) -> Result<(), Flaw> {
        let room = self.room.checked_sub(path.len() + OVERHEAD + more);
        self.room = room.ok_or_else(|| {
            Flaw::Beyond(format!("holds more names and attributes than fit {} MiB, which is the limit", ROOM >> 20))
        })?;
        if self.nodes[node].kind != Kind::Directory {
            self.remove_below(path, self.layer + 1);
        }
        self.names.insert(path.into(), Name { node, layer: self.layer });
        Ok(())
    }

    /// Takes out what lower layers have under this path.
    pub(crate) fn hide(&mut self, path: &[u8]) {
        if self.names.get(path).is_some_and(|name| name.layer < self.layer) {
            self.names.remove(path);
        }
        self.hide_below(path);
    }

    /// Takes out what lower layers have below this path.
    pub(crate) fn hide_below(&mut self, path: &[u8]) {
        self.remove_below(path, self.layer);
    }

    /// Takes out what layers before `layer` have below this path.
    fn remove_below(&mut self, path: &[u8], layer: usize) {
        let below = if path.is_empty() { (vec![0], vec![]) } else { ([path, b"/"].concat(), [path, b"0"].concat()) };
        let end = if path.is_empty() { Bound::Unbounded } else { Bound::Excluded(&below.1[..]) };
        let range = self.names.range::<[u8], _>((Bound::Included(&below.0[..]), end));
        let gone: Vec<_> = range.filter(|(_, name)| name.layer < layer).map(|(path, _)| path.clone()).collect();
        for path in gone {
            self.names.remove(&path);
        }
    }

    /// Makes what is below a directory nobody's hard link: each name has an entry of its own.
    pub(crate) fn separate_below(&mut self, directory: &[u8]) {
        let start = [directory, b"/"].concat();
        let below = self.names.range_mut::<[u8], _>((Bound::Included(&start[..]), Bound::Unbounded));
        for (_, name) in below.take_while(|(path, _)| path.starts_with(&start)) {
            let node = self.nodes[name.node].clone();
            name.node = self.nodes.len();
            self.nodes.push(node);
        }
    }

    /// Leaves whole seconds of all times.
    pub(crate) fn drop_parts_of_seconds(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.modified.nanoseconds = 0);
    }

    /// Parts it in what is at or below a directory, with the paths from there, and the rest.
    pub(crate) fn part(self, directory: &[u8]) -> (Self, Rest) {
        let (mut inside, mut rest) = (Contents { nodes: self.nodes, ..Contents::new() }, Rest::new());
        for (path, name) in self.names {
            match path.strip_prefix(directory) {
                Some(b"") => drop(inside.names.insert(Box::default(), name)),
                Some([b'/', below @ ..]) => drop(inside.names.insert(below.into(), name)),
                _ => drop(rest.insert(path, inside.nodes[name.node].clone())),
            }
        }
        (inside, rest)
    }

    /// All of it, by path.
    pub(crate) fn into_rest(self) -> Rest {
        let Contents { names, nodes, .. } = self;
        names.into_iter().map(|(path, name)| (path, nodes[name.node].clone())).collect()
    }

    /// All entries, by the bytes of their paths.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], Inode<'_>)> {
        self.names.iter().map(|(path, name)| (&**path, self.inode(name)))
    }

    pub(crate) fn get(&self, path: &[u8]) -> Option<Inode<'_>> {
        self.names.get(path).map(|name| self.inode(name))
    }

    fn inode(&self, name: &Name) -> Inode<'_> {
        Inode { number: name.node, node: &self.nodes[name.node] }
    }
}

/// An entry, and which one it is of all that are in the same place: further names of one have the same number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inode<'a> {
    pub(crate) number: usize,
    pub(crate) node: &'a Node,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: Kind) -> Node {
        let modified = Timestamp { seconds: 0, nanoseconds: 0 };
        Node { kind, mode: 0, owner: (0, 0), modified, attributes: Attributes::new() }
    }

    /// Puts in what a line says: `a/` a directory, `a` a fifo, `b = a` a link, `-a` and `-a/` what a layer hides, `|` the next layer.
    fn contents(lines: &[&str]) -> Contents {
        let mut contents = Contents::new();
        for line in lines {
            match (line.split_once(" = "), line.strip_prefix('-')) {
                (Some((path, target)), _) => contents.link(path.as_bytes(), target.as_bytes()).unwrap(),
                (_, Some(path)) => match path.strip_suffix('/') {
                    Some(path) => contents.hide_below(path.as_bytes()),
                    None => contents.hide(path.as_bytes()),
                },
                _ if *line == "|" => contents.begin_layer(),
                _ => match line.strip_suffix('/') {
                    Some(path) => contents.insert(path.as_bytes(), node(Kind::Directory)).unwrap(),
                    None => contents.insert(line.as_bytes(), node(Kind::Fifo)).unwrap(),
                },
            }
        }
        contents
    }

    fn paths(contents: &Contents) -> String {
        let path = |(path, inode): (&[u8], Inode<'_>)| {
            let slash = if inode.node.kind == Kind::Directory { "/" } else { "" };
            format!("{}{slash}", path.escape_ascii())
        };
        contents.entries().map(path).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn later_entries_take_the_place_of_earlier_ones() {
        for (lines, expected) in [
            (&["/", "a/", "a/b", "a-b", "a0"][..], "/ a/ a-b a/b a0"),
            (&["a/", "a/b", "a/"], "a/ a/b"),
            (&["a/", "a/b", "a-b", "a0", "a"], "a a-b a0"),
            (&["a", "b = a", "a/"], "a/ b"),
            (&["", "x"], " x"),
            (&["x", ""], ""),
            // Layers: what lies above hides what is below it, not what is beside it.
            (&["a/", "a/b", "a/c", "|", "-a/b", "a/d"], "a/ a/c a/d"),
            (&["a/", "a/b", "a/c", "|", "-a"], ""),
            (&["a/", "a/b", "|", "a/", "a/c", "-a/"], "a/ a/c"),
            (&["a/", "a/b", "|", "a/", "a/c", "-a"], "a/ a/c"),
            (&["a", "|", "-a", "|", "a/"], "a/"),
            (&["/", "a/", "a/b", "|", "-/", "c"], "/ c"),
            (&["a", "|", "b = a", "|", "-a"], "b"),
        ] {
            assert_eq!(paths(&contents(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn further_names_are_the_same_inode_whatever_becomes_of_the_first() {
        let found = contents(&["a", "b = a", "c = b", "a"]);
        let number = |path: &str| found.get(path.as_bytes()).unwrap().number;
        assert!(number("b") == number("c") && number("a") != number("b"));
        for (target, path) in [("missing", "x"), ("d", "x")] {
            assert!(contents(&["d/"]).link(path.as_bytes(), target.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_directory_is_taken_out_with_all_its_names() {
        let names = ["m", "rootfs/", "rootfs/a", "rootfs-b", "t/", "rootfs/b = rootfs/a"];
        let (inside, rest) = contents(&names).part(b"rootfs");
        let rest: Vec<_> = rest.keys().map(|path| path.escape_ascii().to_string()).collect();
        assert_eq!((paths(&inside), rest.join(" ")), ("/ a b".into(), "m rootfs-b t".into()));
        assert_eq!(inside.get(b"a").unwrap().number, inside.get(b"b").unwrap().number);
    }

    #[test]
    fn what_is_below_a_directory_can_stand_alone() {
        let mut found = contents(&["dev/", "dev/a", "dev/b = dev/a", "dev0 = dev/a", "c = dev/a"]);
        found.separate_below(b"dev");
        let numbers = ["dev/a", "dev/b", "c"].map(|path| found.get(path.as_bytes()).unwrap().number);
        assert!(numbers[0] != numbers[1] && numbers[1] != numbers[2] && numbers[0] != numbers[2]);
        assert_eq!(found.get(b"dev0").unwrap().number, numbers[2]);
    }

    #[test]
    fn the_room_is_not_without_end() {
        let mut contents = Contents { room: 3 * (OVERHEAD + 1), ..Contents::new() };
        for name in [b"a", b"b", b"c"] {
            contents.insert(name, node(Kind::Fifo)).unwrap();
        }
        assert!(matches!(contents.insert(b"d", node(Kind::Fifo)), Err(Flaw::Beyond(_))));
    }
}
