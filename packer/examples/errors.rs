//! Packs a tree within a limit of 1 GiB, and handles errors by their kind.
//!
//! ```text
//! cargo run --release --example errors ROOTFS IMAGES
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::io;
use std::process::ExitCode;

use packer::{Error, ErrorKind, Pack};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(rootfs), Some(images)) = (arguments.next(), arguments.next()) else {
        println!("usage: errors ROOTFS IMAGES");
        return ExitCode::from(2);
    };
    match Pack::new(rootfs).max_size(1 << 30).publish(images) {
        Ok(image) => {
            println!("{}", image.fingerprint);
            ExitCode::SUCCESS
        }
        Err(error) => {
            // `{}` leaves the cause to `source()`; `{:#}` is one line with the cause.
            println!("{error:#}");
            println!("{}", advice(&error));
            ExitCode::FAILURE
        }
    }
}

fn advice(error: &Error) -> &'static str {
    let cause = error.io_error().map(io::Error::kind);
    match (error.kind(), cause) {
        (ErrorKind::Changed, _) => "pack a snapshot, or set Pack::live",
        (ErrorKind::TooLarge, _) => "exclude caches with Pack::exclude",
        (ErrorKind::OutputExists, _) => "choose another output directory",
        (ErrorKind::Program, _) => "install the program, or choose a codec of the library",
        (ErrorKind::Io, Some(io::ErrorKind::PermissionDenied)) => "run as root",
        (ErrorKind::Io, Some(io::ErrorKind::StorageFull)) => "free disk space",
        // Kinds may be added.
        _ => "see the message",
    }
}
