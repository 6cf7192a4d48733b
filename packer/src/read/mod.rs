//! Reading images of any format and any maker: verifying, inspecting, comparing.
//!
//! ```text
//! Source ─▶ ImageFile ─▶ decoder ─▶ ArchiveReader ─▶ verify:  NameIndex, FormatDetector ─▶ Verified
//!                                                 └▶ compare: Contents (a tree in memory) ─▶ Summary, Difference
//! ```
//!
//! No archive is read by its writer's code. Shared are the walk of the root filesystem that an image is compared with, the checks of
//! a `metadata.yaml`, and the supervision of programs. For any input, memory is bounded, nothing waits, and nothing outside the
//! image is read.

// Each module imports only modules above it.
mod context;

mod archive;

mod image;

mod verify;

mod compare;

pub use compare::diff;
pub use compare::difference::{ChangeKind, Difference, Field, FieldChange, Section};
pub use compare::image::ArchiveSummary;
pub use compare::summary::Summary;
pub use image::encoding::Encoding;
pub use image::format::ImageFormat;
pub use image::source::Source;
pub use verify::{Verified, verify};
