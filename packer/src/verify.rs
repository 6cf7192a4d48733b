//! Verifying an image with readers that share no code with what wrote it.
//!
//! The file is hashed and compared with its name; it is [decoded](crate::decode), and every header is read by the `tar` crate.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use crate::decode::decoded;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::publish::hash;

/// What a sound image holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The sha256 of the file, which is also its name.
    pub fingerprint: Fingerprint,
    /// The sha256 of the uncompressed tar.
    pub diff_id: Fingerprint,
    /// The size of the file, in bytes.
    pub size: u64,
    /// The size of the uncompressed tar, in bytes.
    pub tar_size: u64,
    /// Members of the archive.
    pub entries: u64,
}

/// Checks that an image is whole: its name is its hash, it decodes to its end, and what it decodes to is a tar.
///
/// What is *not* checked is whether it holds any particular tree.
///
/// # Errors
///
/// If the file cannot be read, or with the first thing that is wrong with it.
pub fn verify(image: impl AsRef<Path>) -> Result<Verified> {
    let path = image.as_ref();
    let unreadable = |error| Error::io("read", path, error);
    let mut file = File::open(path).map_err(|error| Error::io("open", path, error))?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(Error::unfit(path, "is not a regular file"));
    }
    let (fingerprint, size) = hash(&file).map_err(unreadable)?;
    match named(path) {
        None => return Err(Error::image(path, "its name does not begin with a fingerprint")),
        Some(name) if name != fingerprint => return Err(Error::image(path, format!("its sha256 is {fingerprint}"))),
        Some(_) => {}
    }
    file.rewind().map_err(unreadable)?;
    let (entries, diff_id, tar_size) =
        read(decoded(file).map_err(unreadable)?).map_err(|error| Error::image(path, error))?;
    Ok(Verified { fingerprint, diff_id, size, tar_size, entries })
}

/// The fingerprint that an image's name begins with.
fn named(path: &Path) -> Option<Fingerprint> {
    path.file_name()?.to_str()?.split('.').next()?.parse().ok()
}

/// Reads every member; gives their number, and the hash and the length of the whole.
fn read(tar: impl Read) -> io::Result<(u64, Fingerprint, u64)> {
    let mut archive = tar::Archive::new(Hashed { inner: tar, hasher: Default::default(), length: 0, tail: [0; TAIL] });
    let mut entries = 0;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let promised = entry.size();
        if io::copy(&mut entry, &mut io::sink())? != promised {
            return Err(io::Error::other(format!("`{}` is cut short", entry.path()?.display())));
        }
        entries += 1;
    }
    let mut hashed = archive.into_inner();
    // The reader stops at the end of the archive; the hash is of all that there is.
    io::copy(&mut hashed, &mut Zeros)?;
    if hashed.length < TAIL as u64 || hashed.tail != [0; TAIL] || hashed.length % 512 != 0 {
        return Err(io::Error::other("the archive does not end with two blocks of zeros"));
    }
    Ok((entries, hashed.hasher.finish(), hashed.length))
}

/// The two blocks of zeros that end an archive, in bytes.
const TAIL: usize = 1024;

/// What may stand behind the end of an archive: anything else would be hidden from whoever unpacks it.
struct Zeros;

impl io::Write for Zeros {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.iter().all(|byte| *byte == 0) {
            Ok(bytes.len())
        } else {
            Err(io::Error::other("something stands behind the end of the archive"))
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes and counts what is read, and remembers its end.
struct Hashed<Inner> {
    inner: Inner,
    hasher: crate::fingerprint::Hasher,
    length: u64,
    tail: [u8; TAIL],
}

impl<Inner: Read> Read for Hashed<Inner> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let bytes = &buffer[..count];
        self.hasher.update(bytes);
        self.length += count as u64;
        let kept = count.min(TAIL);
        self.tail.rotate_left(kept);
        self.tail[TAIL - kept..].copy_from_slice(&bytes[count - kept..]);
        Ok(count)
    }
}
