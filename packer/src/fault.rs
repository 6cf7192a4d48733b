//! Faults on demand, with which the gates of the bench are seen to turn red, one at a time.
//!
//! Only a build with the cfg `fault_injection` has them (`build.rs`), and it has them only where it is asked. Each is what a change
//! could bring in unnoticed: the image is still made.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::time::{ClockId, clock_gettime};

/// Something that goes wrong unnoticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The tar is also written to a hidden file.
    Scratch,
    /// Every file is read twice.
    Reread,
    /// The image is also kept in memory.
    Buffer,
    /// The last bit of each piece of the image is flipped.
    Flip,
    /// A bit in the middle of each large gzip file of the tree is flipped, in both strategies. Such a file does not compress, so no
    /// size changes.
    Content,
    /// The first two names of each directory are exchanged.
    Unsorted,
    /// The walk wastes a fifth of the processor time that all else takes.
    SlowWalk,
    /// Framing wastes it.
    SlowFrame,
    /// Compressing wastes it.
    SlowEncode,
    /// Hashing wastes it.
    SlowHash,
    /// Writing wastes it.
    SlowWrite,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 11] = [
        Fault::Scratch,
        Fault::Reread,
        Fault::Buffer,
        Fault::Flip,
        Fault::Content,
        Fault::Unsorted,
        Fault::SlowWalk,
        Fault::SlowFrame,
        Fault::SlowEncode,
        Fault::SlowHash,
        Fault::SlowWrite,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fault::Scratch => "scratch",
            Fault::Reread => "reread",
            Fault::Buffer => "buffer",
            Fault::Flip => "flip",
            Fault::Content => "content",
            Fault::Unsorted => "unsorted",
            Fault::SlowWalk => "slow-walk",
            Fault::SlowFrame => "slow-frame",
            Fault::SlowEncode => "slow-encode",
            Fault::SlowHash => "slow-hash",
            Fault::SlowWrite => "slow-write",
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

/// Spoils content that was read from the beginning of a file.
pub(crate) fn spoil_content(content: &mut [u8]) {
    if Fault::Content.is_injected() && content.len() >= LARGE && content.starts_with(GZIP) {
        let middle = content.len() / 2;
        content[middle] ^= 1;
    }
}

/// The least length of spoiled content.
const LARGE: usize = 64 << 10;

/// The first bytes of a gzip file.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Wastes processor time until a fifth of what this process has used besides is wasted.
pub(crate) fn waste_time() {
    let used = spent(ClockId::ProcessCPUTime);
    let wasted = WASTED.load(Ordering::Relaxed);
    let share = used.saturating_sub(wasted) / USED;
    // Another thread may waste the same share meanwhile; it counts for the next time.
    let missing = share.saturating_sub(wasted);
    WASTED.fetch_add(missing, Ordering::Relaxed);
    let until = spent(ClockId::ThreadCPUTime) + missing;
    while spent(ClockId::ThreadCPUTime) < until {
        black_box(until);
    }
}

/// Nanoseconds that all threads have wasted, or are about to waste.
static WASTED: AtomicU64 = AtomicU64::new(0);

/// For so many parts that are used, one is wasted.
const USED: u64 = 5;

fn spent(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Exchanges the first two of a directory's sorted names.
pub(crate) fn unsort<Name>(names: &mut [Name]) {
    if let (true, [first, second, ..]) = (Fault::Unsorted.is_injected(), names) {
        std::mem::swap(first, second);
    }
}
