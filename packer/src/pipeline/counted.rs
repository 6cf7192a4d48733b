//! The segments of the tree on their way to the workers: counts members, and refuses what the image cannot hold.

use crate::codec::Compression;
use crate::error::{Error, Result};
use crate::metrics::{Metrics, Step};
use crate::pipeline::context::{ArchivePlan, Context};
use crate::pipeline::encode::PieceSource;
use crate::pipeline::tuning;
use crate::segment::Segment;
use crate::segment::cutter::Segments;
use crate::sink::program;
use crate::tree::Tree;
use crate::tree::walk::{LeftOut, Walk};

/// The segments of the tree, with the time of the walk and the entries counted.
#[derive(Debug)]
pub(crate) struct CountedSegments<'a> {
    segments: Segments<Walk<'a>>,
    tree: &'a Tree<'a>,
    metrics: &'a Metrics,
    compression: Compression,
    entries: u64,
}

impl<'a> CountedSegments<'a> {
    pub(crate) fn new(context: &Context<'a>, archive: &ArchivePlan<'_>) -> Result<Self> {
        let Context { tree, changes, metrics, .. } = *context;
        let compression = archive.sink.compression;
        let walk = tree.walk(changes).map_err(|error| error.below(tree.path()))?;
        let segments =
            Segments::new(walk, tuning::segment_sizes(compression)).with_extra_members(archive.extras.clone());
        Ok(CountedSegments { segments, tree, metrics, compression, entries: 0 })
    }

    /// Members handed out so far.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// What was left out so far; of the mounts, their whole paths.
    pub(crate) fn left_out(&self) -> LeftOut {
        let LeftOut { sockets, mounts } = self.segments.entries().left_out();
        LeftOut { sockets: *sockets, mounts: mounts.iter().map(|path| self.tree.path().join(path)).collect() }
    }

    fn checked(&self, segment: Result<Segment>) -> Result<Segment> {
        let segment = segment?;
        program::check_representable(self.compression, &segment)?;
        Ok(segment)
    }
}

impl PieceSource<Segment> for CountedSegments<'_> {
    fn finish(&mut self) -> Result<()> {
        let walk = self.segments.entries_mut();
        self.metrics.time(Step::Walk, || walk.finish()).map_err(|error| error.below(self.tree.path()))
    }
}

impl Iterator for CountedSegments<'_> {
    type Item = Result<Segment>;

    fn next(&mut self) -> Option<Self::Item> {
        let segment = self.metrics.time(Step::Walk, || self.segments.next())?;
        let segment = self.checked(segment).map_err(|error: Error| error.below(self.tree.path()));
        if let Ok(segment) = &segment {
            self.entries += segment.members();
        }
        Some(segment)
    }
}
