//! The gates: what must hold of every change. Exact quantities, which have no noise, come first; time comes last.
//!
//! ```text
//! trees ─▶ exact gates (G0 … G5) ─▶ time ─▶ findings ─▶ record ─▶ verdict
//! ```
//!
//! Each gate is one file here: it runs what it needs, and judges. What it judges by is told in `METHODOLOGY.md`; the sizes
//! and ratios that it compares with stand in a table that only [`Expected::accept`](expected::Expected::accept) changes.

// What has no noise.
mod exact;
pub mod expected;
mod finding;
mod memory;
mod sameness;
mod sizes;
#[cfg(test)]
mod sound;
mod space;
pub(crate) mod traffic;

// Time.
pub mod calibration;
pub mod contest;
pub mod ruling;

// What is kept.
pub mod record;

pub use exact::{Exact, Examined, Tree};
pub use finding::{Finding, Gate, Verdict};
pub use memory::Budget;
pub use sizes::Size;
