//! The gates: what must hold of every change. ExactGates quantities, which have no noise, come first; time comes last.
//!
//! ```text
//! trees ─▶ exact gates (G0 … G5) ─▶ time ─▶ findings ─▶ record ─▶ verdict
//! ```
//!
//! Each gate is one file here: it runs what it needs, and judges. What it judges by is told in `METHODOLOGY.md`; the sizes
//! and ratios that it compares with stand in a table that only [`Expected::accept`](expected::Expected::accept) changes.

// What has no noise.
mod accept;
mod exact;
pub mod expected;

mod image_size;
mod memory;
mod sameness;
mod sizes;

mod space;

// Time.
pub mod calibration;
pub mod decision;
pub mod paired_trial;

// What is kept.
pub mod gate_run;

pub use crate::verify::{Finding, Gate, GateVerdict};
pub use accept::Ratios;
pub use exact::{ExactFindings, ExactGates, Tree};
pub use image_size::Size;
pub use memory::Budget;
