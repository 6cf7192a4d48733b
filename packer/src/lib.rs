//! Packs a root filesystem into a compressed tar that is named by the sha256 of its bytes.
//!
//! ```text
//! Tree ─▶ Segments ─▶ workers: frame (tar) + encode (compress) ─▶ in-order sink: hash + write ─▶ publish
//! ```
//!
//! [`Pack`] does it, in a [`Format`] that LXD, Incus or OCI clients take; [`verify`] checks the result. Two strategies give the
//! same bytes: in one stream, or in two passes with a temporary tar between them. The same tree gives the same fingerprint
//! whatever the strategy, the number of threads, the order of directories, the filesystem, the locale, the umask, the time zone.
//!
//! The library prints nothing, reads neither the environment nor the clock, and starts no process but an external
//! compressor that was asked for, and what writes or reads a squashfs.

// What comes in: a tree, walked by handle.
mod acl;
mod attributes;
mod changes;
mod directory;
mod entry;
mod links;
mod names;
mod owners;
mod rules;
mod sparse;
mod tree;
mod xattrat;

// What it becomes: pieces of a tar, compressed.
mod buffer;
mod codec;
mod frame;
mod segment;
mod tar;

// What goes out: files named by their hash.
mod block;
mod fingerprint;
mod folder;
mod layout;
mod leftovers;
mod output;
mod publish;
mod sink;
mod temporary;

// How these are put together.
mod assembled;
mod error;
mod format;
mod image;
mod job;
mod observer;
mod pack;
mod pool;
mod strategy;

// How an image is read again.
mod read;

#[cfg(feature = "planted")]
mod planted;
#[cfg(feature = "planted")]
#[doc(hidden)]
pub use planted::Fault;

#[cfg(feature = "stages")]
#[doc(hidden)]
pub mod stages;

pub use changes::Change;
pub use codec::{Compression, EncoderVersion, InvalidCompression, Level, Program};
pub use error::{Error, Result, shown};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use format::{
    Architecture, Format, InvalidArchitecture, InvalidMetadata, InvalidTag, Lxd, Metadata, Oci, Run, Tag,
};
pub use image::{Busy, Image, Phase};
pub use observer::{Observer, Pass, Progress};
pub use owners::{IdMap, IdRange, InvalidOwners, Owner, Owners};
pub use pack::Pack;
pub use publish::Outcome;
pub use read::{
    Archive, Aspect, Difference, Encoding, Format as FoundFormat, Presence, Property, Section, Source, Summary,
    Verified, diff, verify,
};
pub use rules::{Exclusion, InvalidExclusion};
pub use sparse::Sparse;
pub use strategy::Strategy;

/// How properties are tried, as in the end-to-end tests.
#[cfg(test)]
#[allow(dead_code, reason = "those use more of it")]
#[path = "../tests/it/cases.rs"]
mod cases;

/// The reader of archives that the end-to-end tests have, for properties of single members.
#[cfg(test)]
#[allow(dead_code, reason = "it also lists trees")]
#[path = "../tests/it/listing.rs"]
mod listing;

/// Archives made header by header, as the end-to-end tests have them.
#[cfg(test)]
#[allow(dead_code, reason = "those use more of it")]
#[path = "../tests/it/handmade.rs"]
mod handmade;
