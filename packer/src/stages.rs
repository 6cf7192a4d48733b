//! The stages one by one, for `benches/stages.rs`. Not a part of the library's promises.

use std::hint::black_box;
use std::path::Path;

use crate::buffer::{Buffer, Buffers};
use crate::codec::{Compression, Encoder};
use crate::error::Result;
use crate::fingerprint::Hasher;
use crate::frame::Framer;
use crate::segment::Segments;
use crate::tree::Tree;

/// Walks a tree and cuts it; gives the number of segments.
///
/// # Errors
///
/// If the tree cannot be read.
pub fn walk(rootfs: &Path) -> Result<usize> {
    let segments = Segments::new(Tree::open(rootfs)?.walk()?, Compression::GZIP.segment_size());
    segments.map(|segment| segment.map(|segment| segment.parts.len())).sum()
}

/// Walks a tree and frames it; gives the bytes of each segment to `seen`.
///
/// # Errors
///
/// If the tree cannot be read.
pub fn frame(rootfs: &Path, compression: Compression, mut seen: impl FnMut(&[u8])) -> Result<()> {
    let tree = Tree::open(rootfs)?;
    let mut framer = Framer::new(tree.handles()?);
    let mut framed = Buffer::default();
    for segment in Segments::new(tree.walk()?, compression.segment_size()) {
        framed.clear();
        framer.frame(&segment?, &mut framed)?;
        seen(&framed);
    }
    Ok(())
}

/// Encodes framed segments one after the other; gives the sum of the encoded sizes.
///
/// # Errors
///
/// If the encoder fails.
pub fn encode(compression: Compression, segments: &[Vec<u8>]) -> Result<usize> {
    let (mut encoder, buffers) = (Encoder::new(compression)?, Buffers::new());
    let mut size = 0;
    for segment in segments {
        let mut framed = buffers.take();
        framed.append(segment);
        let encoded = encoder.encode(framed, &buffers, false)?;
        size += encoded.bytes.len();
        buffers.give(encoded.bytes);
    }
    Ok(size)
}

/// Hashes segments as the sink does.
pub fn hash(segments: &[Vec<u8>]) {
    let mut hasher = Hasher::default();
    segments.iter().for_each(|segment| hasher.update(segment));
    black_box(hasher.finish());
}
