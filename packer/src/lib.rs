//! Packs a root filesystem into a compressed tar that is named by the sha256 of its bytes.
//!
//! Three types:
//!
//! * [`Pack`] is a pack to run: a directory and options. It [publishes](Pack::publish) an image in a directory, or
//!   [writes](Pack::write) it to a stream.
//! * [`Image`] is the result: the fingerprint, the path, sizes, what was skipped, and where the time went.
//! * [`Source`] is an image to read: to [verify](Source::verify), [inspect](Source::inspect) or
//!   [compare](Source::compare_with_tree).
//!
//! ```
//! use packer::{Compression, Pack, Source};
//!
//! # let scratch = tempfile::tempdir()?;
//! # let (rootfs, images) = (scratch.path().join("rootfs"), scratch.path().join("images"));
//! # std::fs::create_dir_all(rootfs.join("etc"))?;
//! # std::fs::write(rootfs.join("etc/hostname"), "onepass\n")?;
//! # std::fs::create_dir(&images)?;
//! let image = Pack::new(&rootfs).compression(Compression::ZSTD).publish(&images)?;
//! let path = images.join(format!("{}.tar.zst", image.fingerprint));
//! assert_eq!(image.path.as_ref(), Some(&path));
//!
//! let verified = Source::new(path).verify()?;
//! assert_eq!((verified.fingerprint, verified.entries), (image.fingerprint, image.entries));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The directory `examples` has more: an OCI layout, an image for LXD and Incus, verifying against a tree, progress, cancellation,
//! errors by kind, and an upload without a file.
//!
//! # Formats
//!
//! | [`Format`] | files | fingerprint: the sha256 of |
//! |---|---|---|
//! | `Tar` | `<fingerprint>.tar.gz` | the file |
//! | `Unified` | `<fingerprint>.tar.gz` with `metadata.yaml`, `rootfs/` and `templates/`, for LXD and Incus | the file |
//! | `Split` | `<fingerprint>.split/` with a metadata tar and a rootfs tar, for LXD and Incus | both files concatenated |
//! | `Oci` | the layout itself: blobs and an entry in `index.json` | the manifest |
//!
//! # Compression
//!
//! | [`Compression`] | encoder | formats |
//! |---|---|---|
//! | `none` | none | all |
//! | `gzip:1` to `gzip:12` | libdeflate; the default, at level 5 | all |
//! | `zstd:1` to `zstd:19` | libzstd | all |
//! | `xz:0` to `xz:9` | liblzma | all but `Oci` |
//! | `squashfs` | the installed program `tar2sqfs` | `Tar`, `Split` |
//! | `external:PROGRAM[:1-9]` | an installed [`Program`] | all; `Oci` with gzip, pigz and zstd only |
//!
//! # Guarantees
//!
//! * The same tree and the same options give the same bytes, whatever the [`Strategy`], the number of threads, the order of directory
//!   entries, the filesystem, the locale, the umask and the time zone. Another version of an [encoder](Image::encoders) may give other
//!   bytes.
//! * An image gets its name when it is complete and on the disk. A pack that fails, is cancelled or is killed leaves no file under a
//!   fingerprint.
//! * Nothing outside the tree gets into the image, even if the tree changes during the pack. An entry that changes fails the pack,
//!   unless [`Pack::live`] is set, and so does a directory that gets or loses a name.
//! * Memory is bounded by the number of threads, not by the size of the tree.
//! * The library prints nothing and does not read the environment. It starts no program but a requested external compressor, and the
//!   writer and reader of squashfs.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `xz` | yes | the codec xz, by liblzma; without it a pack with xz fails with [`ErrorKind::InvalidOptions`] |
//! | `lxd` | yes | [`LxdOptions`] and [`Metadata`], and with them the formats `Unified` and `Split`; a YAML parser |
//! | `read` | yes | [`Source`], [`verify`] and [`diff`]; decoders of bzip2, gzip, lz4, lzma and xz; implies `xz` and `lxd` |
//! | `cli` | yes | the command `onepass`; implies all others |
//!
//! With `default-features = false` the library packs `Tar` and `Oci` with gzip and zstd.
//!
//! # Platform
//!
//! Linux. The dependencies need Rust 1.88 and a C compiler, and no library of the system.

// Ground: files that know no stage.
mod abort;
mod buffer;
mod cancel;
mod error;
#[cfg(fault_injection)]
mod fault;
mod fingerprint;
mod metrics;
mod pool;
mod progress;
mod threads;

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
    Architecture, ContainerConfig, Format, InvalidArchitecture, InvalidTag, Layer, LxdOptions, OciOptions, Tag,
};
#[cfg(feature = "lxd")]
pub use format::{InvalidMetadata, Metadata};
pub use pipeline::strategy::{InvalidStrategy, Strategy};
pub use progress::{Pass, Progress};
#[cfg(feature = "read")]
pub use read::{
    ArchiveSummary, ChangeKind, Difference, Encoding, Field, FieldChange, ImageFormat, Section, Source, Summary,
    Verified, diff, verify,
};
pub use sink::destination::Outcome;
pub use tree::changes::Change;
pub use tree::filter::{Exclusion, InvalidExclusion};
pub use tree::holes::{InvalidSparse, Sparse};
pub use tree::id_map::{IdKind, IdMap, IdRange, InvalidIdRange, InvalidOwner, Owner, OwnerPolicy};
pub use tree::xattr::filter::{InvalidXattrGlob, XattrGlob};

// Any thread may own or share what a caller holds; an async runtime needs that.
const _: () = {
    const fn is_shareable<Value: Send + Sync + 'static>() {}

    is_shareable::<CancelToken>();
    is_shareable::<Compression>();
    is_shareable::<Error>();
    is_shareable::<Fingerprint>();
    is_shareable::<Format>();
    is_shareable::<Image>();
    is_shareable::<Measurement>();
    is_shareable::<Pack>();
    is_shareable::<Progress>();
    #[cfg(feature = "read")]
    {
        is_shareable::<Difference>();
        is_shareable::<Source>();
        is_shareable::<Summary>();
        is_shareable::<Verified>();
    }
};
