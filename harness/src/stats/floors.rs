//! The lower bound of the time of a case: the parts that no packer can save.

use super::comparison::comparison;
use super::estimate;
use crate::plan::Case;
use crate::record::{Record, Role, Sample};
use crate::run::Floor;

/// A case beside its lower bound.
#[derive(Clone, Debug, PartialEq)]
pub struct FloorLine {
    /// The case's name.
    pub case: String,
    /// The median processor times of reading, encoding and hashing, in nanoseconds.
    pub parts: [f64; 3],
    /// Their sum divided by the threads, or the time of hashing if that is more: one hash runs on one core.
    pub floor: f64,
    /// The median time of our single stream, in nanoseconds.
    pub wall: f64,
}

/// The floors of a record, in the order of its cases.
#[must_use]
pub fn floor_lines(record: &Record) -> Vec<FloorLine> {
    let line = |case: &Case| {
        let name = case.name();
        let floor = |sample: &Sample| {
            let counts = sample.role == Role::Measure && sample.case == name && sample.arm == "floor";
            sample.floor.filter(|_| counts)
        };
        let floors: Vec<Floor> = record.samples.iter().filter_map(floor).collect();
        let median = |part: fn(&Floor) -> u64| {
            let values: Vec<f64> = floors.iter().map(|floor| part(floor) as f64).collect();
            Some(estimate::median(&values)?.value)
        };
        let parts = [median(|floor| floor.read_ns)?, median(|floor| floor.encode_ns)?, median(|floor| floor.hash_ns)?];
        let wall = comparison(&record.samples, &name)?.single_stream.wall_ns.value;
        let floor = (parts.iter().sum::<f64>() / case.threads as f64).max(parts[2]);
        Some(FloorLine { case: name, parts, floor, wall })
    };
    record.run.cases.iter().filter_map(line).collect()
}
