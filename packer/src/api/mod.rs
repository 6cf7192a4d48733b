//! What a caller sees: options, the result, progress.

pub(crate) mod image;
pub(crate) mod observer;
pub(crate) mod pack;
