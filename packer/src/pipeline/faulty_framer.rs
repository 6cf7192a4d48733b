//! Framing with faults: files are read twice, or the tar is also written to a hidden file.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::pipeline::context::Context;
use crate::pipeline::encode::{FrameSource, SegmentFramer};
use crate::segment::Segment;
use crate::sink::destination::ScratchFile;

/// The hidden file, which lives as long as the process.
static HIDDEN: Mutex<Option<ScratchFile>> = Mutex::new(None);

/// A framer that goes wrong where a fault is injected.
pub(crate) struct FaultyFramer<'a> {
    context: Context<'a>,
    framer: SegmentFramer<'a>,
    again: SegmentFramer<'a>,
}

impl<'a> FaultyFramer<'a> {
    pub(crate) fn new(context: &Context<'a>, framer: SegmentFramer<'a>) -> Result<Self> {
        Ok(FaultyFramer { context: *context, framer, again: SegmentFramer::new(context)? })
    }
}

impl FrameSource<Segment> for FaultyFramer<'_> {
    fn frame(&mut self, segment: &Segment, framed: &mut Buffer) -> Result<()> {
        if Fault::Reread.is_injected() {
            self.again.frame(segment, &mut self.context.buffers.framed.take())?;
        }
        self.framer.frame(segment, framed)?;
        if Fault::Scratch.is_injected() {
            let mut hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner);
            let hidden = match &mut *hidden {
                Some(hidden) => hidden,
                none => none.insert(self.context.destination.scratch_file()?),
            };
            hidden
                .file
                .write_all(framed)
                .map_err(|error| Error::io("write the hidden file in", &hidden.directory, error))?;
        }
        Ok(())
    }
}
