//! Programs as sinks: external compressors, and the writer of a squashfs.

pub(crate) mod timings;

pub(crate) mod child_guard;
mod close_fds;
pub(crate) mod command;
pub(crate) mod pipe;
pub(crate) mod process;
mod version;

pub(crate) mod compressor;
pub(crate) mod squashfs;
pub(crate) mod squashfs_file;

pub use timings::ProgramTimings;

use crate::cancel::CancelToken;
use crate::codec::{Compression, EncoderVersion};
use crate::error::Result;
use crate::segment::{Part, Segment};

/// The encoders of a compression; a program is asked for its version.
pub(crate) fn encoders(
    compression: Compression,
    timings: &ProgramTimings,
    cancel: &CancelToken,
) -> Result<Vec<EncoderVersion>> {
    let name = match compression {
        Compression::Squashfs => squashfs::PROGRAM,
        Compression::External(program, _) => program.name(),
        Compression::None | Compression::Gzip(_) | Compression::Zstd(_) | Compression::Xz(_) => {
            return Ok(compression.library().into_iter().collect());
        }
    };
    Ok(vec![EncoderVersion { name, version: version::version(name, timings, cancel)? }])
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
