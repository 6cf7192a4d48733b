//! Tar archives of any maker: ustar, pax, GNU tar, star, and the dialects before them.

// Each file imports only files above it.
pub(crate) mod error;

mod number;

pub(crate) mod path;

mod acl;

pub(crate) mod xattr;

pub(crate) mod header;

mod sparse;

mod pax;

pub(crate) mod member;

pub(crate) mod reader;
