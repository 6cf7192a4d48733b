//! What a caller sees: the options of a pack, its result, its measurement.

pub(crate) mod image;
pub(crate) mod measure;
pub(crate) mod pack;
mod rules;
