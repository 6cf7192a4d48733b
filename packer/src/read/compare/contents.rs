//! A tree in memory: paths, and the inodes that they name.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::cancel::CancelToken;
use crate::read::archive::error::{ReadError, quoted};
use crate::read::archive::xattr::Xattrs;
use crate::read::compare::digest::ContentDigest;
use crate::read::context::{Cancelled, each};
use crate::tree::stat::Timestamp;

/// The most memory of one tree, in bytes: some three million entries.
const MEMORY_LIMIT: usize = 1 << 30;

/// The memory of an entry without its texts, in bytes: its places in the map and in the list, and the headers of their
/// allocations.
const OVERHEAD: usize = 64 + size_of::<Node>();

/// The entries of a tree by path. Paths have no slash at either end; the top is the empty path.
#[derive(Debug)]
pub(crate) struct Contents {
    /// The number of each entry, by path; of an image in layers, of the current layer.
    names: BTreeMap<Box<[u8]>, usize>,
    /// Those of the layers below, but for what the current one replaces or hides. A whiteout looks at nothing else, so each name is
    /// looked at once, however many whiteouts there are.
    lower: BTreeMap<Box<[u8]>, usize>,
    nodes: Vec<Node>,
    /// The memory that is left, in bytes.
    remaining: usize,
    cancel: CancelToken,
}

/// The entries beside the tree of an image.
pub(crate) type SideFiles = BTreeMap<Box<[u8]>, Node>;

/// An entry without its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    /// The permission bits with set-id and sticky.
    pub(crate) mode: u16,
    /// User and group.
    pub(crate) owner: (u32, u32),
    pub(crate) modified: Timestamp,
    pub(crate) xattrs: Xattrs,
}

/// The type of an entry, with its own data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    File(ContentDigest),
    Directory,
    Symlink { target: Box<[u8]> },
    Fifo,
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
}

impl NodeKind {
    /// The name in records.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            NodeKind::File(_) => "file",
            NodeKind::Directory => "directory",
            NodeKind::Symlink { .. } => "symlink",
            NodeKind::Fifo => "fifo",
            NodeKind::CharacterDevice(..) => "character device",
            NodeKind::BlockDevice(..) => "block device",
        }
    }
}

impl Contents {
    /// No entries. Whatever takes long with many fails once `cancel` is cancelled.
    pub(crate) fn new(cancel: &CancelToken) -> Self {
        Contents {
            names: BTreeMap::new(),
            lower: BTreeMap::new(),
            nodes: Vec::new(),
            remaining: MEMORY_LIMIT,
            cancel: cancel.clone(),
        }
    }

    /// Starts a layer on top of the entries so far.
    pub(crate) fn begin_layer(&mut self) -> Result<(), Cancelled> {
        let lower = &mut self.lower;
        each(std::mem::take(&mut self.names), &self.cancel, |(path, node)| {
            lower.insert(path, node);
        })
    }

    /// Ends the last layer: all entries are those of one tree.
    pub(crate) fn end_layers(&mut self) -> Result<(), Cancelled> {
        self.begin_layer()?;
        self.names = std::mem::take(&mut self.lower);
        Ok(())
    }

    /// Inserts an entry as unpacking would: it replaces an earlier one, and a directory keeps its entries.
    pub(crate) fn insert(&mut self, path: &[u8], node: Node) -> Result<(), ReadError> {
        let xattrs = node.xattrs.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum::<usize>();
        let target = if let NodeKind::Symlink { target } = &node.kind { target.len() } else { 0 };
        self.nodes.push(node);
        self.insert_name(path, self.nodes.len() - 1, xattrs + target)
    }

    /// Inserts a further name of an entry.
    pub(crate) fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), ReadError> {
        let found = self.names.get(target).or_else(|| self.lower.get(target)).copied();
        let Some(found) = found.filter(|node| self.nodes[*node].kind != NodeKind::Directory) else {
            return Err(ReadError::Malformed(format!(
                "{} is a hard link of {}, which is not before it",
                quoted(path),
                quoted(target)
            )));
        };
        // A link to itself changes nothing; as a replacement it would remove the entries below it.
        if path == target { Ok(()) } else { self.insert_name(path, found, 0) }
    }

    /// Inserts a name. `more` is the memory of the node's own data.
    fn insert_name(&mut self, path: &[u8], node: usize, more: usize) -> Result<(), ReadError> {
        let remaining = self.remaining.checked_sub(path.len() + OVERHEAD + more);
        self.remaining = remaining.ok_or_else(|| {
            ReadError::Unsupported(format!(
                "holds more names and attributes than fit {} MiB, which is the limit",
                MEMORY_LIMIT >> 20
            ))
        })?;
        if self.nodes[node].kind != NodeKind::Directory {
            remove_below(&mut self.names, path, &self.cancel)?;
            remove_below(&mut self.lower, path, &self.cancel)?;
        }
        self.lower.remove(path);
        self.names.insert(path.into(), node);
        Ok(())
    }

    /// Removes the entry at this path, and all below it, if they are of lower layers.
    pub(crate) fn hide(&mut self, path: &[u8]) -> Result<(), Cancelled> {
        self.lower.remove(path);
        self.hide_below(path)
    }

    /// Removes the entries of lower layers below this path.
    pub(crate) fn hide_below(&mut self, path: &[u8]) -> Result<(), Cancelled> {
        remove_below(&mut self.lower, path, &self.cancel)
    }

    /// Breaks the hard links below a directory: each name gets an entry of its own.
    pub(crate) fn break_links_below(&mut self, directory: &[u8]) -> Result<(), Cancelled> {
        let start = [directory, b"/"].concat();
        let below = self.names.range_mut::<[u8], _>((Bound::Included(&start[..]), Bound::Unbounded));
        each(below.take_while(|(path, _)| path.starts_with(&start)), &self.cancel, |(_, number)| {
            let node = self.nodes[*number].clone();
            *number = self.nodes.len();
            self.nodes.push(node);
        })
    }

    /// Rounds all times down to whole seconds.
    pub(crate) fn truncate_times(&mut self) -> Result<(), Cancelled> {
        each(&mut self.nodes, &self.cancel, |node| node.modified.nanoseconds = 0)
    }

    /// Splits off the tree at a directory, with paths from there. Returns it and the other entries.
    pub(crate) fn split_at_directory(self, directory: &[u8]) -> Result<(Self, SideFiles), Cancelled> {
        let mut inside = Contents { nodes: self.nodes, ..Contents::new(&self.cancel) };
        let mut outside = SideFiles::new();
        each(self.names, &self.cancel, |(path, node)| match path.strip_prefix(directory) {
            Some(b"") => {
                inside.names.insert(Box::default(), node);
            }
            Some([b'/', below @ ..]) => {
                inside.names.insert(below.into(), node);
            }
            _ => drop(outside.insert(path, inside.nodes[node].clone())),
        })?;
        Ok((inside, outside))
    }

    /// All entries, by path.
    pub(crate) fn into_side_files(self) -> Result<SideFiles, Cancelled> {
        let Contents { names, nodes, cancel, .. } = self;
        let mut files = SideFiles::new();
        each(names, &cancel, |(path, node)| drop(files.insert(path, nodes[node].clone())))?;
        Ok(files)
    }

    /// All entries, in byte order of their paths.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], Inode<'_>)> {
        self.names.iter().map(|(path, node)| (&**path, self.inode(*node)))
    }

    fn inode(&self, number: usize) -> Inode<'_> {
        Inode { number, node: &self.nodes[number] }
    }
}

/// Removes the names below this path.
fn remove_below(names: &mut BTreeMap<Box<[u8]>, usize>, path: &[u8], cancel: &CancelToken) -> Result<(), Cancelled> {
    let below = if path.is_empty() { (vec![0], vec![]) } else { ([path, b"/"].concat(), [path, b"0"].concat()) };
    let end = if path.is_empty() { Bound::Unbounded } else { Bound::Excluded(&below.1[..]) };
    let range = names.range::<[u8], _>((Bound::Included(&below.0[..]), end));
    let mut gone = Vec::new();
    each(range, cancel, |(path, _)| gone.push(path.clone()))?;
    each(gone, cancel, |path| {
        names.remove(&path);
    })
}

/// An entry and its number. Names of one file have the same number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inode<'a> {
    pub(crate) number: usize,
    pub(crate) node: &'a Node,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: NodeKind) -> Node {
        let modified = Timestamp { seconds: 0, nanoseconds: 0 };
        Node { kind, mode: 0, owner: (0, 0), modified, xattrs: Xattrs::new() }
    }

    /// Contents by lines: `a/` is a directory, `a` a fifo, `b = a` a link, `-a` and `-a/` are whiteouts, `|` is the next layer.
    fn contents(lines: &[&str]) -> Contents {
        let mut contents = Contents::new(&CancelToken::NEVER);
        for line in lines {
            match (line.split_once(" = "), line.strip_prefix('-')) {
                (Some((path, target)), _) => contents.link(path.as_bytes(), target.as_bytes()).unwrap(),
                (_, Some(path)) => match path.strip_suffix('/') {
                    Some(path) => contents.hide_below(path.as_bytes()).unwrap(),
                    None => contents.hide(path.as_bytes()).unwrap(),
                },
                _ if *line == "|" => contents.begin_layer().unwrap(),
                _ => match line.strip_suffix('/') {
                    Some(path) => contents.insert(path.as_bytes(), node(NodeKind::Directory)).unwrap(),
                    None => contents.insert(line.as_bytes(), node(NodeKind::Fifo)).unwrap(),
                },
            }
        }
        contents.end_layers().unwrap();
        contents
    }

    fn get<'a>(contents: &'a Contents, path: &[u8]) -> Inode<'a> {
        contents.inode(contents.names[path])
    }

    fn paths(contents: &Contents) -> String {
        let path = |(path, inode): (&[u8], Inode<'_>)| {
            let slash = if inode.node.kind == NodeKind::Directory { "/" } else { "" };
            format!("{}{slash}", path.escape_ascii())
        };
        contents.entries().map(path).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn later_entries_replace_earlier_ones() {
        for (lines, expected) in [
            (&["/", "a/", "a/b", "a-b", "a0"][..], "/ a/ a-b a/b a0"),
            (&["a/", "a/b", "a/"], "a/ a/b"),
            (&["a/", "a/b", "a-b", "a0", "a"], "a a-b a0"),
            (&["a", "b = a", "a/"], "a/ b"),
            (&["", "x"], " x"),
            (&["x", ""], ""),
            // A whiteout hides entries of lower layers, not of its own.
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
    fn names_of_one_inode_stay_so_when_the_first_is_replaced() {
        let found = contents(&["a", "b = a", "c = b", "a"]);
        let number = |path: &str| get(&found, path.as_bytes()).number;
        assert!(number("b") == number("c") && number("a") != number("b"));
        for (target, path) in [("missing", "x"), ("d", "x")] {
            assert!(contents(&["d/"]).link(path.as_bytes(), target.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_directory_is_split_off_with_all_its_names() {
        let names = ["m", "rootfs/", "rootfs/a", "rootfs-b", "t/", "rootfs/b = rootfs/a"];
        let (inside, rest) = contents(&names).split_at_directory(b"rootfs").unwrap();
        let rest: Vec<_> = rest.keys().map(|path| path.escape_ascii().to_string()).collect();
        assert_eq!((paths(&inside), rest.join(" ")), ("/ a b".into(), "m rootfs-b t".into()));
        assert_eq!(get(&inside, b"a").number, get(&inside, b"b").number);
    }

    #[test]
    fn links_below_a_directory_can_be_broken() {
        let mut found = contents(&["dev/", "dev/a", "dev/b = dev/a", "dev0 = dev/a", "c = dev/a"]);
        found.break_links_below(b"dev").unwrap();
        let numbers = ["dev/a", "dev/b", "c"].map(|path| get(&found, path.as_bytes()).number);
        assert!(numbers[0] != numbers[1] && numbers[1] != numbers[2] && numbers[0] != numbers[2]);
        assert_eq!(get(&found, b"dev0").number, numbers[2]);
    }

    /// A layer with as many whiteouts as names takes time for both, not for their product.
    #[test]
    fn whiteouts_look_at_the_names_of_lower_layers_only() {
        let count = 30_000;
        let mut contents = Contents::new(&CancelToken::NEVER);
        // Others that run at the same time do not count.
        let spent = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec;
        let before = spent();
        for layer in 0..2 {
            contents.begin_layer().unwrap();
            for number in 0..count {
                contents.insert(format!("d/{layer}-{number}").as_bytes(), node(NodeKind::Fifo)).unwrap();
                contents.hide_below(b"d").unwrap();
            }
        }
        contents.end_layers().unwrap();
        assert_eq!(contents.entries().count(), count);
        // Their product is 900,000,000 steps; each takes some ten nanoseconds even where all is optimised.
        assert!(spent() - before < 4, "{} s", spent() - before);
    }

    #[test]
    fn memory_is_limited() {
        let mut contents = Contents { remaining: 3 * (OVERHEAD + 1), ..Contents::new(&CancelToken::NEVER) };
        for name in [b"a", b"b", b"c"] {
            contents.insert(name, node(NodeKind::Fifo)).unwrap();
        }
        assert!(matches!(contents.insert(b"d", node(NodeKind::Fifo)), Err(ReadError::Unsupported(_))));
    }
}
