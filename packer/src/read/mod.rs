//! Reading images of any format and any maker: verifying them, summing them up, comparing them.
//!
//! ```text
//! Source ─▶ decoded ─▶ Archive ─▶ members ─▶ scan:   Register (names), Shape (format)      ─▶ Verified
//!                                         └▶ unpack: Contents (a tree as a value)           ─▶ Summary, Differences
//! ```
//!
//! No archive is read by what writes one. Shared are the walk over a root filesystem that an image is compared with, what importers ask
//! of a `metadata.yaml`, and the program that makes a tar of a squashfs. Whatever an image holds, memory is bounded, nothing waits, and
//! nothing outside the image is read.

mod archive;
mod compare;
mod image;
mod verify;

pub use compare::diff;
pub use compare::difference::{Aspect, Difference, Presence, Property, Section};
pub use compare::image::Archive;
pub use compare::summary::Summary;
pub use image::encoding::Encoding;
pub use image::format::Format;
pub use image::source::Source;
pub use verify::{Verified, verify};
