//! The identity of a file's content: its size, and a digest that takes no time for holes.

use crate::fingerprint::{Fingerprint, Hasher};

/// The size and the digest of a content. Two are equal if and only if the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentDigest {
    pub(crate) size: u64,
    /// The sha256 of the bytes. With whole [`PAGE`]s of zeros, a hash of the other bytes and of the places of those pages: a few
    /// bytes of an archive can describe exabytes of zeros, and hashing these would take years.
    digest: Fingerprint,
}

/// The unit in which zeros are skipped, in bytes. Pages start at multiples of it.
const PAGE: usize = 64 << 10;

/// Computes a [`ContentDigest`].
#[derive(Debug, Default)]
pub(crate) struct ContentHasher {
    /// Whole pages so far.
    pages: u64,
    /// The beginning of the next one.
    page: Vec<u8>,
    data: Hasher,
    /// The first page and the length of each run of zero pages.
    holes: Hasher,
    /// The current run of zero pages.
    hole: Option<(u64, u64)>,
    has_holes: bool,
}

impl ContentHasher {
    /// Appends bytes.
    pub(crate) fn data(&mut self, mut bytes: &[u8]) {
        if !self.page.is_empty() {
            let missing = bytes.len().min(PAGE - self.page.len());
            self.page.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if self.page.len() == PAGE {
                let mut page = std::mem::take(&mut self.page);
                self.whole(&page);
                page.clear();
                self.page = page;
            }
        }
        let (pages, rest) = bytes.as_chunks::<PAGE>();
        pages.iter().for_each(|page| self.whole(page));
        self.page.extend_from_slice(rest);
    }

    /// Appends this many zeros, in constant time.
    pub(crate) fn hole(&mut self, length: u64) {
        static ZEROS: [u8; PAGE] = [0; PAGE];
        let missing = length.min(((PAGE - self.page.len()) % PAGE) as u64);
        self.data(&ZEROS[..missing as usize]);
        let rest = length - missing;
        self.zeros(rest / PAGE as u64);
        self.data(&ZEROS[..(rest % PAGE as u64) as usize]);
    }

    /// The digest of all that was appended.
    pub(crate) fn finish(mut self) -> ContentDigest {
        let size = self.pages * PAGE as u64 + self.page.len() as u64;
        self.end_hole();
        self.data.update(&self.page);
        let data = self.data.finish();
        if !self.has_holes {
            return ContentDigest { size, digest: data };
        }
        let mut both = Hasher::default();
        both.update(data.bytes());
        both.update(self.holes.finish().bytes());
        ContentDigest { size, digest: both.finish() }
    }

    fn whole(&mut self, page: &[u8]) {
        if page.iter().all(|byte| *byte == 0) {
            self.zeros(1);
        } else {
            self.end_hole();
            self.data.update(page);
            self.pages += 1;
        }
    }

    fn zeros(&mut self, pages: u64) {
        if pages > 0 {
            let (first, before) = self.hole.unwrap_or((self.pages, 0));
            self.hole = Some((first, before + pages));
            self.pages += pages;
        }
    }

    fn end_hole(&mut self) {
        if let Some((first, pages)) = self.hole.take() {
            self.holes.update(&first.to_le_bytes());
            self.holes.update(&pages.to_le_bytes());
            self.has_holes = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    fn of(bytes: &[u8]) -> ContentDigest {
        let mut hasher = ContentHasher::default();
        hasher.data(bytes);
        hasher.finish()
    }

    /// Pieces of a content: holes and bytes.
    fn pieces() -> impl Strategy<Value = Vec<(bool, usize)>> {
        let length = prop_oneof![1..100_usize, prop::sample::select(vec![PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])];
        proptest::collection::vec((any::<bool>(), length), 0..8)
    }

    proptest! {
        #[test]
        fn the_digest_depends_on_the_bytes_alone(pieces in pieces(), cut in 1..200_000_usize, changed: prop::sample::Index) {
            let mut hasher = ContentHasher::default();
            let mut bytes = Vec::new();
            for (is_hole, length) in pieces {
                if is_hole {
                    hasher.hole(length as u64);
                    bytes.resize(bytes.len() + length, 0);
                } else {
                    let data: Vec<u8> = (0..length).map(|at| (at % 251) as u8 + 1).collect();
                    hasher.data(&data);
                    bytes.extend_from_slice(&data);
                }
            }
            let content = hasher.finish();
            prop_assert_eq!(content.size, bytes.len() as u64);
            prop_assert_eq!(content, of(&bytes));
            let mut hasher = ContentHasher::default();
            bytes.chunks(cut).for_each(|piece| hasher.data(piece));
            prop_assert_eq!(content, hasher.finish());
            if !bytes.is_empty() {
                let at = changed.index(bytes.len());
                bytes[at] ^= 1;
                prop_assert_ne!(content, of(&bytes));
            }
        }
    }

    #[test]
    fn the_places_of_zeros_count_and_exabytes_take_no_time() {
        let holes = |lengths: [u64; 2]| {
            let mut hasher = ContentHasher::default();
            hasher.hole(lengths[0]);
            hasher.data(&[1; PAGE]);
            hasher.hole(lengths[1]);
            hasher.finish()
        };
        let page = PAGE as u64;
        assert_ne!(holes([page, 3 * page]), holes([3 * page, page]));
        assert_eq!(holes([1 << 60, 5]).size, (1 << 60) + page + 5);
        assert_eq!(of(b"abc").digest.bytes()[..], Sha256::digest(b"abc")[..]);
    }
}
