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

// An archive: its members, whoever wrote them.
mod acl;
mod archive;
mod attributes;
mod block;
mod extended;
mod flaw;
mod member;
mod path;
mod sparse;

// An image: where it is, and how it is laid out.
mod decode;
mod encoding;
mod format;
mod oci;
mod source;

// Whether it is sound.
mod register;
mod scan;
mod verify;

// What is in it.
mod compare;
mod content;
mod contents;
mod difference;
mod reading;
mod rootfs;
mod summary;
mod unpack;

pub use compare::diff;
pub use difference::{Aspect, Difference, Presence, Property, Section};
pub use encoding::Encoding;
pub use format::Format;
pub use reading::Archive;
pub use source::Source;
pub use summary::Summary;
pub use verify::{Verified, verify};
