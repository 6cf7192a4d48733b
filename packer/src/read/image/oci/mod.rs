//! OCI image layouts: a directory of documents and layers that name each other by their sha256.

// Each file imports only files above it.
mod document;

mod layout;

mod image;

mod index;

pub(crate) use document::Descriptor;
pub(crate) use image::{OciImage, chain_id};
pub(crate) use index::{IndexItem, IndexWalk, Selection, no_image};
pub(crate) use layout::LayoutDir;
