//! What differs between an entry of a tree and that of an image.

use std::fmt;

use super::attributes::AttributeDifference;
use super::entry::{Entry, Kind, bytes_shown, hexadecimal, seconds, shown};

/// A difference between a tree and an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The image lacks this entry.
    Missing {
        /// Its path.
        path: String,
    },
    /// The image has this entry and the tree has not.
    Additional {
        /// Its path.
        path: String,
    },
    /// Two members stand in the wrong order, or one stands there twice.
    Disorder {
        /// The path of the later one.
        path: String,
        /// The path of the one before it.
        behind: String,
    },
    /// The image has this entry twice.
    Doubled {
        /// Its path.
        path: String,
    },
    /// The blocks of zeros are missing that end an archive.
    NoEnd,
    /// Both have this entry, and something of it is another.
    Field {
        /// Its path.
        path: String,
        /// What differs.
        field: Field,
        /// Its value in the tree.
        tree: String,
        /// Its value in the image.
        image: String,
    },
}

/// Something that an entry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// File, directory, and so on.
    Kind,
    /// The target of a link.
    Target,
    /// The numbers of a device.
    Device,
    /// The size of a file.
    Size,
    /// The content of a file.
    Content,
    /// The permissions.
    Mode,
    /// User and group.
    Owner,
    /// The time of the last change.
    Time,
    /// An extended attribute, or the text of an ACL.
    Attribute(String),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Kind => "kind",
            Field::Target => "target",
            Field::Device => "device",
            Field::Size => "size",
            Field::Content => "content (sha256)",
            Field::Mode => "mode",
            Field::Owner => "owner",
            Field::Time => "time",
            Field::Attribute(name) => return write!(f, "attribute `{name}`"),
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing { path } => write!(f, "`{path}` is missing"),
            Difference::Additional { path } => write!(f, "`{path}` is not in the tree"),
            Difference::Disorder { path, behind } => write!(f, "`{path}` stands behind `{behind}`"),
            Difference::Doubled { path } => write!(f, "`{path}` stands there twice"),
            Difference::NoEnd => f.write_str("the end of the archive is missing"),
            Difference::Field { path, field, tree, image } => {
                write!(f, "`{path}`: {field} is {image}, in the tree {tree}")
            }
        }
    }
}

impl Difference {
    /// A field of an entry, with its two values.
    pub(super) fn field(path: &[u8], (field, tree, image): FieldDifference) -> Self {
        Difference::Field { path: shown(path), field, tree, image }
    }
}

/// A field, its value in the tree and its value in the image.
pub(super) type FieldDifference = (Field, String, String);

/// All fields in which an entry of a tree and one of an image differ.
pub(super) fn fields(tree: &Entry, image: &Entry) -> Vec<FieldDifference> {
    let mut found = kinds(&tree.kind, &image.kind);
    let mut add = |field, values: [String; 2]| {
        let [tree, image] = values;
        found.push((field, tree, image));
    };
    let both = [tree, image];
    if tree.mode != image.mode {
        add(Field::Mode, both.map(|entry| format!("{:o}", entry.mode)));
    }
    if tree.owner != image.owner {
        add(Field::Owner, both.map(|entry| format!("{}:{}", entry.owner.0, entry.owner.1)));
    }
    if tree.modified != image.modified {
        add(Field::Time, both.map(|entry| seconds(entry.modified)));
    }
    if let Some(AttributeDifference { name, one, other }) = tree.attributes.difference(&image.attributes) {
        let name = String::from_utf8_lossy(name).escape_debug().to_string();
        add(Field::Attribute(name), [one, other].map(|value| value.map_or_else(|| "missing".into(), bytes_shown)));
    }
    found
}

/// The fields of kinds that differ.
fn kinds(tree: &Kind, image: &Kind) -> Vec<FieldDifference> {
    match (tree, image) {
        (tree, image) if tree == image => Vec::new(),
        (Kind::File { size, content }, Kind::File { size: other_size, content: other }) => {
            if size == other_size {
                vec![(Field::Content, hexadecimal(content), hexadecimal(other))]
            } else {
                vec![(Field::Size, size.to_string(), other_size.to_string())]
            }
        }
        (Kind::HardLink { target }, Kind::HardLink { target: other }) => {
            vec![(Field::Target, format!("`{}`", shown(target)), format!("`{}`", shown(other)))]
        }
        (Kind::Symlink { target }, Kind::Symlink { target: other }) => {
            vec![(Field::Target, bytes_shown(target), bytes_shown(other))]
        }
        (Kind::CharacterDevice { major, minor }, Kind::CharacterDevice { major: other_major, minor: other_minor })
        | (Kind::BlockDevice { major, minor }, Kind::BlockDevice { major: other_major, minor: other_minor }) => {
            vec![(Field::Device, format!("{major}:{minor}"), format!("{other_major}:{other_minor}"))]
        }
        _ => vec![(Field::Kind, tree.name().to_owned(), image.name().to_owned())],
    }
}
