//! Puts the stages together: what one pack works with, its workers, the two strategies, the assembly of an image.

pub(crate) mod context;
pub(crate) mod pass;
pub(crate) mod total;
pub(crate) mod tuning;

pub(crate) mod counted;
pub(crate) mod encode;
pub(crate) mod strategy;

pub(crate) mod assemble;

#[cfg(fault_injection)]
mod faulty_framer;

#[doc(hidden)]
pub mod stages;
