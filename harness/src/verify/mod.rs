//! Verification, whatever the speed: the images, the disk space, and the bytes read and written.

mod finding;
pub(crate) mod invariants;
pub(crate) mod io_volume;
#[cfg(test)]
pub(crate) mod test_support;

pub use finding::{Finding, Gate, GateVerdict};
pub(crate) use invariants::InspectedPack;
