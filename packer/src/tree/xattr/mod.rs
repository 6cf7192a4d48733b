//! Extended attributes of every kind of entry, ACLs and file capabilities among them.
//!
//! They are read by the name of one component in a directory's handle, without following it. So symlinks, fifos and devices
//! have theirs read like files, and nothing is opened.

pub(crate) mod acl;
mod syscalls;

use std::ffi::CString;
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
}

/// The most that Linux gives of a list or a value, in bytes (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const LARGEST: usize = 64 << 10;

/// What stands for the inode on one machine or one filesystem only: it would be wrong anywhere else. xfs lists its ACLs a second
/// time, to root, in the form that they have on its disk.
fn is_local(name: &[u8]) -> bool {
    name == b"security.evm" || name.starts_with(b"btrfs.") || name.starts_with(b"trusted.SGI_ACL_")
}

#[cfg(test)]
impl FromIterator<(Vec<u8>, Vec<u8>)> for Attributes {
    fn from_iter<Pairs: IntoIterator<Item = (Vec<u8>, Vec<u8>)>>(pairs: Pairs) -> Self {
        let pair = |(name, value): (Vec<u8>, Vec<u8>)| Attribute { name: name.into(), value: value.into() };
        Attributes(pairs.into_iter().map(pair).collect())
    }
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
    way: Way,
    names: Vec<u8>,
    value: Vec<u8>,
}

/// How attributes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By the system calls that are made for it, since Linux 6.13.
    Calls,
    /// By `/proc/self/fd/N/NAME`.
    Proc,
}

impl Way {
    /// The way that is open here, found out with a directory; nothing if there is none.
    pub(crate) fn open(directory: BorrowedFd<'_>) -> Option<Self> {
        match syscalls::list(directory, c"", &mut [0; 1]) {
            // Filters of system calls say one or the other of what they do not know.
            Err(Errno::NOSYS | Errno::PERM) => Path::new("/proc/self/fd").is_dir().then_some(Way::Proc),
            _ => Some(Way::Calls),
        }
    }

    fn list(self, directory: BorrowedFd<'_>, name: &[u8], names: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Way::Calls => syscalls::list(directory, &terminated(name)?, names),
            Way::Proc => rustix::fs::llistxattr(path(directory, name), names),
        }
    }

    fn get(self, directory: BorrowedFd<'_>, name: &[u8], attribute: &[u8], value: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Way::Calls => syscalls::get(directory, &terminated(name)?, &terminated(attribute)?, value),
            Way::Proc => rustix::fs::lgetxattr(path(directory, name), attribute, value),
        }
    }
}

fn terminated(name: &[u8]) -> Result<CString, Errno> {
    CString::new(name).map_err(|_| Errno::INVAL)
}

/// The slash lets the link to the directory be followed if the name is empty.
fn path(directory: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    path
}

impl AttributeReader {
    pub(crate) fn new(way: Way) -> Self {
        AttributeReader { way, names: vec![0; LARGEST], value: vec![0; LARGEST] }
    }

    /// The attributes of the entry `name` in `directory`; of the directory itself if the name is empty.
    pub(crate) fn read(&mut self, directory: BorrowedFd<'_>, name: &[u8]) -> Result<Attributes, Unreadable> {
        let length = match self.way.list(directory, name, &mut self.names) {
            // Most entries of most trees.
            Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Attributes::default()),
            Ok(length) => length,
            Err(Errno::TOOBIG | Errno::RANGE) => return Err(Unreadable::TooLong),
            Err(error) => return Err(Unreadable::Io(error)),
        };
        let mut attributes = Vec::new();
        let wanted = |attribute: &&[u8]| !attribute.is_empty() && !is_local(attribute);
        for attribute in self.names[..length].split(|byte| *byte == 0).filter(wanted) {
            match self.way.get(directory, name, attribute, &mut self.value) {
                Ok(length) => {
                    attributes.push(Attribute { name: attribute.into(), value: self.value[..length].into() });
                }
                // Removed since it was listed: the inode's change time tells whoever looks again.
                Err(Errno::NODATA) => {}
                Err(Errno::TOOBIG | Errno::RANGE) => return Err(Unreadable::TooLong),
                Err(error) => return Err(Unreadable::Io(error)),
            }
        }
        attributes.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(Attributes(attributes.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Both ways see the same, of every kind of entry that may have attributes.
    #[test]
    fn both_ways_find_the_same() {
        let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        std::fs::write(at("plain"), "").unwrap();
        symlink("file", at("link")).unwrap();
        let flags = rustix::fs::XattrFlags::empty();
        for (name, value) in [("user.z", &b"1"[..]), ("user.a=%", b"\n\0\xff"), ("user.empty", b"")] {
            rustix::fs::setxattr(at("file"), name, value, flags).unwrap();
        }
        rustix::fs::setxattr(directory.path(), "user.top", b"top", flags).unwrap();
        // Only root may give a symlink any.
        let rooted = rustix::fs::lsetxattr(at("link"), "trusted.l", b"l", flags).is_ok();
        let handle = std::fs::File::open(directory.path()).unwrap();
        let named = |attributes: Attributes| -> Vec<String> {
            let name = |attribute: &Attribute| String::from_utf8_lossy(&attribute.name).into_owned();
            let known = |name: &String| name.starts_with("user.") || name.starts_with("trusted.");
            attributes.iter().map(name).filter(known).collect()
        };
        for way in [Way::Proc, Way::open(handle.as_fd()).unwrap()] {
            let mut reader = AttributeReader::new(way);
            let mut read = |name: &str| reader.read(handle.as_fd(), name.as_bytes()).unwrap();
            assert_eq!(read("file").get(b"user.a=%"), Some(&b"\n\0\xff"[..]));
            assert_eq!(named(read("file")), ["user.a=%", "user.empty", "user.z"], "{way:?}");
            assert_eq!(named(read("")), ["user.top"], "{way:?}");
            assert_eq!(named(read("link")), if rooted { vec!["trusted.l"] } else { vec![] }, "{way:?}");
            assert_eq!(named(read("plain")), Vec::<String>::new(), "{way:?}");
            assert_eq!(reader.read(handle.as_fd(), b"gone"), Err(Unreadable::Io(Errno::NOENT)), "{way:?}");
        }
    }
}
