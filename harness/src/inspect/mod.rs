//! Reads images and trees without the packer: the second opinion that verification rests on.

mod image;
mod listing;

pub(crate) use image::inspect;
pub use image::{InnerTar, Inspection, sha256};
pub use listing::Listing;
