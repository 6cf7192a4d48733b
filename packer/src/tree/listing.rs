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

/// The names in one directory, sorted by their bytes and stored in one allocation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    /// Where each name starts, and its length.
    spans: std::vec::IntoIter<(u32, u16)>,
    /// How many bytes of memory the names take.
    pub(crate) size: usize,
}

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
        memory_limit: usize,
        cancel: &CancelToken,
    ) -> std::result::Result<Self, ListError> {
        let mut bytes = Vec::new();
        let mut spans: Vec<(u32, u16)> = Vec::new();
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
                size = bytes.len() + size_of_val(&spans[..]);
                cancel.check().map_err(ListError::Cancelled)?;
                if size > memory_limit {
                    return Err(ListError::TooLong);
                }
            }
        }
        spans.sort_unstable_by(|one, other| span(&bytes, *one).cmp(span(&bytes, *other)));
        #[cfg(fault_injection)]
        crate::fault::unsort(&mut spans);
        Ok(Names { bytes, spans: spans.into_iter(), size })
    }
}

impl Iterator for Names {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.spans.next().map(|at| span(&self.bytes, at).to_vec())
    }
}

fn span(bytes: &[u8], (start, length): (u32, u16)) -> &[u8] {
    &bytes[start as usize..][..usize::from(length)]
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn names_are_listed_up_to_the_memory_limit() {
        let place = tempfile::tempdir().unwrap();
        for name in ["bb", "a", "ccc"] {
            std::fs::write(place.path().join(name), "").unwrap();
        }
        let names_in = |limit| Names::read(File::open(place.path()).unwrap(), limit, &CancelToken::NEVER);
        let whole = names_in(1 << 10).unwrap();
        let size = whole.size;
        assert_eq!(whole.collect::<Vec<_>>(), [&b"a"[..], b"bb", b"ccc"]);
        assert!(names_in(size).is_ok());
        assert!(matches!(names_in(size - 1), Err(ListError::TooLong)));
    }
}
