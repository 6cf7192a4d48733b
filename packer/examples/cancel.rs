//! Packs a tree, and cancels the pack from another thread when a line or the end of standard input arrives.
//!
//! ```text
//! cargo run --release --example cancel ROOTFS IMAGES
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::io;
use std::thread;

use packer::{CancelToken, ErrorKind, Pack};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(rootfs), Some(images)) = (arguments.next(), arguments.next()) else {
        return Err("usage: cancel ROOTFS IMAGES".into());
    };
    let token = CancelToken::new();
    let pack = Pack::new(rootfs).cancel_token(token.clone());
    thread::spawn(move || {
        // Cancelling is right even if nothing could be read.
        let _ = io::stdin().read_line(&mut String::new());
        token.cancel();
    });
    match pack.publish(images) {
        Ok(image) => println!("{}", image.fingerprint),
        Err(error) if error.kind() == ErrorKind::Cancelled => println!("cancelled; nothing is left behind"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
