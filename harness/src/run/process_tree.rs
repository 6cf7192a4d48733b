//! The memory of a process and all that it started, while they run.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The interval between two looks at the tree. A look at a pipeline of four takes 0.2 ms: every 20 ms it would take 0.5 % of
/// two processors from the peer, and now it takes 0.2 %.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs `work`, and meanwhile watches the process `root` and its descendants. Gives the memory that those alive at one
/// moment had peaked at, together, where that was the most; `None` where the kernel does not list children.
///
/// Each has peaked at its own moment, and pages that two of them share count twice: never less than what they held, but
/// for what grows in the last moments before an end.
pub(super) fn watch<Value>(root: u32, work: impl FnOnce() -> Value) -> (Value, Option<u64>) {
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peaks = Peaks::default();
            while running.load(Ordering::Relaxed) {
                peaks.look(root);
                thread::park_timeout(PAUSE);
            }
            peaks.most
        });
        let value = work();
        running.store(false, Ordering::Relaxed);
        watcher.thread().unpark();
        let most = watcher.join().unwrap_or_default();
        (value, (most > 0).then_some(most))
    })
}

/// The peaks so far.
#[derive(Debug, Default)]
struct Peaks {
    /// Of each process, in bytes. The kernel's own peak begins again where a process becomes another program.
    of: BTreeMap<u32, u64>,
    /// The most that processes alive at one moment had together.
    most: u64,
}

impl Peaks {
    /// Looks at all that is alive now.
    fn look(&mut self, root: u32) {
        let Some(alive) = tree(root) else { return };
        self.add(alive.into_iter().filter_map(|pid| Some((pid, vm_hwm(pid)?))));
    }

    fn add(&mut self, alive: impl Iterator<Item = (u32, u64)>) {
        let together = alive.map(|(pid, now)| {
            let peak = self.of.entry(pid).or_default();
            *peak = now.max(*peak);
            *peak
        });
        let together = together.sum();
        self.most = self.most.max(together);
    }
}

/// A process and its descendants; `None` if it is gone, or its children are not told.
fn tree(root: u32) -> Option<Vec<u32>> {
    let (mut found, mut next) = (vec![root], 0);
    while let Some(pid) = found.get(next) {
        match children(*pid) {
            Some(children) => found.extend(children),
            None if next == 0 => return None,
            // It ended between two looks.
            None => {}
        }
        next += 1;
    }
    Some(found)
}

/// The children of all threads of a process.
fn children(pid: u32) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let children = fs::read_to_string(thread.ok()?.path().join("children")).ok()?;
        found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Some(found)
}

/// The peak of memory of a process in bytes; `None` if it is gone.
fn vm_hwm(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_alive_at_one_moment_counts_together_and_each_at_its_peak() {
        let mut peaks = Peaks::default();
        let mut most = |alive: &[(u32, u64)]| {
            peaks.add(alive.iter().copied());
            peaks.most
        };
        assert_eq!(most(&[(1, 10)]), 10);
        assert_eq!(most(&[(1, 10), (2, 50)]), 60);
        // The second is another program now, and was larger before.
        assert_eq!(most(&[(1, 20), (2, 5)]), 70);
        assert_eq!(most(&[(1, 20), (3, 40)]), 70, "the second is gone");
        assert_eq!(most(&[(1, 20), (3, 60)]), 80);
    }
}
