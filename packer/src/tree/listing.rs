//! The names in a directory, in the order of the archive.

use std::os::fd::AsFd;

use rustix::fs::RawDir;
use rustix::io::Errno;

use crate::cancel::CancelToken;
use crate::error::Error;

/// The most that the names in the directories on the way down may take, in bytes: some ten million names.
pub(crate) const ROOM: usize = 256 << 20;

/// The names in one directory, sorted by bytes, in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    spans: std::vec::IntoIter<(u32, u16)>,
    /// How many bytes it takes.
    pub(crate) size: usize,
}

/// Why a directory cannot be listed.
#[derive(Debug)]
pub(crate) enum Unlisted {
    Io(Errno),
    /// There is no room for the names.
    TooLong,
    Cancelled(Error),
}

impl Names {
    /// All names but `.` and `..`, if they fit `room` bytes.
    pub(crate) fn read(handle: impl AsFd, room: usize, cancel: &CancelToken) -> std::result::Result<Self, Unlisted> {
        let mut bytes = Vec::new();
        let mut spans: Vec<(u32, u16)> = Vec::new();
        let mut buffer = Vec::with_capacity(32 << 10);
        let mut entries = RawDir::new(handle, buffer.spare_capacity_mut());
        let mut size = 0;
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                entry => entry.map_err(Unlisted::Io)?,
            };
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let start = u32::try_from(bytes.len()).map_err(|_| Unlisted::TooLong)?;
                spans.push((start, u16::try_from(name.len()).map_err(|_| Unlisted::TooLong)?));
                bytes.extend_from_slice(name);
                size = bytes.len() + size_of_val(&spans[..]);
                cancel.check().map_err(Unlisted::Cancelled)?;
                if size > room {
                    return Err(Unlisted::TooLong);
                }
            }
        }
        spans.sort_unstable_by(|one, other| span(&bytes, *one).cmp(span(&bytes, *other)));
        #[cfg(feature = "planted")]
        crate::pipeline::fault_injection::disorder(&mut spans);
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
    fn names_are_listed_as_long_as_there_is_room() {
        let place = tempfile::tempdir().unwrap();
        for name in ["bb", "a", "ccc"] {
            std::fs::write(place.path().join(name), "").unwrap();
        }
        let names_in = |room| Names::read(File::open(place.path()).unwrap(), room, &CancelToken::NEVER);
        let whole = names_in(1 << 10).unwrap();
        let size = whole.size;
        assert_eq!(whole.collect::<Vec<_>>(), [&b"a"[..], b"bb", b"ccc"]);
        assert!(names_in(size).is_ok());
        assert!(matches!(names_in(size - 1), Err(Unlisted::TooLong)));
    }
}
