//! Programs as sinks: external compressors, and the writer of a squashfs.

mod close_fds;
pub(crate) mod compressor;
pub(crate) mod process;
pub(crate) mod squashfs;

use crate::cancel::CancelToken;
use crate::codec::{Compression, EncoderVersion};
use crate::error::Result;
use crate::segment::{Part, Segment};

/// The encoders of a compression; a program is asked for its version.
pub(crate) fn encoders(compression: Compression, cancel: &CancelToken) -> Result<Vec<EncoderVersion>> {
    let name = match compression {
        Compression::Squashfs => squashfs::PROGRAM,
        Compression::External(program, _) => program.name(),
        Compression::None | Compression::Gzip(_) | Compression::Zstd(_) | Compression::Xz(_) => {
            return Ok(compression.library().into_iter().collect());
        }
    };
    Ok(vec![EncoderVersion { name, version: process::version(name, cancel)? }])
}

/// Fails if the compression is a filesystem that cannot hold an entry of the segment.
pub(crate) fn check_representable(compression: Compression, segment: &Segment) -> Result<()> {
    if !compression.is_filesystem() {
        return Ok(());
    }
    segment.parts.iter().try_for_each(|part| match part {
        Part::Member(entry) => squashfs::check_representable(entry),
        Part::Range { file, content } if content.start == 0 => squashfs::check_representable(file),
        Part::Range { .. } | Part::Framed(_) | Part::End => Ok(()),
    })
}
