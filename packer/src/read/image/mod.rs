//! An image on disk: its files, their compression, its format.

// Each file imports only files above it.
pub(crate) mod encoding;

mod squashfs;

mod decode;

pub(crate) mod file;

pub(crate) mod format;

pub(crate) mod oci;

pub(crate) mod source;
