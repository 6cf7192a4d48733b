//! Sparse files in an archive: the format 1.0 of GNU tar, a map in decimal lines before the data.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::entry::Kind;
use super::pax::{bad, decimal};

const BLOCK: u64 = 512;

/// The file of `size` bytes that stands there, its holes filled with zeros.
pub(super) fn hash(mut from: impl Read, size: u64) -> io::Result<Kind> {
    let mut lines = Lines { from: &mut from, read: 0 };
    let count = lines.number()?;
    let mut extents = Vec::new();
    for _ in 0..count {
        extents.push((lines.number()?, lines.number()?));
    }
    let padding = lines.read.next_multiple_of(BLOCK) - lines.read;
    io::copy(&mut from.by_ref().take(padding), &mut io::sink())?;
    let (mut hasher, mut at) = (Sha256::new(), 0);
    let mut buffer = vec![0; 64 << 10];
    for (start, length) in extents.into_iter().chain([(size, 0)]) {
        let hole =
            start.checked_sub(at).filter(|_| start <= size).ok_or_else(|| bad("the map of a sparse file is wrong"))?;
        copy(&mut io::repeat(0).take(hole), &mut hasher, &mut buffer)?;
        if copy(&mut from.by_ref().take(length), &mut hasher, &mut buffer)? < length {
            return Err(bad("a sparse file ends before its data"));
        }
        at = start.saturating_add(length);
    }
    if at != size || from.read(&mut [0])? != 0 {
        return Err(bad("a sparse file is longer than it says"));
    }
    Ok(Kind::File { size, content: hasher.finalize().into() })
}

fn copy(from: &mut impl Read, hasher: &mut Sha256, buffer: &mut [u8]) -> io::Result<u64> {
    let mut copied = 0;
    loop {
        let count = from.read(buffer)?;
        if count == 0 {
            return Ok(copied);
        }
        hasher.update(&buffer[..count]);
        copied += count as u64;
    }
}

/// Numbers, each in a line.
struct Lines<'a, From> {
    from: &'a mut From,
    read: u64,
}

impl<From: Read> Lines<'_, From> {
    fn number(&mut self) -> io::Result<u64> {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            self.from.read_exact(&mut byte)?;
            self.read += 1;
            match byte {
                [b'\n'] => {
                    return decimal(&line).ok_or_else(|| bad("the map of a sparse file is malformed"));
                }
                [byte] if line.len() < 20 => line.push(byte),
                _ => return Err(bad("the map of a sparse file is malformed")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map, padded to a block, and data.
    fn stored(map: &str, data: &[u8]) -> Vec<u8> {
        let mut stored = map.as_bytes().to_vec();
        stored.resize(stored.len().next_multiple_of(512), 0);
        [&stored, data].concat()
    }

    #[test]
    fn holes_are_zeros() {
        let whole = [&[0; 10][..], b"abc", &[0; 7], b"de", &[0; 3]].concat();
        let stored_file = stored("2\n10\n3\n20\n2\n", b"abcde");
        let content = Sha256::digest(&whole).into();
        assert_eq!(hash(&stored_file[..], 25).unwrap(), Kind::File { size: 25, content });
        let empty = Kind::File { size: 4, content: Sha256::digest([0; 4]).into() };
        assert_eq!(hash(&stored("1\n4\n0\n", b"")[..], 4).unwrap(), empty);
    }

    #[test]
    fn a_map_that_does_not_fit_is_an_error() {
        for (map, data, size) in [
            ("1\n0\n3\n", &b"ab"[..], 3),
            ("1\n0\n3\n", b"abcd", 3),
            ("1\n0\n3\n", b"abc", 2),
            ("2\n5\n1\n4\n1\n", b"ab", 9),
            ("x\n", b"", 0),
            ("1\n", b"", 0),
        ] {
            assert!(hash(&stored(map, data)[..], size).is_err(), "{map:?}");
        }
    }
}
