//! The check that a squashfs file is whole, for the writer and the reader.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What a filesystem begins with.
pub(crate) const MAGIC: &[u8] = b"hsqs";

/// What its length is padded to, in bytes.
const PADDING: u64 = 4096;

/// The size of the superblock, in bytes. All its numbers are little-endian.
const SUPERBLOCK: usize = 96;

/// Where the superblock says how many bytes are used.
const BYTES_USED: usize = 40;

/// Whether a file is a filesystem to its end. Zeros that fill up its last block may follow, and nothing else.
pub(crate) fn is_whole(file: &File) -> io::Result<bool> {
    let mut superblock = [0; SUPERBLOCK];
    match file.read_exact_at(&mut superblock, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        result => result?,
    }
    let Some(used) = superblock[BYTES_USED..].first_chunk() else { return Ok(false) };
    let used = u64::from_le_bytes(*used);
    let length = file.metadata()?.len();
    let ends = used == length || used.checked_next_multiple_of(PADDING) == Some(length);
    if !superblock.starts_with(MAGIC) || !ends {
        return Ok(false);
    }
    let mut padding = vec![0; (length - used) as usize];
    file.read_exact_at(&mut padding, used)?;
    Ok(padding.iter().all(|byte| *byte == 0))
}
