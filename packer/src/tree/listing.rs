//! A directory's names in the order of the archive.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::RawDir;
use rustix::io::Errno;

use crate::cancel::CancelToken;
use crate::error::Error;

/// Memory for the names of all directories on the way down to the current one, in bytes: about ten million names.
pub(crate) const MEMORY_LIMIT: usize = 256 << 20;

/// The names in one directory, each once, sorted by their bytes and stored in one allocation.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// Each name, with the inode number in eight bytes behind it if they are read.
    bytes: Vec<u8>,
    /// Where each name starts, and its length.
    spans: std::vec::IntoIter<Span>,
    fields: Fields,
    /// How many bytes of memory the names take.
    pub(crate) size: usize,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) bytes: Vec<u8>,
    /// As the directory has it: at a mount point, that of the file below the mount.
    pub(crate) inode: Option<u64>,
}

/// What to read of each name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fields {
    Name,
    NameAndInode,
}

type Span = (u32, u16);

/// Why a directory cannot be listed.
#[derive(Debug)]
pub(crate) enum ListError {
    Io(Errno),
    /// The names exceed the memory limit.
    TooLong,
    Cancelled(Error),
}

impl ListError {
    /// The error of listing the directory at `path`.
    pub(crate) fn at(self, path: &[u8]) -> Error {
        let path = OsStr::from_bytes(path);
        match self {
            ListError::Cancelled(error) => error,
            ListError::Io(error) => Error::io("read directory", path, error),
            ListError::TooLong => {
                let limit = MEMORY_LIMIT >> 20;
                let what =
                    format!("and the directories above it hold more names than fit {limit} MiB, which is the limit");
                Error::unfit(path, what)
            }
        }
    }
}

impl Names {
    /// Reads all names but `.` and `..` from an open directory, if they fit `memory_limit` bytes.
    pub(crate) fn read(
        handle: impl AsFd,
        fields: Fields,
        memory_limit: usize,
        cancel: &CancelToken,
    ) -> std::result::Result<Self, ListError> {
        let mut bytes = Vec::new();
        let mut spans: Vec<Span> = Vec::new();
        let mut buffer = Vec::with_capacity(32 << 10);
        let mut entries = RawDir::new(handle, buffer.spare_capacity_mut());
        let mut size = 0;
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                entry => entry.map_err(ListError::Io)?,
            };
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let start = u32::try_from(bytes.len()).map_err(|_| ListError::TooLong)?;
                spans.push((start, u16::try_from(name.len()).map_err(|_| ListError::TooLong)?));
                bytes.extend_from_slice(name);
                if fields == Fields::NameAndInode {
                    bytes.extend_from_slice(&entry.ino().to_ne_bytes());
                }
                size = bytes.len() + size_of_val(&spans[..]);
                cancel.check().map_err(ListError::Cancelled)?;
                if size > memory_limit {
                    return Err(ListError::TooLong);
                }
            }
        }
        sort(&bytes, &mut spans);
        #[cfg(fault_injection)]
        crate::fault::unsort(&mut spans);
        Ok(Names { bytes, spans: spans.into_iter(), fields, size })
    }
}

/// Sorts names, and keeps each once. A directory may list a name twice if it is renamed meanwhile, or if the filesystem is broken.
fn sort(bytes: &[u8], spans: &mut Vec<Span>) {
    spans.sort_unstable_by(|one, other| span(bytes, *one).cmp(span(bytes, *other)));
    spans.dedup_by(|one, other| span(bytes, *one) == span(bytes, *other));
}

impl Iterator for Names {
    type Item = Name;

    fn next(&mut self) -> Option<Name> {
        let (start, length) = self.spans.next()?;
        let inode = match self.fields {
            Fields::Name => None,
            Fields::NameAndInode => {
                self.bytes[start as usize + usize::from(length)..].first_chunk().copied().map(u64::from_ne_bytes)
            }
        };
        Some(Name { bytes: span(&self.bytes, (start, length)).to_vec(), inode })
    }
}

fn span(bytes: &[u8], (start, length): Span) -> &[u8] {
    &bytes[start as usize..][..usize::from(length)]
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn names_are_listed_up_to_the_memory_limit() {
        let place = tempfile::tempdir().unwrap();
        for name in ["bb", "a", "ccc"] {
            std::fs::write(place.path().join(name), "").unwrap();
        }
        for (fields, has_inodes) in [(Fields::Name, false), (Fields::NameAndInode, true)] {
            let names_in = |limit| Names::read(File::open(place.path()).unwrap(), fields, limit, &CancelToken::NEVER);
            let whole = names_in(1 << 10).unwrap();
            let size = whole.size;
            let expected = ["a", "bb", "ccc"].map(|name| {
                let inode = std::fs::metadata(place.path().join(name)).unwrap().ino();
                Name { bytes: name.into(), inode: has_inodes.then_some(inode) }
            });
            assert_eq!(whole.collect::<Vec<_>>(), expected);
            assert!(names_in(size).is_ok());
            assert!(matches!(names_in(size - 1), Err(ListError::TooLong)));
        }
    }

    #[test]
    fn a_name_that_is_listed_twice_is_one() {
        // b, ab, b, a, ab
        let (bytes, mut spans) = (b"babbaab", vec![(0, 1), (1, 2), (3, 1), (4, 1), (5, 2)]);
        sort(bytes, &mut spans);
        let names: Vec<&[u8]> = spans.iter().map(|at| span(bytes, *at)).collect();
        assert_eq!(names, [&b"a"[..], b"ab", b"b"]);
    }
}
