//! Packs a tree straight to the network: no file of the image is ever on this machine's disk.
//!
//! ```text
//! nc -l 9999 > image.tar.zst
//! cargo run --release --example upload ROOTFS 127.0.0.1:9999
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use packer::{Compression, Pack};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(rootfs), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("a tree and an address are needed".into());
    };
    let pack =
        Pack::new(rootfs).compression(Compression::ZSTD).threads(available_parallelism().unwrap_or(NonZeroUsize::MIN));
    // Anything that takes bytes will do: a socket, the body of an upload, a pipe. The fingerprint is known at the end.
    let image = pack.write(&mut TcpStream::connect(address)?)?;
    writeln!(io::stdout(), "{}  {} bytes of {}", image.fingerprint, image.size, image.tar_size)?;
    Ok(())
}
