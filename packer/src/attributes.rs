//! Extended attributes of every kind of entry, ACLs and file capabilities among them.
//!
//! They are read by the name of one component in a directory's handle, without following it: `/proc/self/fd/N/NAME` is what
//! `*at` calls are for other system calls (`listxattrat` exists since Linux 6.13 only). So symlinks, fifos and devices have
//! theirs read like files, and nothing is opened.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use rustix::io::Errno;

/// Names and values, sorted by the names' bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes(Box<[Attribute]>);

/// One extended attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: Box<[u8]>,
    pub(crate) value: Box<[u8]>,
}

/// Why the attributes of an entry cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// What the kernel says.
    Io(Errno),
    /// The names are more than any system call gives.
    TooLong,
    /// One that was listed is gone.
    Changed,
}

/// The most that Linux gives of a list or a value, in bytes (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const LARGEST: usize = 64 << 10;

/// What stands for the inode on one machine or one filesystem only: it would be wrong anywhere else.
fn is_local(name: &[u8]) -> bool {
    name == b"security.evm" || name.starts_with(b"btrfs.")
}

impl Attributes {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Attribute> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Attribute> {
        self.0.iter_mut()
    }

    /// The value of the attribute with this name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|attribute| &*attribute.name == name).map(|attribute| &*attribute.value)
    }
}

/// Reads attributes, with room that is used again.
#[derive(Debug)]
pub(crate) struct AttributeReader {
    names: Vec<u8>,
    value: Vec<u8>,
    path: Vec<u8>,
}

impl AttributeReader {
    pub(crate) fn new() -> Self {
        AttributeReader { names: vec![0; LARGEST], value: vec![0; LARGEST], path: Vec::new() }
    }

    /// Whether there is what attributes are read by.
    pub(crate) fn is_possible() -> bool {
        Path::new("/proc/self/fd").is_dir()
    }

    /// The attributes of the entry `name` in `directory`; of the directory itself if the name is empty.
    pub(crate) fn read(&mut self, directory: BorrowedFd<'_>, name: &[u8]) -> Result<Attributes, Unreadable> {
        self.path.clear();
        self.path.extend_from_slice(b"/proc/self/fd/");
        self.path.extend_from_slice(directory.as_raw_fd().to_string().as_bytes());
        // With a slash behind it the link to the directory itself is followed.
        self.path.push(b'/');
        self.path.extend_from_slice(name);
        let length = match rustix::fs::llistxattr(&*self.path, &mut self.names[..]) {
            // Most entries of most trees.
            Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Attributes::default()),
            Ok(length) => length,
            Err(Errno::TOOBIG | Errno::RANGE) => return Err(Unreadable::TooLong),
            Err(error) => return Err(Unreadable::Io(error)),
        };
        let mut attributes = Vec::new();
        for name in self.names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty() && !is_local(name)) {
            match rustix::fs::lgetxattr(&*self.path, name, &mut self.value[..]) {
                Ok(length) => attributes.push(Attribute { name: name.into(), value: self.value[..length].into() }),
                Err(Errno::NODATA) => return Err(Unreadable::Changed),
                Err(Errno::TOOBIG | Errno::RANGE) => return Err(Unreadable::TooLong),
                Err(error) => return Err(Unreadable::Io(error)),
            }
        }
        attributes.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(Attributes(attributes.into()))
    }
}

#[cfg(test)]
impl FromIterator<(&'static str, Vec<u8>)> for Attributes {
    fn from_iter<Pairs: IntoIterator<Item = (&'static str, Vec<u8>)>>(pairs: Pairs) -> Self {
        let attribute =
            |(name, value): (&str, Vec<u8>)| Attribute { name: name.as_bytes().into(), value: value.into() };
        Attributes(pairs.into_iter().map(attribute).collect())
    }
}
