//! Looking through an archive without keeping what is in it: whether readers will agree on it, and how large it is.

use std::io::Read;

use super::archive::{Archive, End, Whole};
use super::flaw::Flaw;
use super::format::{METADATA, METADATA_LIMIT, Shape};
use super::member::Kind;
use super::register::{Register, Targets};

/// What was found in a sound archive.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) whole: Whole,
    pub(super) members: u64,
    pub(super) shape: Shape,
}

/// Reads every member and every byte behind them.
pub(super) fn scan(tar: impl Read, end: End, targets: Targets) -> Result<Scanned, Flaw> {
    let mut archive = Archive::new(tar, end);
    let (mut register, mut shape, mut members) = (Register::new(targets), Shape::default(), 0);
    while let Some(member) = archive.next()? {
        let path = register.add(&member)?;
        shape.see(&member, &path);
        if let (METADATA, Kind::File { size: ..=METADATA_LIMIT }) = (&path[..], &member.kind) {
            shape.read(&archive.text()?);
        }
        members += 1;
    }
    Ok(Scanned { whole: archive.finish()?, members, shape })
}
