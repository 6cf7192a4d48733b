//! Packs a tree with somebody watching: progress is told, and the pack ends when it takes too long.
//!
//! ```text
//! cargo run --release --example progress ROOTFS /tmp/images
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use packer::{Observer, Pack, Progress};

/// Watches one pack.
struct Watch {
    started: Instant,
    patience: Duration,
}

impl Observer for Watch {
    /// The library has no clock of its own.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn wants_progress(&self) -> bool {
        true
    }

    fn progress(&self, progress: &Progress) {
        let of = progress.total.map_or_else(String::new, |total| format!(" of {total}"));
        let _ = writeln!(io::stderr(), "{:?}: {}{of} bytes, {} a second", progress.pass, progress.done, progress.speed);
    }

    /// From the first yes on, the pack ends and leaves nothing behind.
    fn cancelled(&self) -> bool {
        self.started.elapsed() > self.patience
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(rootfs), Some(images)) = (arguments.next(), arguments.next()) else {
        return Err("a tree and a directory for the image are needed".into());
    };
    let watch = Watch { started: Instant::now(), patience: Duration::from_secs(60) };
    match Pack::new(rootfs).publish(images, &watch) {
        Ok(image) => writeln!(io::stdout(), "{} in {:?}", image.fingerprint, image.wall)?,
        Err(error) if error.is_cancelled() => writeln!(io::stdout(), "it took too long")?,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
