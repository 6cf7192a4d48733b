//! Packs a tree straight to the network. Neither the image nor a temporary file is ever on this machine's disk.
//!
//! ```text
//! nc -l 9999 > image.tar.zst
//! cargo run --release --example upload ROOTFS 127.0.0.1:9999
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use packer::{Compression, Pack};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(rootfs), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: upload ROOTFS ADDRESS".into());
    };
    let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let pack = Pack::new(rootfs).compression(Compression::ZSTD).threads(threads);
    // Any writer will do: a socket, the body of an HTTP request, a pipe. The fingerprint is known at the end.
    let image = pack.write(&mut TcpStream::connect(address)?)?;
    println!("{}  {} bytes of {}", image.fingerprint, image.size, image.tar_size);
    Ok(())
}
