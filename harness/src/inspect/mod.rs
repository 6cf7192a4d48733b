//! Reads images and trees without the packer: the second opinion that verification rests on.

mod archive;
mod attributes;
mod comparison;
mod difference;
mod entry;
mod image;
mod listing;
mod pax;
mod sparse;
#[cfg(test)]
mod tests;

pub use comparison::Comparison;
pub use difference::{Difference, Field};
pub(crate) use image::inspect;
pub use image::{InnerTar, Inspection, sha256};
pub use listing::Listing;
