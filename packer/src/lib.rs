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

// Ground: files that know no stage.
mod buffer;
mod cancel;
mod error;
#[cfg(fault_injection)]
mod fault;
mod fingerprint;
mod metrics;
mod pool;
mod progress;

// The stages, in the order of the data.
mod tree;

mod tar;

mod segment;

mod frame;

mod codec;

mod sink;

mod format;

mod publish;

// What puts them together, and what a caller sees.
mod pipeline;

mod api;

// The other way: images are read again.
#[cfg(feature = "read")]
mod read;

#[cfg(fault_injection)]
#[doc(hidden)]
pub use fault::Fault;
#[doc(hidden)]
pub use pipeline::stages;
#[doc(hidden)]
pub use sink::program::ProgramTimings;

pub use api::image::{Image, Phase, StepTimes};
pub use api::measure::Measurement;
pub use api::pack::Pack;
pub use cancel::CancelToken;
pub use codec::{Compression, EncoderVersion, InvalidCompression, InvalidProgram, Program};
pub use error::{Error, ErrorKind, Result, escape_path};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use format::{
    Architecture, ContainerConfig, Format, InvalidArchitecture, InvalidMetadata, InvalidTag, Layer, Lxd, Metadata, Oci,
    Tag,
};
pub use pipeline::strategy::{InvalidStrategy, Strategy};
pub use progress::{Pass, Progress};
#[cfg(feature = "read")]
pub use read::{
    Archive, ChangeKind, Difference, Encoding, Field, FieldChange, ImageFormat, Section, Source, Summary, Verified,
    diff, verify,
};
pub use sink::destination::Outcome;
pub use tree::changes::Change;
pub use tree::filter::{Exclusion, InvalidExclusion};
pub use tree::holes::{InvalidSparse, Sparse};
pub use tree::id_map::{IdKind, IdMap, IdRange, InvalidIdRange, InvalidOwner, Owner, OwnerPolicy};
