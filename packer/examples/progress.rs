//! Packs a tree and prints progress.
//!
//! ```text
//! cargo run --release --example progress ROOTFS IMAGES
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use packer::Pack;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(rootfs), Some(images)) = (arguments.next(), arguments.next()) else {
        return Err("usage: progress ROOTFS IMAGES".into());
    };
    let pack = Pack::new(rootfs).on_progress(|progress| {
        let pass = progress.pass.name();
        match progress.total {
            Some(total) => println!("{pass}: {} of {total} bytes, {} bytes/s", progress.done, progress.speed),
            None => println!("{pass}: {} bytes, {} bytes/s", progress.done, progress.speed),
        }
    });
    let image = pack.publish(images)?;
    println!("{} in {:?}", image.fingerprint, image.wall);
    Ok(())
}
