//! Records: what is kept of a run, as text, for good. The schema is described in `results/README.md`.
//!
//! Times are integer nanoseconds, sizes are bytes. `samples.jsonl` grows by one line with every process run, so that a run
//! that is cut short leaves what it has measured; `run.json` says whether it came to its end.

mod comparison;
mod date;
mod journal;
mod read;
mod run;
mod sample;
mod study;

pub use comparison::{Arm, Comparison, Interval};
pub use date::date;
pub use journal::{Diary, Journal};
pub(crate) use read::read;
pub use read::samples;
pub use run::{Check, Likeness, PeerRecord, Record, Run, Subject};
pub use sample::{Label, Role, SCHEMA, Sample};
pub use study::{STUDY_SCHEMA, Study, StudyKind};
