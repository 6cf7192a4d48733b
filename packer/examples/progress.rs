//! Packs a tree, reports progress, and cancels the pack when it takes longer than a minute.
//!
//! ```text
//! cargo run --release --example progress ROOTFS /tmp/images
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use packer::{CancelToken, Pack};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(rootfs), Some(images)) = (arguments.next(), arguments.next()) else {
        return Err("usage: progress ROOTFS IMAGES".into());
    };
    let started = Instant::now();
    let pack = Pack::new(rootfs)
        .on_progress(|progress| {
            let total = progress.total.map_or_else(String::new, |total| format!(" of {total}"));
            let _ = writeln!(
                io::stderr(),
                "{:?}: {}{total} bytes, {} a second",
                progress.pass,
                progress.done,
                progress.speed
            );
        })
        // A cancelled pack leaves nothing behind.
        .cancel_token(CancelToken::when(move || started.elapsed() > Duration::from_secs(60)));
    match pack.publish(images) {
        Ok(image) => writeln!(io::stdout(), "{} in {:?}", image.fingerprint, image.wall)?,
        Err(error) if error.kind() == packer::ErrorKind::Cancelled => writeln!(io::stdout(), "the pack took too long")?,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
