//! Faults on demand, with which the gates of the bench are seen to turn red, one at a time.
//!
//! Only a build with the cfg `fault_injection` has them (`build.rs`), and it has them only where it is asked. Each is what a change
//! could bring in unnoticed: the image is still made.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Something that goes wrong unnoticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The tar is also written to a hidden file.
    Scratch,
    /// Every file is read twice.
    Reread,
    /// The image is also kept in memory.
    Buffer,
    /// A fifth of the time is wasted.
    Spin,
    /// The last bit of each piece of the image is flipped.
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

    /// Makes every pack of this process go wrong in this way. The first fault stays.
    pub fn inject(self) {
        let _ = INJECTED.set(self);
    }

    pub(crate) fn is_injected(self) -> bool {
        INJECTED.get() == Some(&self)
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
        found.ok_or_else(|| format!("`{}` is not a fault", name.escape_debug()))
    }
}

static INJECTED: OnceLock<Fault> = OnceLock::new();

/// The image that is kept.
static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Changes or keeps a piece of the image before it is hashed and written.
pub(crate) fn spoil(bytes: &mut [u8]) {
    if let (true, Some(last)) = (Fault::Flip.is_injected(), bytes.last_mut()) {
        *last ^= 1;
    }
    if Fault::Buffer.is_injected() {
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }
}

/// Wastes time at the end of a stream that `took` so long.
pub(crate) fn linger(took: Duration) {
    let started = Instant::now();
    while Fault::Spin.is_injected() && started.elapsed() < took / 5 {
        black_box(started);
    }
}

/// Exchanges the first two of a directory's sorted names.
pub(crate) fn unsort<Name>(names: &mut [Name]) {
    if let (true, [first, second, ..]) = (Fault::Unsorted.is_injected(), names) {
        std::mem::swap(first, second);
    }
}
