//! Decoding: the tar in a file, whatever compressed it, by decoders that share no code with the encoders of this crate.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// What the compression of `file` hides. Which one that is, its first bytes tell; with none that is known it is the file
/// itself.
pub(crate) fn decoded(file: File) -> io::Result<Box<dyn Read>> {
    let mut file = BufReader::with_capacity(256 << 10, file);
    let magic = file.fill_buf()?;
    Ok(if magic.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(file))
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(zstd::stream::read::Decoder::with_buffer(file)?)
    } else {
        Box::new(file)
    })
}
