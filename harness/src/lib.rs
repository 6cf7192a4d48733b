//! The evidence: verifies that both strategies give one fingerprint, measures what one saves over the other and over
//! other tools, and reports it.
//!
//! ```text
//! cases ─▶ verify ─▶ schedule ─▶ runner ─▶ records ─▶ summary ─▶ report
//! ```
//!
//! The order is a law: nothing is timed that has not been verified, and the report is made from the records alone. How
//! and why things are measured stands in `METHODOLOGY.md`.

// What is run, and in which order.
pub mod cases;
pub mod peers;
pub mod schedule;

// Running it.
pub mod bench;
pub mod confined;
mod decode;
pub mod environment;
pub mod gate;
mod laws;
pub mod lease;
mod listing;
pub mod lxd;
pub mod runner;
mod scratch;
pub mod study;
mod tool;
pub mod usage;
mod warm;

// What others make of our images.
pub mod interop;

// What is kept, and what follows from it.
pub mod record;
pub mod statistics;
pub mod summary;

// What is shown.
pub mod report;

mod error;

pub use error::{Error, Result};
