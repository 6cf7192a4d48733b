//! An image: where it is, how it is compressed, how it is laid out.

pub(crate) mod decode;
pub(crate) mod encoding;
pub(crate) mod format;
pub(crate) mod oci;
pub(crate) mod source;
