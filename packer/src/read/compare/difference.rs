//! The differences of two trees in memory, entry by entry.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::cancel::CancelToken;
use crate::error::escape_path;
use crate::read::compare::contents::{Contents, Inode, Node, NodeKind, SideFiles};
use crate::read::context::{Cancelled, each};
use crate::tree::stat::Timestamp;

/// An entry that differs between the first and the second side.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The part of the image with the entry.
    pub section: Section,
    /// The path from the top of the tree; empty for the top itself.
    pub path: PathBuf,
    /// Whether the entry was removed, added or changed.
    pub change: ChangeKind,
    /// The bytes of content on the first side; `None` unless it is a file there.
    pub size_before: Option<u64>,
    /// The bytes of content on the second side; `None` unless it is a file there.
    pub size_after: Option<u64>,
    /// The fields that differ. Empty unless the entry was [changed](ChangeKind::Changed).
    pub fields: Vec<FieldChange>,
}

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Section {
    /// The root filesystem.
    Tree,
    /// The entries beside it: `metadata.yaml` and templates, or an OCI image's configuration.
    Metadata,
}

impl Section {
    /// The name in records: `tree` or `metadata`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Section::Tree => "tree",
            Section::Metadata => "metadata",
        }
    }
}

/// The kind of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// The entry is only on the first side.
    Removed,
    /// The entry is only on the second side.
    Added,
    /// The entry is on both sides, and differs.
    Changed,
}

impl ChangeKind {
    /// The name in records: `removed`, `added` or `changed`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ChangeKind::Removed => "removed",
            ChangeKind::Added => "added",
            ChangeKind::Changed => "changed",
        }
    }
}

/// A field of an entry that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldChange {
    /// The field.
    pub field: Field,
    /// The value on the first side as text without control characters. `None` if there is none, or if it is content. The text of an
    /// extended attribute is empty.
    pub before: Option<String>,
    /// The same on the second side.
    pub after: Option<String>,
}

/// A field of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// The type: a file, a directory, …
    Kind,
    /// The permission bits, set-id and sticky.
    Mode,
    /// User and group.
    Owner,
    /// The modification time, in seconds since 1970.
    Time,
    /// The size of a file, in bytes.
    Size,
    /// The bytes of a file. Not listed if the size differs.
    Content,
    /// The target of a symlink.
    Target,
    /// The major and minor number of a device.
    Device,
    /// The other name that the entry is a hard link of.
    HardLink,
    /// The extended attribute with this name.
    Xattr(Vec<u8>),
}

impl Field {
    /// The name in records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Field::Kind => "kind",
            Field::Mode => "mode",
            Field::Owner => "owner",
            Field::Time => "mtime",
            Field::Size => "size",
            Field::Content => "content",
            Field::Target => "target",
            Field::Device => "device",
            Field::HardLink => "hard-link",
            Field::Xattr(_) => "xattr",
        }
    }
}

impl Difference {
    /// A line of text for each field that differs, or one for an entry on one side only. `sides` names the sides:
    /// `["the image", "the tree"]`.
    #[must_use]
    pub fn lines(&self, sides: [&str; 2]) -> Vec<String> {
        let path = if self.path.as_os_str().is_empty() { ".".to_owned() } else { escape_path(&self.path) };
        let path = match self.section {
            Section::Tree => path,
            Section::Metadata => format!("{path} (metadata)"),
        };
        match self.change {
            ChangeKind::Removed => vec![format!("{path}: only in {}", sides[0])],
            ChangeKind::Added => vec![format!("{path}: only in {}", sides[1])],
            ChangeKind::Changed => self.fields.iter().map(|field| format!("{path}: {}", field.line(sides))).collect(),
        }
    }
}

impl FieldChange {
    fn line(&self, [first, second]: [&str; 2]) -> String {
        let what = match &self.field {
            Field::Xattr(name) => format!("attribute {}", quoted(name)),
            Field::HardLink => "hard link".to_owned(),
            field => field.name().to_owned(),
        };
        match (&self.before, &self.after, &self.field) {
            (Some(before), Some(after), Field::Xattr(_)) if before == after => format!("{what} differs"),
            (Some(_), None, Field::Xattr(_)) => format!("{what} only in {first}"),
            (None, Some(_), Field::Xattr(_)) => format!("{what} only in {second}"),
            (None, None, _) => format!("{what} differs"),
            (before, after, _) => {
                let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
                format!("{what} {} in {first}, {} in {second}", value(before), value(after))
            }
        }
    }
}

/// The differences of two trees, in byte order of the paths.
///
/// The first name that both sides have stands for all names of a file: the differences of the file are listed there, and at its
/// other names only if they do not name one file on the other side.
pub(crate) fn of_trees(
    first: &Contents,
    second: &Contents,
    cancel: &CancelToken,
) -> Result<Vec<Difference>, Cancelled> {
    let mut first_names: [HashMap<usize, &[u8]>; 2] = Default::default();
    let mut differences = Vec::new();
    each(merged(first.entries(), second.entries()), cancel, |(path, before, after)| {
        differences.extend(match (before, after) {
            (Some(before), Some(after)) => {
                let names = [
                    *first_names[0].entry(before.number).or_insert(path),
                    *first_names[1].entry(after.number).or_insert(path),
                ];
                of_inodes(path, before, after, names)
            }
            (before, after) => one_sided(Section::Tree, path, before.map(|it| it.node), after.map(|it| it.node)),
        });
    })?;
    Ok(differences)
}

/// The differences beside two trees, in existence, type and content; not in owner, mode and time.
pub(crate) fn of_side_files(
    first: &SideFiles,
    second: &SideFiles,
    cancel: &CancelToken,
) -> Result<Vec<Difference>, Cancelled> {
    fn sorted(files: &SideFiles) -> impl Iterator<Item = (&[u8], &Node)> {
        files.iter().map(|(path, node)| (&**path, node))
    }
    let mut differences = Vec::new();
    each(merged(sorted(first), sorted(second)), cancel, |(path, before, after)| {
        differences.extend(match (before, after) {
            (Some(before), Some(after)) => {
                changed(Section::Metadata, path, before, after, of_kinds(&before.kind, &after.kind))
            }
            (before, after) => one_sided(Section::Metadata, path, before, after),
        });
    })?;
    Ok(differences)
}

/// Merges two sorted lists by path.
fn merged<'a, Entry>(
    first: impl Iterator<Item = (&'a [u8], Entry)>,
    second: impl Iterator<Item = (&'a [u8], Entry)>,
) -> impl Iterator<Item = (&'a [u8], Option<Entry>, Option<Entry>)> {
    let (mut first, mut second) = (first.peekable(), second.peekable());
    std::iter::from_fn(move || {
        let path = match (first.peek(), second.peek()) {
            (Some((one, _)), Some((other, _))) => *one.min(other),
            (Some((path, _)), None) | (None, Some((path, _))) => *path,
            (None, None) => return None,
        };
        let before = first.next_if(|(next, _)| *next == path).map(|(_, entry)| entry);
        let after = second.next_if(|(next, _)| *next == path).map(|(_, entry)| entry);
        Some((path, before, after))
    })
}

fn one_sided(section: Section, path: &[u8], before: Option<&Node>, after: Option<&Node>) -> Option<Difference> {
    let change = match (before, after) {
        (Some(_), None) => ChangeKind::Removed,
        (None, Some(_)) => ChangeKind::Added,
        _ => return None,
    };
    let path = OsStr::from_bytes(path).into();
    let (size_before, size_after) = (before.and_then(size), after.and_then(size));
    Some(Difference { section, path, change, size_before, size_after, fields: Vec::new() })
}

fn changed(section: Section, path: &[u8], before: &Node, after: &Node, fields: Vec<FieldChange>) -> Option<Difference> {
    let path = OsStr::from_bytes(path).into();
    let (size_before, size_after) = (size(before), size(after));
    let change = ChangeKind::Changed;
    (!fields.is_empty()).then_some(Difference { section, path, change, size_before, size_after, fields })
}

fn size(node: &Node) -> Option<u64> {
    match &node.kind {
        NodeKind::File(content) => Some(content.size),
        _ => None,
    }
}

/// `first_names` are the names that stand for the two files.
fn of_inodes(path: &[u8], before: Inode<'_>, after: Inode<'_>, first_names: [&[u8]; 2]) -> Option<Difference> {
    let mut fields = Vec::new();
    if first_names[0] != first_names[1] {
        let [before, after] = first_names.map(|name| (name != path).then(|| quoted(name)));
        fields.push(FieldChange { field: Field::HardLink, before, after });
    } else if first_names[0] != path {
        return None;
    }
    fields.extend(of_nodes(before.node, after.node));
    changed(Section::Tree, path, before.node, after.node, fields)
}

fn of_nodes(before: &Node, after: &Node) -> Vec<FieldChange> {
    let mut fields = of_kinds(&before.kind, &after.kind);
    let owner = |(uid, gid): (u32, u32)| format!("{uid}:{gid}");
    fields.extend(unequal(Field::Mode, before.mode, after.mode, |mode| format!("{mode:04o}")));
    fields.extend(unequal(Field::Owner, before.owner, after.owner, owner));
    fields.extend(unequal(Field::Time, before.modified, after.modified, decimal));
    let names: BTreeSet<&[u8]> = before.xattrs.keys().chain(after.xattrs.keys()).map(|name| &**name).collect();
    for name in names {
        let values = [before.xattrs.get(name), after.xattrs.get(name)];
        if values[0] != values[1] {
            // Values may be long or secret: only their presence is listed.
            let [before, after] = values.map(|value| value.map(|_| String::new()));
            fields.push(FieldChange { field: Field::Xattr(name.to_vec()), before, after });
        }
    }
    fields
}

fn of_kinds(before: &NodeKind, after: &NodeKind) -> Vec<FieldChange> {
    let device = |(major, minor): (u32, u32)| format!("{major},{minor}");
    let change = match (before, after) {
        (NodeKind::File(before), NodeKind::File(after)) if before.size != after.size => {
            unequal(Field::Size, before.size, after.size, |size| size.to_string())
        }
        (NodeKind::File(before), NodeKind::File(after)) => {
            (before != after).then_some(FieldChange { field: Field::Content, before: None, after: None })
        }
        (NodeKind::Symlink { target: before }, NodeKind::Symlink { target: after }) => {
            unequal(Field::Target, &**before, &**after, quoted)
        }
        (&NodeKind::CharacterDevice(a, b), &NodeKind::CharacterDevice(c, d))
        | (&NodeKind::BlockDevice(a, b), &NodeKind::BlockDevice(c, d)) => {
            unequal(Field::Device, (a, b), (c, d), device)
        }
        (before, after) => unequal(Field::Kind, before.name(), after.name(), str::to_owned),
    };
    change.into_iter().collect()
}

fn unequal<Value: Copy + PartialEq>(
    field: Field,
    before: Value,
    after: Value,
    text: impl Fn(Value) -> String,
) -> Option<FieldChange> {
    (before != after).then(|| FieldChange { field, before: Some(text(before)), after: Some(text(after)) })
}

/// A path or a target as lines show it.
fn quoted(path: &[u8]) -> String {
    format!("`{}`", escape_path(Path::new(OsStr::from_bytes(path))))
}

/// Seconds since 1970, with nine decimals unless all are zeros.
fn decimal(time: Timestamp) -> String {
    match (time.seconds, time.nanoseconds) {
        (seconds, 0) => seconds.to_string(),
        (seconds, nanoseconds) if seconds >= 0 => format!("{seconds}.{nanoseconds:09}"),
        // The nanoseconds of a negative time count forwards from the second before.
        (-1, nanoseconds) => format!("-0.{:09}", 1_000_000_000 - nanoseconds),
        (seconds, nanoseconds) => format!("{}.{:09}", seconds + 1, 1_000_000_000 - nanoseconds),
    }
}
