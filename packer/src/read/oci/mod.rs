//! OCI image layouts: a directory of documents and layers that name each other by their sha256.

mod document;
mod layout;
mod walk;

pub(super) use document::{Configuration, Descriptor, LayerType};
pub(super) use layout::Layout;
pub(super) use walk::{Found, Image, Walk};
