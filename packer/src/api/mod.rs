//! What a caller sees: options, the result, progress.

pub(crate) mod image;
pub(crate) mod measure;
pub(crate) mod pack;
