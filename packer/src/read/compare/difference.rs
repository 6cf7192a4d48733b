//! What differs between two images, or between an image and a tree: entry by entry.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::escape_path;
use crate::read::compare::contents::{Contents, Inode, Kind, Node, Rest};
use crate::tree::entry::Timestamp;

/// An entry that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whether it is in the tree or beside it.
    pub section: Section,
    /// Its path from the top of the tree; empty for the top itself.
    pub path: PathBuf,
    /// Where it is.
    pub presence: Presence,
    /// The bytes of content on each side, of what is a file there.
    pub sizes: [Option<u64>; 2],
    /// What differs in what is on both sides.
    pub aspects: Vec<Aspect>,
}

/// Which part of an image is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The root filesystem.
    Tree,
    /// What importers read beside it: `metadata.yaml` and templates, or an OCI image's configuration.
    Metadata,
}

/// On which sides something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// On the first only.
    First,
    /// On the second only.
    Second,
    /// On both, but not as the same.
    Both,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aspect {
    /// What it is.
    pub property: Property,
    /// How it is on each side, fit for a terminal; nothing where it is not, or if there is too much to tell.
    pub values: [Option<String>; 2],
}

/// What may differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    /// Whether it is a file, a directory, …
    Kind,
    /// The permission bits, set-id and sticky.
    Mode,
    /// User and group.
    Owner,
    /// The time of the last change, in seconds since 1970.
    Time,
    /// How many bytes a file has.
    Size,
    /// Which bytes a file has; not told where the size says so.
    Content,
    /// Where a symlink leads.
    Target,
    /// The numbers of a device.
    Device,
    /// Which other name the entry is a hard link of.
    HardLink,
    /// The extended attribute with this name.
    Attribute(Vec<u8>),
}

impl Property {
    /// The name in records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Property::Kind => "kind",
            Property::Mode => "mode",
            Property::Owner => "owner",
            Property::Time => "mtime",
            Property::Size => "size",
            Property::Content => "content",
            Property::Target => "target",
            Property::Device => "device",
            Property::HardLink => "hard-link",
            Property::Attribute(_) => "xattr",
        }
    }
}

impl Difference {
    /// A line for each thing that differs; `sides` is what the two are called: `["the image", "the tree"]`.
    #[must_use]
    pub fn lines(&self, sides: [&str; 2]) -> Vec<String> {
        let path = if self.path.as_os_str().is_empty() { ".".to_owned() } else { escape_path(&self.path) };
        let path = match self.section {
            Section::Tree => path,
            Section::Metadata => format!("{path} (metadata)"),
        };
        match self.presence {
            Presence::First => vec![format!("{path}: only in {}", sides[0])],
            Presence::Second => vec![format!("{path}: only in {}", sides[1])],
            Presence::Both => self.aspects.iter().map(|aspect| format!("{path}: {}", aspect.told(sides))).collect(),
        }
    }
}

impl Aspect {
    fn told(&self, [first, second]: [&str; 2]) -> String {
        let what = match &self.property {
            Property::Attribute(name) => format!("attribute {}", told(name)),
            Property::HardLink => "hard link".to_owned(),
            what => what.name().to_owned(),
        };
        match (&self.values, &self.property) {
            ([Some(one), Some(other)], Property::Attribute(_)) if one == other => format!("{what} differs"),
            ([Some(_), None], Property::Attribute(_)) => format!("{what} only in {first}"),
            ([None, Some(_)], Property::Attribute(_)) => format!("{what} only in {second}"),
            ([None, None], _) => format!("{what} differs"),
            ([one, other], _) => {
                let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
                format!("{what} {} in {first}, {} in {second}", value(one), value(other))
            }
        }
    }
}

/// What differs between two trees, by the bytes of the paths.
///
/// Of several names of one file the first that both sides have stands for them all: what differs in the file is told of that one,
/// and of the others only if they are not names of one file on the other side.
pub(crate) fn of_trees(first: &Contents, second: &Contents) -> Vec<Difference> {
    let paths: BTreeSet<&[u8]> = first.entries().chain(second.entries()).map(|(path, _)| path).collect();
    let mut leaders: [HashMap<usize, &[u8]>; 2] = Default::default();
    let mut differences = Vec::new();
    for path in paths {
        let difference = match (first.get(path), second.get(path)) {
            (Some(one), Some(other)) => {
                let leading =
                    [*leaders[0].entry(one.number).or_insert(path), *leaders[1].entry(other.number).or_insert(path)];
                of_inodes(path, one, other, leading)
            }
            (Some(one), None) => Some(lone(Section::Tree, path, Presence::First, one.node)),
            (None, Some(other)) => Some(lone(Section::Tree, path, Presence::Second, other.node)),
            (None, None) => None,
        };
        differences.extend(difference);
    }
    differences
}

/// What differs beside two trees: what there is, and what is in it; not whose it is and how old.
pub(crate) fn of_rests(first: &Rest, second: &Rest) -> Vec<Difference> {
    let paths: BTreeSet<&[u8]> = first.keys().chain(second.keys()).map(|path| &**path).collect();
    let difference = |path: &[u8]| match (first.get(path), second.get(path)) {
        (Some(one), Some(other)) => both(Section::Metadata, path, [one, other], kinds(&one.kind, &other.kind)),
        (Some(one), None) => Some(lone(Section::Metadata, path, Presence::First, one)),
        (None, Some(other)) => Some(lone(Section::Metadata, path, Presence::Second, other)),
        (None, None) => None,
    };
    paths.into_iter().filter_map(difference).collect()
}

fn lone(section: Section, path: &[u8], presence: Presence, node: &Node) -> Difference {
    let sizes = match presence {
        Presence::First | Presence::Both => [size(node), None],
        Presence::Second => [None, size(node)],
    };
    Difference { section, path: OsStr::from_bytes(path).into(), presence, sizes, aspects: Vec::new() }
}

fn both(section: Section, path: &[u8], nodes: [&Node; 2], aspects: Vec<Aspect>) -> Option<Difference> {
    let path = OsStr::from_bytes(path).into();
    let sizes = nodes.map(size);
    (!aspects.is_empty()).then_some(Difference { section, path, presence: Presence::Both, sizes, aspects })
}

fn size(node: &Node) -> Option<u64> {
    match &node.kind {
        Kind::File(content) => Some(content.size),
        _ => None,
    }
}

fn of_inodes(path: &[u8], one: Inode<'_>, other: Inode<'_>, leading: [&[u8]; 2]) -> Option<Difference> {
    let mut aspects = Vec::new();
    if leading[0] != leading[1] {
        let value = |leading: &[u8]| (leading != path).then(|| told(leading));
        aspects.push(Aspect { property: Property::HardLink, values: leading.map(value) });
    } else if leading[0] != path {
        return None;
    }
    aspects.extend(of_nodes(one.node, other.node));
    both(Section::Tree, path, [one.node, other.node], aspects)
}

fn of_nodes(one: &Node, other: &Node) -> Vec<Aspect> {
    let mut aspects = kinds(&one.kind, &other.kind);
    let owner = |(uid, gid): (u32, u32)| format!("{uid}:{gid}");
    aspects.extend(unequal(Property::Mode, one.mode, other.mode, |mode| format!("{mode:04o}")));
    aspects.extend(unequal(Property::Owner, one.owner, other.owner, owner));
    aspects.extend(unequal(Property::Time, one.modified, other.modified, decimal));
    let names: BTreeSet<&[u8]> = one.attributes.keys().chain(other.attributes.keys()).map(|name| &**name).collect();
    for name in names {
        let values = [one.attributes.get(name), other.attributes.get(name)];
        if values[0] != values[1] {
            // Where there is one is told, not what is in it.
            let values = values.map(|value| value.map(|_| String::new()));
            aspects.push(Aspect { property: Property::Attribute(name.to_vec()), values });
        }
    }
    aspects
}

fn kinds(one: &Kind, other: &Kind) -> Vec<Aspect> {
    let device = |(major, minor): (u32, u32)| format!("{major},{minor}");
    let different = |property| Some(Aspect { property, values: [None, None] });
    let aspect = match (one, other) {
        (Kind::File(one), Kind::File(other)) if one.size != other.size => {
            unequal(Property::Size, one.size, other.size, |size| size.to_string())
        }
        (Kind::File(one), Kind::File(other)) => {
            if one == other {
                None
            } else {
                different(Property::Content)
            }
        }
        (Kind::Symlink { target: one }, Kind::Symlink { target: other }) => {
            unequal(Property::Target, &**one, &**other, told)
        }
        (&Kind::CharacterDevice(a, b), &Kind::CharacterDevice(c, d))
        | (&Kind::BlockDevice(a, b), &Kind::BlockDevice(c, d)) => unequal(Property::Device, (a, b), (c, d), device),
        (one, other) => unequal(Property::Kind, one.name(), other.name(), str::to_owned),
    };
    aspect.into_iter().collect()
}

fn unequal<Value: Copy + PartialEq>(
    property: Property,
    one: Value,
    other: Value,
    shown: impl Fn(Value) -> String,
) -> Option<Aspect> {
    (one != other).then(|| Aspect { property, values: [one, other].map(|value| Some(shown(value))) })
}

/// A path or a target as it stands in lines.
fn told(path: &[u8]) -> String {
    format!("`{}`", escape_path(Path::new(OsStr::from_bytes(path))))
}

/// Seconds since 1970, with nanoseconds where there are some.
fn decimal(time: Timestamp) -> String {
    match (time.seconds, time.nanoseconds) {
        (seconds, 0) => seconds.to_string(),
        (seconds, nanoseconds) if seconds >= 0 => format!("{seconds}.{nanoseconds:09}"),
        // The nanoseconds count forwards from the second before.
        (-1, nanoseconds) => format!("-0.{:09}", 1_000_000_000 - nanoseconds),
        (seconds, nanoseconds) => format!("{}.{:09}", seconds + 1, 1_000_000_000 - nanoseconds),
    }
}
