//! Stage 1: walks a root filesystem by directory handle and yields its entries in the archive's order.

pub(crate) mod changes;
pub(crate) mod directory;
pub(crate) mod entry;
pub(crate) mod filter;
pub(crate) mod hard_links;
pub(crate) mod holes;
pub(crate) mod id_map;
pub(crate) mod listing;
pub(crate) mod walk;
pub(crate) mod xattr;
