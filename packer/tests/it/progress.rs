//! What an observer is told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use packer::{Observer, Pack, Pass, Progress, Strategy};
use tempfile::TempDir;

use crate::trees;

/// A clock of which every look takes a millisecond, and all that was told, with the time.
#[derive(Default)]
struct Watcher {
    now: AtomicU64,
    told: Mutex<Vec<(Duration, Progress)>>,
}

impl Observer for Watcher {
    fn now(&self) -> Duration {
        Duration::from_millis(self.now.fetch_add(1, Ordering::SeqCst))
    }

    fn wants_progress(&self) -> bool {
        true
    }

    fn progress(&self, progress: &Progress) {
        let now = Duration::from_millis(self.now.load(Ordering::SeqCst));
        self.told.lock().unwrap().push((now, *progress));
    }
}

#[test]
fn progress_comes_at_most_ten_times_a_second_and_ends_at_the_exact_total() {
    let (root, output) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    trees::some().create(root.path(), false);
    // Many segments, so that there is much to tell.
    std::fs::write(root.path().join("large"), vec![1; 160 << 20]).unwrap();
    for (strategy, passes) in
        [(Strategy::SingleStream, &[Pass::Stream][..]), (Strategy::TwoPass, &[Pass::Tar, Pass::Compress])]
    {
        let watcher = Watcher::default();
        let image = Pack::new(root.path(), output.path()).strategy(strategy).run(&watcher).unwrap();
        let told = watcher.told.into_inner().unwrap();
        for pass in passes {
            let of: Vec<_> = told.iter().filter(|(_, progress)| progress.pass == *pass).collect();
            let (last, before) = of.split_last().unwrap();
            assert!(before.len() >= 2, "{strategy} {pass:?}: {} reports", of.len());
            assert!(before.windows(2).all(|pair| pair[1].0 - pair[0].0 >= Duration::from_millis(99)), "{before:?}");
            assert!(before.windows(2).all(|pair| pair[0].1.done <= pair[1].1.done));
            // Whenever a total is told, it is the right one.
            assert!(of.iter().filter_map(|(_, progress)| progress.total).all(|total| total == image.tar_size));
            assert_eq!((last.1.done, last.1.total), (image.tar_size, Some(image.tar_size)));
            assert!(last.1.speed > 0);
        }
    }
}
