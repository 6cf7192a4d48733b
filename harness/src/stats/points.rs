//! The figures of the points of a study.

use super::estimate;
use crate::plan::Point;
use crate::record::{PackedTree, Role, Sample, Study};

/// A point with its figures.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The point.
    pub point: &'a Point,
    /// Its tree.
    pub subject: &'a PackedTree,
    /// The median, the least and the most time in nanoseconds.
    pub wall: [f64; 3],
    /// The size of the image in bytes.
    pub size: u64,
    /// The highest peak of memory in bytes, if it is known.
    pub memory: Option<u64>,
}

impl Study {
    /// The points that were run, in order.
    #[must_use]
    pub fn measured(&self) -> Vec<Measured<'_>> {
        let measured = |point| self.measure(point);
        self.points.iter().filter_map(measured).collect()
    }

    fn measure<'a>(&'a self, point: &'a Point) -> Option<Measured<'a>> {
        let of = || self.samples.iter().filter(|sample| sample.role == Role::Measure && sample.case == point.name);
        let walls: Vec<f64> = of().map(|sample| sample.wall_ns as f64).collect();
        let least = walls.iter().copied().fold(f64::MAX, f64::min);
        let most = walls.iter().copied().fold(0.0, f64::max);
        Some(Measured {
            point,
            subject: self.subjects.get(point.subject)?,
            wall: [estimate::median(&walls)?.value, least, most],
            size: of().map(|sample| sample.image_size).max()?,
            memory: of().filter_map(memory).max(),
        })
    }
}

/// The memory of a run: of all of its processes, if that is known.
fn memory(sample: &Sample) -> Option<u64> {
    sample.memory_together.or(sample.memory).or_else(|| sample.pack.as_ref()?.vm_hwm)
}
