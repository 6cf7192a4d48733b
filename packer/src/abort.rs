//! Ends all stages of one pack when one of them fails, and keeps the reason.

use std::sync::{Mutex, PoisonError};

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};

/// The end of one pack before its time. The caller's token ends it, and so does a stage that fails out of the order of the others: a
/// disk is full while workers still encode what would be written next.
#[derive(Debug)]
pub(crate) struct Abort {
    token: CancelToken,
    cause: Mutex<Option<Error>>,
}

impl Abort {
    /// For work that `caller` cancels.
    pub(crate) fn new(caller: &CancelToken) -> Self {
        Abort { token: CancelToken::any_of([caller]), cause: Mutex::default() }
    }

    /// What every stage asks.
    pub(crate) fn token(&self) -> &CancelToken {
        &self.token
    }

    /// Ends the other stages for this reason. The first reason is kept.
    pub(crate) fn fail(&self, cause: Error) {
        if cause.kind() != ErrorKind::Cancelled {
            self.cause.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
        }
        self.token.cancel();
    }

    /// The result of the work; of a stage that was ended, the reason.
    pub(crate) fn explain<Value>(&self, result: Result<Value>) -> Result<Value> {
        match result {
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                Err(self.cause.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(error))
            }
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_is_told_and_the_caller_is_not_cancelled() {
        let caller = CancelToken::new();
        let abort = Abort::new(&caller);
        abort.token().check().unwrap();
        abort.fail(Error::too_large(1));
        abort.fail(Error::too_large(2));
        let ended = abort.token().check();
        assert_eq!(abort.explain(ended).unwrap_err().to_string(), "the image is larger than the limit of 1 bytes");
        assert!(!caller.is_cancelled());
        let abort = Abort::new(&caller);
        caller.cancel();
        abort.fail(Error::cancelled());
        assert_eq!(abort.explain(abort.token().check()).unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(abort.explain(Ok(3)).unwrap(), 3);
    }
}
