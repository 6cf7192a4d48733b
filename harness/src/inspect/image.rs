//! An image inspected without the packer: its sha256, that of the tar in it, and whether that holds the tree.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::by_name::Expectation;
use super::comparison::Comparison;
use super::decode::{Padding, decode, is_squashfs, unsquash};
use super::entry::hexadecimal;
use super::listing::Listing;
use crate::programs::installed;

/// An image, as found without the packer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The sha256 of the file.
    pub sha256: String,
    /// The tar in it, or why it cannot be decoded.
    pub tar: Result<InnerTar, String>,
}

/// The tar in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InnerTar {
    /// Its sha256.
    pub diff_id: String,
    /// Its size in bytes.
    pub size: u64,
    /// It and the tree compared, or the reason why it is no readable tar.
    pub comparison: Result<Comparison, String>,
}

/// Looks at the image that is this file, which should hold all of `tree` in its order.
pub(crate) fn inspect(image: &Path, tree: &Listing) -> io::Result<Inspection> {
    let sha256 = sha256(image)?;
    let tar = decode(image, Padding::None, |tar| inspect_tar(tar, tree));
    Ok(Inspection { sha256, tar: tar.map_err(|error| error.to_string()) })
}

/// Compares another tool's image with what it should hold; `scratch` is for what has to be unpacked.
///
/// # Errors
///
/// Why it cannot be read.
pub(crate) fn inspect_foreign(
    image: &Path,
    expectation: &Expectation<'_>,
    scratch: &Path,
) -> Result<Comparison, String> {
    let compare = || {
        if is_squashfs(image)? && !installed("sqfs2tar") {
            let top = scratch.join("unpacked");
            unsquash(image, &top)?;
            return expectation.unpacked(&top);
        }
        decode(image, Padding::Zeros, |tar| expectation.archive(tar))
    };
    compare().map_err(|error: io::Error| error.to_string())
}

/// The sha256 of a file.
///
/// # Errors
///
/// If it cannot be read.
pub fn sha256(file: &Path) -> io::Result<String> {
    let mut whole = HashingReader::new(File::open(file)?);
    whole.drain()?;
    Ok(whole.sha256())
}

/// Reads a tar to its end, whatever can be made of it.
fn inspect_tar(tar: impl Read, tree: &Listing) -> io::Result<InnerTar> {
    let mut tar = HashingReader::new(tar);
    let comparison = Comparison::in_order(tree, &mut tar).map_err(|error| error.to_string());
    tar.drain()?;
    let size = tar.length;
    Ok(InnerTar { diff_id: tar.sha256(), size, comparison })
}

/// A reader that hashes everything it reads, and remembers its first failure.
struct HashingReader<From> {
    from: From,
    hasher: Sha256,
    length: u64,
    failure: Option<io::Error>,
}

impl<From: Read> HashingReader<From> {
    fn new(from: From) -> Self {
        HashingReader { from, hasher: Sha256::new(), length: 0, failure: None }
    }

    /// Reads the rest; fails if any read has failed.
    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 256 << 10];
        while self.failure.is_none() && self.read(&mut buffer).is_ok_and(|count| count > 0) {}
        self.failure.take().map_or(Ok(()), Err)
    }

    fn sha256(self) -> String {
        hexadecimal(&self.hasher.finalize())
    }
}

impl<From: Read> Read for HashingReader<From> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = loop {
            match self.from.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let count = read.map_err(|error| {
            let told = io::Error::new(error.kind(), error.to_string());
            self.failure = Some(error);
            told
        })?;
        self.hasher.update(&buffer[..count]);
        self.length += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image with a changed byte still has a sha256, and is reported as unreadable.
    #[test]
    fn an_image_that_cannot_be_decoded_is_no_error_of_ours() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut encoder, &[7; 100_000]).unwrap();
        let mut image = encoder.finish().unwrap();
        std::fs::write(&path, &image).unwrap();
        let tree = Listing::default();
        let sound = inspect(&path, &tree).unwrap();
        let tar = sound.tar.unwrap();
        assert_eq!(tar.size, 100_000);
        assert!(tar.comparison.is_err(), "sevens are no tar");
        let last = image.len() - 6;
        image[last] ^= 1;
        std::fs::write(&path, &image).unwrap();
        let flipped = inspect(&path, &tree).unwrap();
        assert_ne!(flipped.sha256, sound.sha256);
        assert!(flipped.tar.is_err(), "{flipped:?}");
    }
}
