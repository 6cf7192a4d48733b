//! An archive as members with content in pieces, whoever wrote it: ustar, pax, GNU tar, star, and what was before them.

pub(crate) mod acl;
pub(crate) mod error;
pub(crate) mod header;
pub(crate) mod member;
pub(crate) mod members;
pub(crate) mod path;
pub(crate) mod pax;
pub(crate) mod sparse;
pub(crate) mod xattr;
