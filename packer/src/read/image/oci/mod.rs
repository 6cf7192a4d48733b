//! OCI image layouts: a directory of documents and layers that name each other by their sha256.

mod document;
mod index;
mod layout;

pub(crate) use document::{Configuration, Descriptor, LayerType};
pub(crate) use index::{Found, Image, Walk};
pub(crate) use layout::Layout;
