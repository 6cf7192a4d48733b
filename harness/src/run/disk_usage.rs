//! Scratch space over time: how much less is free on the filesystem than before the run.
//!
//! `statvfs` sees more than `du` – files without a name, blocks that are allocated late – and takes microseconds. It
//! also sees other processes on the same filesystem, so the curve is drawn, not gated.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Used space at points in time, beginning with the start of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Curve {
    /// The most that was seen, in bytes.
    pub peak: u64,
    /// Nanoseconds since the start, and bytes: at most 60 of them, evenly spread. A record keeps them of the runs that a report shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<(u64, u64)>,
}

/// How many points of a curve are kept.
pub(crate) const POINTS: usize = 60;

/// The interval between two queries of the filesystem.
const PAUSE: Duration = Duration::from_millis(4);

/// The accepted difference between the packer's account of so many bytes and the filesystem's: a hundredth or 2 MiB.
pub(crate) fn tolerance(bytes: u64) -> u64 {
    (bytes / 100).max(2 << 20)
}

/// Runs `work` and watches the filesystem of `directory` meanwhile.
pub(crate) fn watch<Value>(directory: &Path, work: impl FnOnce() -> Value) -> (Value, Curve) {
    let running = AtomicBool::new(true);
    let before = free(directory);
    thread::scope(|scope| {
        let watcher: ScopedJoinHandle<'_, Vec<(u64, u64)>> = scope.spawn(|| {
            let (start, mut points) = (Instant::now(), Vec::new());
            while running.load(Ordering::Relaxed) {
                let used = before.saturating_sub(free(directory));
                points.push((u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX), used));
                thread::sleep(PAUSE);
            }
            points
        });
        let value = work();
        running.store(false, Ordering::Relaxed);
        let mut points = watcher.join().unwrap_or_default();
        points.push((points.last().map_or(0, |(at, _)| at + 1), before.saturating_sub(free(directory))));
        let peak = points.iter().map(|(_, used)| *used).max().unwrap_or(0);
        (value, Curve { peak, points: thinned(&points) })
    })
}

fn free(directory: &Path) -> u64 {
    rustix::fs::statvfs(directory).map_or(0, |found| found.f_bfree * found.f_frsize)
}

/// Evenly chosen points; of each stretch the highest, so that peaks survive.
fn thinned(points: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let stretch = points.len().div_ceil(POINTS).max(1);
    points.chunks(stretch).filter_map(|chunk| chunk.iter().max_by_key(|(_, used)| *used).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_peak_and_the_order() {
        let points: Vec<(u64, u64)> = (0..1_000).map(|at| (at, if at == 617 { 9_999 } else { at })).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS && thin.is_sorted_by_key(|(at, _)| *at));
        assert!(thin.contains(&(617, 9_999)));
    }

    /// Where another process frees space meanwhile, less is seen, so there are several tries.
    #[test]
    fn a_file_without_a_name_is_seen() {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let peak = || {
            let write = || {
                let mut file = tempfile::tempfile_in(directory.path()).unwrap();
                std::io::Write::write_all(&mut file, &vec![1; 32 << 20]).unwrap();
                thread::sleep(4 * PAUSE);
            };
            watch(directory.path(), write).1.peak
        };
        assert!((0..10).any(|_| peak() >= 32 << 20));
    }
}
