//! Puts the stages together: what one pack works with, the two strategies, the assembly of an image.

pub(crate) mod assemble;
pub(crate) mod context;
#[cfg(feature = "planted")]
pub(crate) mod fault_injection;
#[cfg(feature = "stages")]
#[doc(hidden)]
pub mod stages;
pub(crate) mod strategy;
