//! Records: the results of runs, kept as text for good. `results/README.md` describes the schema.
//!
//! Times are integer nanoseconds, sizes are bytes. `samples.jsonl` grows by one line with every process run, so that a
//! run that is cut short leaves its measurements; `run.json` says whether it was completed.

mod comparison;
mod date;
mod journal;
mod peer;
mod read;
mod run;
mod sample;
mod study;

pub use comparison::{Arm, Interval, StrategyComparison};
pub use date::date;
pub use journal::{Journal, SampleLog};
pub use peer::{PeerComparison, PeerRecord};
pub(crate) use read::read;
pub use read::samples;
pub use run::{Check, FidelityFigure, PackedTree, Record, Run};
pub use sample::{Label, Role, SCHEMA, Sample};
pub use study::{STUDY_SCHEMA, Study, StudyKind};
