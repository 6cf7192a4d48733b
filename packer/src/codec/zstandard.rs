//! zstd: one frame per segment, with content size and checksum.

use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

use super::Level;
use crate::buffer::Buffer;
use crate::error::{Error, Result};

/// One libzstd context.
pub(crate) struct Encoder(Compressor<'static>);

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder(zstd)")
    }
}

impl Encoder {
    pub(crate) fn new(level: Level<1, 19>) -> Result<Self> {
        let mut compressor = Compressor::new(i32::from(level.get())).map_err(|error| Error::codec("zstd", error))?;
        compressor.set_parameter(CParameter::ChecksumFlag(true)).map_err(|error| Error::codec("zstd", error))?;
        Ok(Encoder(compressor))
    }

    pub(crate) fn encode(&mut self, framed: &[u8], out: &mut Buffer) -> Result<()> {
        let room = out.room(compress_bound(framed.len()));
        let length = self.0.compress_to_buffer(framed, room).map_err(|error| Error::codec("zstd", error))?;
        out.keep(length);
        Ok(())
    }
}

/// The version of the library that is linked in.
pub(crate) fn version() -> &'static str {
    zstd::zstd_safe::version_string()
}
