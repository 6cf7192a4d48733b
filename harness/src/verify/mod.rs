//! What must hold whatever the speed: of the images, of the disk, and of the bytes that are read and written.

mod finding;
pub(crate) mod invariants;
pub(crate) mod io_volume;
#[cfg(test)]
pub(crate) mod test_support;

pub use finding::{Finding, Gate, GateVerdict};
pub(crate) use invariants::InspectedPack;
