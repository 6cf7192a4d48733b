//! Stands in for `xz` in a build without liblzma. Packs refuse xz before they use it.

use crate::buffer::Buffer;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};

pub(crate) const VERSION: &str = "none";

pub(crate) const HEADER: &[u8] = b"";

#[derive(Debug)]
pub(crate) struct Encoder;

impl Encoder {
    pub(crate) fn new(_level: u8) -> Self {
        Encoder
    }

    pub(crate) fn encode(&mut self, _framed: &[u8], _out: &mut Buffer, _cancel: &CancelToken) -> Result<u64> {
        Err(Error::codec("xz", "not built in"))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Index {}

impl Index {
    pub(crate) fn append(&mut self, _unpadded: u64, _uncompressed: u64) {}

    pub(crate) fn trailer(&self) -> Vec<u8> {
        Vec::new()
    }
}
