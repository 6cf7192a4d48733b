//! Looking through an archive without keeping what is in it: whether readers will agree on it, and how large it is.

use std::io::Read;

use crate::read::archive::error::Flaw;
use crate::read::archive::member::Kind;
use crate::read::archive::members::{Archive, End, Whole};
use crate::read::image::format::{METADATA, METADATA_LIMIT, Shape};
use crate::read::verify::names::{Register, Targets};

/// What was found in a sound archive.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) whole: Whole,
    pub(crate) members: u64,
    pub(crate) shape: Shape,
}

/// Reads every member and every byte behind them.
pub(crate) fn scan(tar: impl Read, end: End, targets: Targets) -> Result<Scanned, Flaw> {
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
