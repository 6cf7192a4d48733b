//! The evidence: verifies that both strategies make one image, measures how much one saves over the other and over
//! other tools, and reports it.
//!
//! ```text
//! plan ─▶ inspect ─▶ run ─▶ record ─▶ verify ─▶ stats ─▶ bench, study ─▶ gate ─▶ schema, report
//! ```
//!
//! Each folder imports only those before it. Nothing is timed that has not been verified, and the report is made from the
//! records alone. How and why things are measured is described in `METHODOLOGY.md`.

// The trees: files that know no folder.
mod error;
mod format;
pub mod programs;
pub mod progress;

// The parts, in the order of the flow.
pub mod plan;

pub mod inspect;

pub mod run;

pub mod record;

pub mod verify;

pub mod stats;

// The two drivers.
pub mod bench;
pub mod study;

// Gates and reports.
pub mod gate;

pub mod schema;

pub mod report;

pub use error::{Error, Result};
