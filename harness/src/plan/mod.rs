//! What is run, and in which order: cases, baselines, the points of studies, the schedule.

mod baselines;
mod cases;
mod points;
mod schedule;
mod work;

pub use baselines::{BASELINES, Baseline, Counterpart, When};
pub use cases::{ARMS, Case, Suite};
pub use points::{CODECS, Point, PointTool, curve, scaling};
pub use schedule::{Side, Step, schedule};
pub use work::{Maker, Work};
