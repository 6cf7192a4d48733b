//! The in-order worker pool: jobs in, work in parallel, results out in the order of the jobs.
//!
//! It knows nothing of trees or codecs. Both strategies are built on it. Its promises:
//!
//! * `sink` sees the results in job order, whatever order the work ends in;
//! * at most `window + 1` jobs are under way or finished that `sink` has not seen, so memory is bounded whatever the input;
//! * the failure that is returned is the first in job order – or the sink's own – and never a closed channel;
//! * every thread has ended when it returns; a panic in a thread is returned as an error;
//! * it goes on with fewer threads, or in the caller's, if the system has no more.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::cancel::CancelToken;
use crate::error::Panicked;
use crate::threads::try_start;

/// How many workers run, and how many results may wait for the sink.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSize {
    pub(crate) threads: usize,
    pub(crate) window: usize,
}

/// Runs every job of `jobs` through a worker and hands the results to `sink` in order.
///
/// Each of the `threads` workers gets a state of its own from `worker`. With one thread everything runs in the caller's. `stop` is
/// cancelled when it fails, so that workers need not finish what nobody waits for.
pub(crate) fn in_order<Job, Done, Error, Work>(
    size: PoolSize,
    jobs: impl Iterator<Item = Result<Job, Error>> + Send,
    worker: impl Fn() -> Result<Work, Error> + Sync,
    mut sink: impl FnMut(Done) -> Result<(), Error>,
    stop: &CancelToken,
) -> Result<(), Error>
where
    Work: FnMut(Job) -> Result<Done, Error>,
    Error: From<Panicked> + Send,
    Job: Send,
    Done: Send,
{
    if size.threads <= 1 {
        return one_by_one(jobs, worker, sink);
    }
    // The thread that feeds takes the jobs. If it cannot be started, they are still here at the end.
    let jobs = Mutex::new(Some(jobs));
    let take_jobs = || jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
    thread::scope(|scope| -> Result<(), Error> {
        let (job_sender, job_queue) = bounded(size.threads);
        let (order_sender, order) = bounded(size.window);
        let start_worker = |_: &usize| {
            let (worker, job_queue) = (&worker, job_queue.clone());
            try_start(scope, move || worker_loop(worker, &job_queue)).is_ok()
        };
        if (0..size.threads).take_while(start_worker).count() == 0 {
            return Ok(());
        }
        drop(job_queue);
        let feed = move || take_jobs().map_or((), |jobs| feed_jobs(jobs, &job_sender, &order_sender));
        if try_start(scope, feed).is_err() {
            return Ok(());
        }
        // `order` is dropped on the way out, which stops the source and with it the workers.
        for result in order {
            let handed_on: Result<Done, Error> =
                result.recv().unwrap_or_else(|_| Err(Panicked("a worker ended early".into()).into()));
            handed_on.and_then(&mut sink).inspect_err(|_| stop.cancel())?;
        }
        Ok(())
    })?;
    take_jobs().map_or(Ok(()), |jobs| one_by_one(jobs, worker, sink))
}

/// Runs every job in the caller's thread.
fn one_by_one<Job, Done, Error: From<Panicked>, Work: FnMut(Job) -> Result<Done, Error>>(
    mut jobs: impl Iterator<Item = Result<Job, Error>>,
    worker: impl Fn() -> Result<Work, Error>,
    mut sink: impl FnMut(Done) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut work = guarded(&worker)?;
    while let Some(job) = guarded(|| jobs.next().transpose())? {
        sink(guarded(|| work(job))?)?;
    }
    Ok(())
}

/// A job and where its result is awaited.
type Promise<Job, Done, Error> = (Job, Sender<Result<Done, Error>>);

fn feed_jobs<Job, Done, Error: From<Panicked>>(
    mut jobs: impl Iterator<Item = Result<Job, Error>>,
    queue: &Sender<Promise<Job, Done, Error>>,
    order: &Sender<Receiver<Result<Done, Error>>>,
) {
    loop {
        let job = guarded(|| jobs.next().transpose());
        if matches!(job, Ok(None)) {
            return;
        }
        let (result, awaited) = bounded(1);
        if order.send(awaited).is_err() {
            return;
        }
        match job {
            Ok(None) => return,
            Ok(Some(job)) => {
                if queue.send((job, result)).is_err() {
                    return;
                }
            }
            Err(error) => {
                let _ = result.send(Err(error));
                return;
            }
        }
    }
}

fn worker_loop<Job, Done, Error: From<Panicked>, Work: FnMut(Job) -> Result<Done, Error>>(
    worker: impl Fn() -> Result<Work, Error>,
    queue: &Receiver<Promise<Job, Done, Error>>,
) {
    let mut state = None;
    for (job, result) in queue {
        let done = guarded(|| {
            let work = match &mut state {
                Some(work) => work,
                None => state.insert(worker()?),
            };
            work(job)
        });
        // Nobody waits any more: the sink or an earlier job has failed.
        if result.send(done).is_err() {
            return;
        }
    }
}

/// Runs `action`; a panic in it is an error.
pub(crate) fn guarded<Value, Error: From<Panicked>>(
    action: impl FnOnce() -> Result<Value, Error>,
) -> Result<Value, Error> {
    catch_unwind(AssertUnwindSafe(action)).unwrap_or_else(|payload| Err(Panicked(message(&*payload)).into()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Failure {
        At(usize),
        Sink(usize),
        Source,
        Panic(String),
    }

    impl From<Panicked> for Failure {
        fn from(panic: Panicked) -> Self {
            Failure::Panic(panic.0)
        }
    }

    fn size(threads: usize) -> PoolSize {
        PoolSize { threads, window: threads + 2 }
    }

    proptest! {
        #[test]
        fn results_come_in_order(count in 0..300_usize, threads in 1..8_usize) {
            let mut seen = Vec::new();
            let result: Result<(), Failure> =
                in_order(size(threads), (0..count).map(Ok), || Ok(|job| Ok(job * 3)), |done| { seen.push(done); Ok(()) }, &CancelToken::NEVER);
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(seen, (0..count).map(|job| job * 3).collect::<Vec<_>>());
        }

        #[test]
        fn the_first_failure_in_job_order_wins(first in 0..100_usize, later in 0..50_usize, threads in 1..8_usize) {
            let fails = move |job| if job == first || job == first + later { Err(Failure::At(job)) } else { Ok(job) };
            let mut seen = 0;
            let result = in_order(size(threads), (0..200).map(Ok), || Ok(fails), |_| { seen += 1; Ok(()) }, &CancelToken::NEVER);
            prop_assert_eq!(result, Err(Failure::At(first)));
            prop_assert_eq!(seen, first);
        }

        #[test]
        fn a_failing_sink_stops_everything(at in 0..100_usize, threads in 1..8_usize) {
            let stop = CancelToken::new();
            let result = in_order(size(threads), (0..).map(Ok), || Ok(Ok), |job: usize| {
                if job == at { Err(Failure::Sink(at)) } else { Ok(()) }
            }, &stop);
            prop_assert_eq!(result, Err(Failure::Sink(at)));
            prop_assert_eq!(stop.is_cancelled(), threads > 1);
        }

        #[test]
        fn a_failing_source_is_heard_after_its_jobs(count in 0..50_usize, threads in 1..8_usize) {
            let mut seen = 0;
            let jobs = (0..count).map(Ok).chain([Err(Failure::Source)]);
            let result = in_order(size(threads), jobs, || Ok(Ok), |_| { seen += 1; Ok(()) }, &CancelToken::NEVER);
            prop_assert_eq!(result, Err(Failure::Source));
            prop_assert_eq!(seen, count);
        }
    }

    #[test]
    fn a_panic_is_an_error() {
        for threads in [1, 2, 7] {
            let work = |job: usize| if job == 5 { panic!("five") } else { Ok(job) };
            let result: Result<(), Failure> =
                in_order(size(threads), (0..9).map(Ok), || Ok(work), |_| Ok(()), &CancelToken::NEVER);
            assert_eq!(result, Err(Failure::Panic("five".into())), "{threads} threads");
        }
    }

    /// A result that is counted for as long as it is held.
    struct Held<'a>(&'a AtomicUsize);

    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Work of a known length that takes no processor time, so that more workers than there are cores can be busy at once: all of them
    /// are, a slow job stops nobody within the window, and no more is held than the pool promises.
    #[test]
    fn many_workers_are_all_busy_and_hold_no_more_than_the_window() {
        for threads in [4, 16, 64] {
            let (window, count) = (3 * threads, 12 * threads);
            // Every eighth job takes four times as long.
            let length = |job: usize| Duration::from_millis(if job.is_multiple_of(8) { 40 } else { 10 });
            let (held, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let work = |job: usize| {
                std::thread::sleep(length(job));
                most.fetch_max(held.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                Ok(Held(&held))
            };
            let started = Instant::now();
            let result: Result<(), Failure> = in_order(
                PoolSize { threads, window },
                (0..count).map(Ok),
                || Ok(work),
                |done| {
                    drop(done);
                    Ok(())
                },
                &CancelToken::NEVER,
            );
            let took = started.elapsed();
            assert_eq!(result, Ok(()));
            let alone: Duration = (0..count).map(length).sum();
            let busy = alone.as_secs_f64() / took.as_secs_f64() / threads as f64;
            assert!(busy > 0.5, "{threads} workers were busy for {busy:.2} of {took:?}");
            let most = most.into_inner();
            assert!(most <= window + 2, "{threads} workers held {most} results, and the window is {window}");
            assert_eq!(held.into_inner(), 0);
        }
    }

    #[test]
    fn work_runs_ahead_of_the_sink_only_as_far_as_the_window() {
        let started = AtomicUsize::new(0);
        let (threads, window) = (3, 5);
        let work = |job: usize| {
            started.fetch_add(1, Ordering::SeqCst);
            Ok(job)
        };
        let result: Result<(), Failure> = in_order(
            PoolSize { threads, window },
            (0..400).map(Ok),
            || Ok(work),
            |job| {
                let ahead = started.load(Ordering::SeqCst).saturating_sub(job);
                assert!(ahead <= window + 2, "{ahead} results ahead of the sink");
                Ok(())
            },
            &CancelToken::NEVER,
        );
        assert_eq!(result, Ok(()));
    }
}
