//! Faults that are planted to see the gates of the bench turn red, one at a time.
//!
//! Only a build with the feature `planted` has them, and it has them only where `--planted` asks. Each is what a change could bring
//! in unseen: the image is still made.

use std::fmt;
use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::buffer::Buffer;
use crate::codec::Encoded;
use crate::error::{Error, Result};
use crate::frame::Framer;
use crate::pipeline::context::Job;
use crate::publish::directory::Staged;
use crate::segment::Segment;

/// Something that goes wrong unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The tar is also written to a file that nobody needs.
    Scratch,
    /// Every file is read twice.
    Reread,
    /// The image is also kept in memory.
    Buffer,
    /// A fifth of the time goes into nothing.
    Spin,
    /// The last bit of each piece of the image is another one.
    Flip,
    /// The first two names of each directory are exchanged.
    Unsorted,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 6] =
        [Fault::Scratch, Fault::Reread, Fault::Buffer, Fault::Spin, Fault::Flip, Fault::Unsorted];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fault::Scratch => "scratch",
            Fault::Reread => "reread",
            Fault::Buffer => "buffer",
            Fault::Spin => "spin",
            Fault::Flip => "flip",
            Fault::Unsorted => "unsorted",
        }
    }

    /// Makes every pack of this process go wrong so. The first fault that is planted stays.
    pub fn plant(self) {
        let _ = PLANTED.set(self);
    }

    fn is_planted(self) -> bool {
        PLANTED.get() == Some(&self)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let found = Fault::ALL.into_iter().find(|fault| fault.name() == name);
        found.ok_or_else(|| format!("`{}` is no fault", name.escape_debug()))
    }
}

static PLANTED: OnceLock<Fault> = OnceLock::new();

/// The file that nobody needs.
static SCRATCH: Mutex<Option<Staged>> = Mutex::new(None);

/// The image that is kept.
static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// One worker's way from a segment to its framed bytes, in one stream.
pub(crate) fn framing<'a>(job: &Job<'a>) -> Result<impl FnMut(Segment, &mut Buffer) -> Result<()> + use<'a>> {
    let (mut again, mut frame) = (Framer::new(job.tree.handles()?, job.changes), job.framing()?);
    let Job { framed: buffers, destination, .. } = *job;
    Ok(move |segment: Segment, framed: &mut Buffer| {
        if Fault::Reread.is_planted() {
            again.frame(&segment, &mut buffers.take())?;
        }
        frame(segment, framed)?;
        if Fault::Scratch.is_planted() {
            let mut scratch = SCRATCH.lock().unwrap_or_else(PoisonError::into_inner);
            let staged = match &mut *scratch {
                Some(staged) => staged,
                none => none.insert(destination.shelf()?.scratch()?),
            };
            let (mut file, place): (&File, _) = (staged.file(), staged.place());
            file.write_all(framed).map_err(|error| Error::io("write the planted file in", place, error))?;
        }
        Ok(())
    })
}

/// What a piece of the image goes through before it is hashed and written.
pub(crate) fn spoiled(mut piece: Encoded) -> Encoded {
    if let (true, Some(last)) = (Fault::Flip.is_planted(), piece.bytes.bytes_mut().last_mut()) {
        *last ^= 1;
    }
    if Fault::Buffer.is_planted() {
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece.bytes);
    }
    piece
}

/// What one stream does at its end, when it `took` so long.
pub(crate) fn linger(took: Duration) {
    let started = Instant::now();
    while Fault::Spin.is_planted() && started.elapsed() < took / 5 {
        black_box(started);
    }
}

/// What becomes of the sorted names of a directory.
pub(crate) fn disorder<Name>(names: &mut [Name]) {
    if let (true, [first, second, ..]) = (Fault::Unsorted.is_planted(), names) {
        std::mem::swap(first, second);
    }
}
