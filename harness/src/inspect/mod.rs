//! Reads images and trees without the packer: the second opinion that verification rests on.

mod archive;
mod attributes;
mod by_name;
mod comparison;
mod decode;
mod difference;
mod entry;
mod image;
mod listing;
mod pax;
mod sparse;
#[cfg(test)]
mod tests;

pub use by_name::Expectation;
pub use comparison::Comparison;
pub use difference::{Difference, Field};
pub use image::{InnerTar, Inspection, sha256};
pub(crate) use image::{inspect, inspect_foreign};
pub use listing::Listing;
