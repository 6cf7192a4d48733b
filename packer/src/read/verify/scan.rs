//! A scan of an archive that keeps no content: checks that readers agree on it, and counts.

use std::io::Read;

use crate::cancel::CancelToken;
use crate::read::archive::error::ReadError;
use crate::read::archive::member::MemberKind;
use crate::read::archive::reader::{ArchiveDigest, ArchiveReader, End};
use crate::read::image::format::{FormatDetector, METADATA, METADATA_LIMIT};
use crate::read::verify::names::{LinkTargets, NameIndex};

/// The result for a sound archive.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) archive: ArchiveDigest,
    pub(crate) members: u64,
    pub(crate) detector: FormatDetector,
}

/// Reads every member, and every byte behind the last one.
pub(crate) fn scan(tar: impl Read, end: End, targets: LinkTargets, cancel: &CancelToken) -> Result<Scan, ReadError> {
    let mut archive = ArchiveReader::new(tar, end, cancel);
    let (mut names, mut detector, mut members) = (NameIndex::new(targets), FormatDetector::default(), 0);
    while let Some(member) = archive.next()? {
        let path = names.add(&member)?;
        detector.add(&member, &path);
        if let (METADATA, MemberKind::File { size: ..=METADATA_LIMIT }) = (&path[..], &member.kind) {
            detector.add_description(&archive.content_bytes()?);
        }
        members += 1;
    }
    Ok(Scan { archive: archive.finish()?, members, detector })
}
