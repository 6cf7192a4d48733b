//! The tar in an image, decoded without the packer.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::bufread::GzDecoder;

/// The magic bytes of images that a program decodes to its standard output, and its arguments before the image.
const PROGRAMS: [(&[u8], &[&str]); 5] = [
    (b"\xfd7zXZ\0", &["xz", "-dc"]),
    (b"BZh", &["bzip2", "-dc"]),
    (b"\x5d\0\0", &["lzma", "-dc"]),
    (b"\x04\x22\x4d\x18", &["lz4", "-dc"]),
    (SQUASHFS, &["sqfs2tar", "--root-becomes", "."]),
];

/// The magic bytes of a squashfs.
const SQUASHFS: &[u8] = b"hsqs";

/// Whether an image is a squashfs.
pub(super) fn is_squashfs(image: &Path) -> io::Result<bool> {
    Ok(BufReader::new(File::open(image)?).fill_buf()?.starts_with(SQUASHFS))
}

/// Unpacks a squashfs where there is no program that makes a tar of it.
pub(super) fn unsquash(image: &Path, top: &Path) -> io::Result<()> {
    let mut command = Command::new("unsquashfs");
    let run = command.args(["-no-progress", "-quiet", "-d"]).arg(top).arg(image).stdin(Stdio::null()).output()?;
    let words = String::from_utf8_lossy(&run.stderr);
    if run.status.success() { Ok(()) } else { Err(io::Error::other(format!("`unsquashfs` failed: {}", words.trim()))) }
}

/// What may follow the last member of a gzip file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// Nothing.
    None,
    /// Zeros: bsdtar fills the last block, and `gzip -d` takes it.
    Zeros,
}

/// Gives the tar in an image to `read`, and then reads the rest of it: a fault behind the last member is one, too.
pub(super) fn decode<Of>(
    image: &Path,
    padding: Padding,
    read: impl FnOnce(&mut dyn Read) -> io::Result<Of>,
) -> io::Result<Of> {
    let mut file = BufReader::with_capacity(256 << 10, File::open(image)?);
    let magic = file.fill_buf()?.to_vec();
    if magic.starts_with(&[0x1f, 0x8b]) {
        whole(Gzip { member: Some(GzDecoder::new(file)), padding }, read)
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        zstd::stream::read::Decoder::with_buffer(file).and_then(|tar| whole(tar, read))
    } else if let Some((_, program)) = PROGRAMS.iter().find(|(start, _)| magic.starts_with(start)) {
        decode_with(program, image, read)
    } else {
        whole(file, read)
    }
}

/// All members of a gzip file.
struct Gzip<From> {
    /// The present one; `None` behind the last.
    member: Option<GzDecoder<From>>,
    padding: Padding,
}

impl<From: BufRead> Read for Gzip<From> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(mut rest) = self.member.take().map(GzDecoder::into_inner) else { break };
            match (rest.fill_buf()?.first(), self.padding) {
                (None, _) => {}
                (Some(0), Padding::Zeros) => only_zeros(rest)?,
                (Some(_), _) => self.member = Some(GzDecoder::new(rest)),
            }
        }
        Ok(0)
    }
}

fn only_zeros(mut from: impl BufRead) -> io::Result<()> {
    loop {
        let bytes = from.fill_buf()?;
        let count = bytes.len();
        match bytes.iter().all(|byte| *byte == 0) {
            _ if count == 0 => return Ok(()),
            true => from.consume(count),
            false => return Err(io::Error::new(io::ErrorKind::InvalidData, "something follows the gzip file")),
        }
    }
}

fn whole<Of>(mut tar: impl Read, read: impl FnOnce(&mut dyn Read) -> io::Result<Of>) -> io::Result<Of> {
    let found = read(&mut tar);
    io::copy(&mut tar, &mut io::sink())?;
    found
}

fn decode_with<Of>(
    program: &[&str],
    image: &Path,
    read: impl FnOnce(&mut dyn Read) -> io::Result<Of>,
) -> io::Result<Of> {
    let mut command = Command::new(program[0]);
    let mut child = command.args(&program[1..]).arg(image).stdout(Stdio::piped()).spawn()?;
    let read = child.stdout.take().map(|tar| whole(tar, read));
    match (child.wait()?, read) {
        (status, Some(read)) if status.success() => read,
        (status, _) => Err(io::Error::other(format!("`{}` failed ({status})", program.join(" ")))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn compressed(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn all_members_are_read_and_zeros_follow_those_of_others_only() {
        let place = tempfile::tempdir().unwrap();
        let image = place.path().join("image");
        let read = |bytes: &[u8], padding| {
            std::fs::write(&image, bytes).unwrap();
            let mut text = String::new();
            decode(&image, padding, |tar| tar.read_to_string(&mut text))
                .map(|_| text)
                .map_err(|error| error.to_string())
        };
        let two = [compressed(b"one, "), compressed(b"two")].concat();
        let padded = [&two[..], &[0; 70_000]].concat();
        for (bytes, padding, text) in [
            (&two, Padding::None, Some("one, two")),
            (&two, Padding::Zeros, Some("one, two")),
            (&padded, Padding::Zeros, Some("one, two")),
            (&padded, Padding::None, None),
            (&[&padded[..], b"x"].concat(), Padding::Zeros, None),
            (&[&two[..], b"x"].concat(), Padding::Zeros, None),
            (&two[..two.len() - 1].to_vec(), Padding::Zeros, None),
        ] {
            assert_eq!(read(bytes, padding).ok().as_deref(), text, "{padding:?} {}", bytes.len());
        }
    }
}
