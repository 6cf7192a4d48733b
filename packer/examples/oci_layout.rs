//! Adds a tree to an OCI image layout, under the tag `latest`.
//!
//! ```text
//! mkdir layout
//! cargo run --release --example oci_layout ROOTFS layout
//! skopeo copy oci:layout:latest docker://registry.example/debian:latest
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use packer::{Compression, Format, OciOptions, Pack};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(rootfs), Some(layout)) = (arguments.next(), arguments.next()) else {
        return Err("usage: oci_layout ROOTFS LAYOUT".into());
    };
    let oci = OciOptions::new().tag("latest".parse()?);
    let image = Pack::new(rootfs).format(Format::Oci(oci)).compression(Compression::ZSTD).publish(layout)?;
    println!("manifest sha256:{}", image.fingerprint);
    // These values are enough for a manifest and a config of one's own.
    if let (Some(layer), Some(diff_id)) = (image.layer, image.diff_id) {
        println!("layer sha256:{}, {} bytes, {}", layer.digest, layer.size, layer.media_type);
        println!("diffID sha256:{diff_id}");
    }
    Ok(())
}
