//! The gates: requirements on every change. Exact quantities, which have no noise, come first; time comes last.
//!
//! ```text
//! trees ─▶ exact gates (G0 … G5) ─▶ time ─▶ findings ─▶ record ─▶ verdict
//! ```
//!
//! Each gate is one file: it runs the packs that it needs, and judges them. `METHODOLOGY.md` describes the criteria; the accepted
//! sizes and the accepted revision stand in a table that only [`Expected::accept`](expected::Expected::accept) changes.

// Exact quantities.
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
pub mod time;
mod timed_images;

// The record.
pub mod gate_run;

pub use crate::verify::{Finding, Gate, GateVerdict};
pub use accept::Accepted;
pub use exact::{ExactFindings, ExactGates, Tree};
pub use image_size::Size;
pub use memory::Budget;
