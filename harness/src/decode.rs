//! Looking at an image without the packer: its sha256, and that of the tar in it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

/// The sha256 and the size of the file, then those of the tar in it.
pub(crate) fn inspect(image: &Path) -> io::Result<((String, u64), (String, u64))> {
    let whole = hash(File::open(image)?)?;
    let mut file = BufReader::with_capacity(256 << 10, File::open(image)?);
    let magic = file.fill_buf()?.to_vec();
    let tar = if magic.starts_with(&[0x1f, 0x8b]) {
        hash(flate2::bufread::MultiGzDecoder::new(file))?
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        hash(zstd::stream::read::Decoder::with_buffer(file)?)?
    } else if let Some((_, program)) = PROGRAMS.iter().find(|(start, _)| magic.starts_with(start)) {
        read_by(program, image)?
    } else {
        whole.clone()
    };
    Ok((whole, tar))
}

/// What an image begins with that a program decodes.
const PROGRAMS: [(&[u8], &str); 4] =
    [(b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2"), (b"\x5d\0\0", "lzma"), (b"\x04\x22\x4d\x18", "lz4")];

/// The sha256 and the size of what a program decodes.
fn read_by(program: &str, image: &Path) -> io::Result<(String, u64)> {
    let mut command = Command::new(program);
    let mut child = command.arg("-dc").stdin(File::open(image)?).stdout(Stdio::piped()).spawn()?;
    let read = child.stdout.take().map(hash);
    match (child.wait()?, read) {
        (status, Some(read)) if status.success() => read,
        (status, _) => Err(io::Error::other(format!("`{program} -dc` failed ({status})"))),
    }
}

fn hash(mut from: impl Read) -> io::Result<(String, u64)> {
    let (mut hasher, mut buffer, mut length) = (Sha256::new(), vec![0; 256 << 10], 0);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), length))
}
