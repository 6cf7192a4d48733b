//! Cancellation: a token that a caller keeps and every stage asks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Ends work early. Clones share one state, so a token can be kept, sent to another thread, or cancelled from a signal handler.
///
/// The work checks the token at every entry, at every piece that it reads or encodes, and while it waits. It ends within 200 ms, unless
/// a call of the operating system takes longer. The error is of the kind [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled), and
/// nothing is left behind. An image that already has its name stays.
///
/// ```
/// let token = packer::CancelToken::new();
/// let elsewhere = token.clone();
/// std::thread::spawn(move || elsewhere.cancel()).join().unwrap();
/// assert!(token.is_cancelled());
/// ```
#[derive(Clone)]
pub struct CancelToken {
    /// `None` in the token that nobody cancels.
    flag: Option<Arc<AtomicBool>>,
    condition: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl CancelToken {
    /// For work that nobody cancels.
    pub(crate) const NEVER: CancelToken = CancelToken { flag: None, condition: None };

    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        CancelToken::from(Arc::default())
    }

    /// A token that counts as cancelled while `condition` is true, or once [`cancel`](Self::cancel) was called. Every thread of the
    /// work calls `condition`, some hundred thousand times a second, so it must be fast.
    #[must_use]
    pub fn when(condition: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        CancelToken { condition: Some(Arc::new(condition)), ..CancelToken::new() }
    }

    /// Cancels the work of this token and of all its clones.
    pub fn cancel(&self) {
        if let Some(flag) = &self.flag {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the work is to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.flag.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
            || self.condition.as_ref().is_some_and(|condition| condition())
    }

    /// A token that is cancelled once one of `tokens` is, and then stays so: several threads may ask it.
    pub(crate) fn any_of<const COUNT: usize>(tokens: [&CancelToken; COUNT]) -> Self {
        let flag = Arc::new(AtomicBool::new(false));
        let (latch, tokens) = (Arc::clone(&flag), tokens.map(CancelToken::clone));
        let condition = move || {
            let cancelled = tokens.iter().any(CancelToken::is_cancelled);
            if cancelled {
                latch.store(true, Ordering::Relaxed);
            }
            cancelled
        };
        CancelToken { flag: Some(flag), condition: Some(Arc::new(condition)) }
    }

    /// Fails once the work is to end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        CancelToken::new()
    }
}

/// A token that is cancelled by setting the flag, as a signal handler does.
impl From<Arc<AtomicBool>> for CancelToken {
    fn from(flag: Arc<AtomicBool>) -> Self {
        CancelToken { flag: Some(flag), condition: None }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.flag.as_ref().map(|flag| flag.load(Ordering::Relaxed)))
            .field("condition", &self.condition.is_some())
            .finish()
    }
}
