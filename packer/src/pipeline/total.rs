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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use super::*;
    use crate::abort::Abort;
    use crate::cancel::CancelToken;
    use crate::error::Error;
    use crate::metrics::Metrics;
    use crate::pipeline::context::PackBuffers;
    use crate::progress::OnProgress;
    use crate::publish::stream::CallerStream;
    use crate::sink::program::ProgramTimings;
    use crate::tree::Tree;
    use crate::tree::changes::Changes;
    use crate::tree::holes::Sparse;
    use crate::tree::placement::Placement;
    use crate::tree::rules::Rules;

    /// Whatever else it is doing then: a large file may take minutes.
    #[test]
    fn a_pack_that_fails_ends_the_search_for_holes() {
        const SIZE: usize = 64 << 20;
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("large"), vec![7; SIZE]).unwrap();
        // The search asks before it reads, and its disk is slow.
        let caller = CancelToken::when(|| {
            std::thread::sleep(Duration::from_millis(5));
            false
        });
        let abort = Abort::new(&caller);
        let rules = Rules::default().in_format(Sparse::Auto, Placement::default());
        let tree = Tree::open(place.path(), rules, abort.token()).unwrap();
        let mut stream = Vec::new();
        let context = Context {
            tree: &tree,
            changes: &Changes::Fatal,
            destination: &CallerStream::new(&mut stream),
            threads: 1,
            buffers: &PackBuffers::default(),
            metrics: &Metrics::default(),
            abort: &abort,
            cancel: abort.token(),
            on_progress: &OnProgress::call(|_| {}),
            total: &AtomicU64::new(0),
            timings: &ProgramTimings::DEFAULT,
        };
        let result: Result<()> = with_total(&context, &ExtraMembers::default(), || {
            while tree.bytes_searched() == 0 {
                std::thread::yield_now();
            }
            Err(Error::too_large(1))
        });
        assert_eq!(result.unwrap_err().to_string(), Error::too_large(1).to_string());
        assert!(tree.bytes_searched() < SIZE as u64, "all of the file was read");
    }
}
