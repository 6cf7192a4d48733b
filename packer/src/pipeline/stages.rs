//! The stages one by one, for `benches/stages.rs` and the bench's floor. Not a part of the library's promises.

use std::hint::black_box;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::buffer::{Buffer, Buffers};
use crate::cancel::CancelToken;
use crate::codec::{Compression, Encoder};
use crate::error::{Error, Panicked, Result};
use crate::fingerprint::Hasher;
use crate::frame::Framer;
use crate::pipeline::tuning::segment_sizes;
use crate::segment::cutter::Segments;
use crate::segment::{Part, Segment};
use crate::threads;
use crate::tree::Tree;
use crate::tree::changes::Changes;
use crate::tree::directory::{DirHandleCache, OPEN_FLAGS};
use crate::tree::entry::{Entry, Kind};
use crate::tree::rules::Rules;

/// Walks a tree and cuts it; gives the number of segments.
///
/// # Errors
///
/// If the tree cannot be read.
pub fn walk(rootfs: &Path) -> Result<usize> {
    let (tree, changes) = (Tree::open(rootfs, Rules::default(), &CancelToken::NEVER)?, Changes::Fatal);
    let segments = Segments::new(tree.walk(&changes)?, segment_sizes(Compression::GZIP));
    segments.map(|segment| segment.map(|segment| segment.parts.len())).sum()
}

/// Walks a tree and frames it; gives the bytes of each segment to `seen`.
///
/// # Errors
///
/// If the tree cannot be read.
pub fn frame(rootfs: &Path, compression: Compression, mut seen: impl FnMut(&[u8])) -> Result<()> {
    let (tree, changes) = (Tree::open(rootfs, Rules::default(), &CancelToken::NEVER)?, Changes::Fatal);
    let mut framer = Framer::new(tree.handles()?, &changes);
    let mut framed = Buffer::default();
    for segment in Segments::new(tree.walk(&changes)?, segment_sizes(compression)) {
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
    let (mut encoder, buffers) = (Encoder::new(compression)?, Buffers::default());
    let mut size = 0;
    for segment in segments {
        let mut framed = buffers.take();
        framed.append(segment);
        let encoded = encoder.encode(vec![framed], &buffers, &CancelToken::NEVER)?;
        size += encoded.iter().map(|piece| piece.bytes.len()).sum::<usize>();
    }
    Ok(size)
}

/// Hashes segments as the sink does.
pub fn hash(segments: &[Vec<u8>]) {
    let mut hasher = Hasher::default();
    segments.iter().for_each(|segment| hasher.update(segment));
    black_box(hasher.finish());
}

/// Processor time that no packer can save: what the parts of a pack take that are not ours to make faster.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    /// Opening and reading every file, and nothing else: no look at what it is, no framing.
    pub read: Duration,
    /// The encoder's library on the same pieces, without what makes one file of them.
    pub encode: Duration,
    /// sha256 of the image.
    pub hash: Duration,
}

/// Measures the floor of a tree on `threads` threads at once, by their own clocks of processor time.
///
/// # Errors
///
/// If the tree cannot be read or the encoder fails.
pub fn floor(rootfs: &Path, compression: Compression, threads: usize) -> Result<Floor> {
    let (tree, changes) = (Tree::open(rootfs, Rules::default(), &CancelToken::NEVER)?, Changes::Fatal);
    let segments = Mutex::new(Segments::new(tree.walk(&changes)?, segment_sizes(compression)));
    let next = || segments.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next().transpose();
    let work = || -> Result<Floor> {
        let mut floor = Floor::default();
        let (mut handles, mut framer) = (tree.handles()?, Framer::new(tree.handles()?, &changes));
        let (mut encoder, mut hasher) = (Encoder::new(compression)?, Hasher::default());
        let (mut framed, mut encoded) = (Buffer::default(), Buffer::default());
        while let Some(segment) = next()? {
            let started = clock();
            read(&mut handles, &segment, &mut framed)?;
            floor.read += clock().saturating_sub(started);
            framed.clear();
            framer.frame(&segment, &mut framed)?;
            encoded.clear();
            let started = clock();
            encoder.kernel(&framed, &mut encoded)?;
            floor.encode += clock().saturating_sub(started);
            let started = clock();
            hasher.update(if compression == Compression::None { &framed } else { &encoded });
            floor.hash += clock().saturating_sub(started);
            framed.clear();
        }
        black_box(hasher.finish());
        Ok(floor)
    };
    std::thread::scope(|scope| {
        let threads = (0..threads).map(|_| threads::start(scope, work)).collect::<Result<Vec<_>>>()?;
        threads.into_iter().try_fold(Floor::default(), |sum, thread| {
            let one =
                thread.join().unwrap_or_else(|_| Err(Panicked("a thread of the floor panicked".into()).into()))?;
            let Floor { read, encode, hash } = one;
            Ok(Floor { read: sum.read + read, encode: sum.encode + encode, hash: sum.hash + hash })
        })
    })
}

/// Reads the files of a segment, as plainly as it can be done.
fn read(handles: &mut DirHandleCache<'_>, segment: &Segment, out: &mut Buffer) -> Result<()> {
    let mut read = |entry: &Entry, mut from: u64, to: u64| {
        let file: OwnedFd = handles.open(&entry.directory, entry.name(), OPEN_FLAGS)?;
        while from < to {
            let room = out.spare_mut(usize::try_from(to - from).unwrap_or(usize::MAX));
            match rustix::io::pread(&file, room, from) {
                Ok(0) => break,
                Ok(count) => from += count as u64,
                Err(error) => return Err(Error::io("read", "a file", error)),
            }
        }
        Ok(())
    };
    segment.parts.iter().try_for_each(|part| match part {
        Part::Member(entry) if matches!(entry.member.kind, Kind::File { size } if size > 0) => {
            read(entry, 0, entry.stat.size)
        }
        Part::Range { file, content } => read(file, content.start, content.end),
        Part::Member(_) | Part::Framed(_) | Part::End => Ok(()),
    })
}

/// This thread's processor time.
fn clock() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}
