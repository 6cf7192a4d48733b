//! Extended attributes, among them ACLs and file capabilities.
//!
//! They are read by a name in an open directory, without following a symlink. So symlinks, fifos and devices are read like files,
//! and nothing is opened.

pub(crate) mod acl;
mod host;
mod syscalls;

pub(crate) mod filter;

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use rustix::io::Errno;

use crate::tree::xattr::filter::XattrFilter;

/// The extended attributes of one entry, sorted by the bytes of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Xattrs(Box<[Xattr]>);

/// One extended attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Xattr {
    pub(crate) name: Box<[u8]>,
    pub(crate) value: Box<[u8]>,
}

/// Why the extended attributes of an entry cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum XattrError {
    /// The kernel's error.
    Io(Errno),
    /// The names are longer than Linux can list.
    TooLong,
    /// A file capability has a root user that the user namespace does not map.
    UnmappedCapability,
}

/// The longest list of names, and the longest value, that Linux returns, in bytes (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const MAX_SIZE: usize = 64 << 10;

#[cfg(test)]
impl FromIterator<(Vec<u8>, Vec<u8>)> for Xattrs {
    fn from_iter<Pairs: IntoIterator<Item = (Vec<u8>, Vec<u8>)>>(pairs: Pairs) -> Self {
        let pair = |(name, value): (Vec<u8>, Vec<u8>)| Xattr { name: name.into(), value: value.into() };
        Xattrs(pairs.into_iter().map(pair).collect())
    }
}

impl Xattrs {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Xattr> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Xattr> {
        self.0.iter_mut()
    }

    /// The value of the attribute called `name`.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|attribute| &*attribute.name == name).map(|attribute| &*attribute.value)
    }
}

/// Reads the extended attributes that a filter keeps, into buffers that it reuses.
#[derive(Debug)]
pub(crate) struct XattrReader<'a> {
    backend: XattrBackend,
    filter: &'a XattrFilter,
    names: Vec<u8>,
    value: Vec<u8>,
}

/// The system interface that extended attributes are read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum XattrBackend {
    /// `listxattrat` and `getxattrat`, since Linux 6.13.
    Syscalls,
    /// The path `/proc/self/fd/N/NAME`.
    ProcFd,
}

impl XattrBackend {
    /// The fastest backend that works for `directory`; `None` if none does.
    pub(crate) fn detect(directory: BorrowedFd<'_>) -> Option<Self> {
        match syscalls::list(directory, c"", &mut [0; 1]) {
            // Filters of system calls answer with one of these to a call that they do not know.
            Err(Errno::NOSYS | Errno::PERM) => Path::new("/proc/self/fd").is_dir().then_some(XattrBackend::ProcFd),
            _ => Some(XattrBackend::Syscalls),
        }
    }

    fn list(self, directory: BorrowedFd<'_>, name: &[u8], names: &mut [u8]) -> Result<usize, Errno> {
        match self {
            XattrBackend::Syscalls => syscalls::list(directory, &terminated(name)?, names),
            XattrBackend::ProcFd => rustix::fs::llistxattr(proc_path(directory, name), names),
        }
    }

    fn get(self, directory: BorrowedFd<'_>, name: &[u8], attribute: &[u8], value: &mut [u8]) -> Result<usize, Errno> {
        match self {
            XattrBackend::Syscalls => syscalls::get(directory, &terminated(name)?, &terminated(attribute)?, value),
            XattrBackend::ProcFd => rustix::fs::lgetxattr(proc_path(directory, name), attribute, value),
        }
    }
}

fn terminated(name: &[u8]) -> Result<CString, Errno> {
    CString::new(name).map_err(|_| Errno::INVAL)
}

/// The path of `name` in an open directory. The slash at the end of an empty name makes the kernel follow the link to the directory.
pub(crate) fn proc_path(directory: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    path
}

impl<'a> XattrReader<'a> {
    pub(crate) fn new(backend: XattrBackend, filter: &'a XattrFilter) -> Self {
        XattrReader { backend, filter, names: vec![0; MAX_SIZE], value: vec![0; MAX_SIZE] }
    }

    /// The extended attributes of `name` in `directory`, or of the directory itself if the name is empty.
    pub(crate) fn read(&mut self, directory: BorrowedFd<'_>, name: &[u8]) -> Result<Xattrs, XattrError> {
        let length = match self.backend.list(directory, name, &mut self.names) {
            // The usual case: most entries have none.
            Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Xattrs::default()),
            Ok(length) => length,
            Err(Errno::TOOBIG | Errno::RANGE) => return Err(XattrError::TooLong),
            Err(error) => return Err(XattrError::Io(error)),
        };
        let mut xattrs = Vec::new();
        let wanted = |attribute: &&[u8]| !attribute.is_empty() && self.filter.wants(attribute);
        for attribute in self.names[..length].split(|byte| *byte == 0).filter(wanted) {
            match self.backend.get(directory, name, attribute, &mut self.value) {
                Ok(length) => {
                    let value = &self.value[..length];
                    if self.filter.keeps(attribute, value) {
                        xattrs.push(Xattr { name: attribute.into(), value: value.into() });
                    }
                }
                // Removed since it was listed. The caller sees it by the inode's change time.
                Err(Errno::NODATA) => {}
                Err(Errno::TOOBIG | Errno::RANGE) => return Err(XattrError::TooLong),
                Err(Errno::OVERFLOW) if attribute == b"security.capability" => {
                    return Err(XattrError::UnmappedCapability);
                }
                Err(error) => return Err(XattrError::Io(error)),
            }
        }
        xattrs.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(Xattrs(xattrs.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Of every kind of entry that may have attributes.
    #[test]
    fn both_backends_find_the_same() {
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
        // Only root may set attributes of a symlink.
        let rooted = rustix::fs::lsetxattr(at("link"), "trusted.l", b"l", flags).is_ok();
        let handle = std::fs::File::open(directory.path()).unwrap();
        let named = |xattrs: Xattrs| -> Vec<String> {
            let name = |attribute: &Xattr| String::from_utf8_lossy(&attribute.name).into_owned();
            let known = |name: &String| name.starts_with("user.") || name.starts_with("trusted.");
            xattrs.iter().map(name).filter(known).collect()
        };
        for backend in [XattrBackend::ProcFd, XattrBackend::detect(handle.as_fd()).unwrap()] {
            let filter = XattrFilter::new(&Default::default()).unwrap();
            let mut reader = XattrReader::new(backend, &filter);
            let mut read = |name: &str| reader.read(handle.as_fd(), name.as_bytes()).unwrap();
            assert_eq!(read("file").get(b"user.a=%"), Some(&b"\n\0\xff"[..]));
            assert_eq!(named(read("file")), ["user.a=%", "user.empty", "user.z"], "{backend:?}");
            assert_eq!(named(read("")), ["user.top"], "{backend:?}");
            assert_eq!(named(read("link")), if rooted { vec!["trusted.l"] } else { vec![] }, "{backend:?}");
            assert_eq!(named(read("plain")), Vec::<String>::new(), "{backend:?}");
            assert_eq!(reader.read(handle.as_fd(), b"gone"), Err(XattrError::Io(Errno::NOENT)), "{backend:?}");
        }
    }
}
