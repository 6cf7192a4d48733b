//! The total size of a pack's tar, found out beside the pack for its progress.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Result;
use crate::pipeline::context::Context;
use crate::pool::guarded;
use crate::segment::ExtraMembers;
use crate::tar;
use crate::threads;

/// Runs `work`. If somebody wants to know progress, the size of the tar is found out at the same time.
pub(crate) fn with_total<Value>(
    context: &Context<'_>,
    extras: &ExtraMembers,
    work: impl FnOnce() -> Result<Value>,
) -> Result<Value> {
    if !context.on_progress.is_wanted() {
        return work();
    }
    let working = AtomicBool::new(true);
    std::thread::scope(|scope| {
        // An error here is one of the pack, too, which reports it. Without a thread there is no total.
        let _ = threads::start(scope, || {
            if let Ok(Some(total)) = guarded(|| measure(context, extras, &working)) {
                context.total.store(total, Ordering::Relaxed);
            }
        });
        let result = work();
        working.store(false, Ordering::Relaxed);
        // The search for the holes of a large file asks for nothing else.
        result.inspect_err(|_| context.cancel.cancel())
    })
}

/// The exact size of the tree's tar. `None` if the work ends first.
fn measure(context: &Context<'_>, extras: &ExtraMembers, working: &AtomicBool) -> Result<Option<u64>> {
    let mut length = extras.length() + tar::END_OF_ARCHIVE_SIZE as u64;
    // A list of its own: the two walks together would list some changes twice, and others that do not matter.
    for entry in context.tree.walk_once(&context.changes.anew())? {
        length += tar::framed_length(&entry?.member)?;
        if !working.load(Ordering::Relaxed) {
            return Ok(None);
        }
    }
    Ok(Some(length))
}
