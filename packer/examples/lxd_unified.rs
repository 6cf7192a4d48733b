//! Packs a tree as a unified image for LXD and Incus.
//!
//! ```text
//! mkdir images
//! cargo run --release --example lxd_unified ROOTFS images
//! incus image import images/FINGERPRINT.tar.gz --alias debian
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use packer::{Format, LxdOptions, Outcome, Pack};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(rootfs), Some(images)) = (arguments.next(), arguments.next()) else {
        return Err("usage: lxd_unified ROOTFS IMAGES".into());
    };
    // Architecture, date and the properties `os`, `release` and `description` come from the tree.
    let lxd = LxdOptions::new().property("variant", "example");
    let image = Pack::new(rootfs).format(Format::Unified(lxd)).publish(images)?;
    match (&image.path, image.outcome) {
        (Some(path), Outcome::AlreadyThere) => println!("{} was there already", path.display()),
        (Some(path), _) => println!("{}", path.display()),
        (None, _) => println!("{}", image.fingerprint),
    }
    Ok(())
}
