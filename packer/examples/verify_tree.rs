//! Verifies an image, and compares it with the tree that it was packed from.
//!
//! ```text
//! cargo run --release --example verify_tree IMAGE ROOTFS
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use packer::{Pack, Source};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(image), Some(rootfs)) = (arguments.next(), arguments.next()) else {
        return Err("usage: verify_tree IMAGE ROOTFS".into());
    };
    let source = Source::new(image);
    let verified = source.verify()?;
    println!("{}: {} entries, {} bytes", verified.fingerprint, verified.entries, verified.size);
    // The same exclusions and owners as those of the pack give a comparison without differences.
    let differences = source.compare_with_tree(&Pack::new(rootfs))?;
    for line in differences.iter().flat_map(|difference| difference.lines(["the image", "the tree"])) {
        println!("{line}");
    }
    println!("{} differences", differences.len());
    Ok(())
}
