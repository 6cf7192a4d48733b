//! The laws that images keep, tried on random trees, on fixtures, and through the command.

mod bad_input;
mod changes;
mod corners;
mod corners_golden;
mod corners_tree;
mod faults;
mod framing;
mod images;
mod laws;
mod limits;
mod listing;
mod options;
mod progress;
mod races;
mod readme;
mod rules;
mod same_bytes;
mod snapshot;
mod sparse;
mod trees;
