//! Batches: the segments that a worker takes at once.
//!
//! Each segment is still framed and encoded on its own, so batches change no byte. gzip walks over the streams of two segments
//! faster at once than one after the other.

use crate::error::Result;

/// An iterator that groups pieces of an archive.
#[derive(Debug)]
pub(crate) struct Batches<Pieces> {
    pieces: Pieces,
    /// How many pieces a batch has, but for the last one.
    size: usize,
}

impl<Pieces> Batches<Pieces> {
    pub(crate) fn new(pieces: Pieces, size: usize) -> Self {
        Batches { pieces, size }
    }
}

impl<Piece, Pieces: Iterator<Item = Result<Piece>>> Iterator for Batches<Pieces> {
    type Item = Result<Vec<Piece>>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch: Result<Vec<Piece>> = self.pieces.by_ref().take(self.size).collect();
        batch.map(|batch| Some(batch).filter(|batch| !batch.is_empty())).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_batch_is_full_unless_it_is_the_last_one() {
        for (count, expected) in [(0, vec![]), (1, vec![1]), (2, vec![2]), (5, vec![2, 2, 1])] {
            let batches: Vec<Vec<usize>> = Batches::new((0..count).map(Ok), 2).map(Result::unwrap).collect();
            assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), expected);
            assert_eq!(batches.concat(), (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_failure_is_handed_on() {
        let pieces = [Ok(1), Ok(2), Ok(3), Err(Error::codec("gzip", "an end"))];
        let batches: Vec<Result<Vec<i32>>> = Batches::new(pieces.into_iter(), 2).collect();
        assert!(matches!(&batches[..], [Ok(whole), Err(_)] if *whole == [1, 2]), "{batches:?}");
    }
}
