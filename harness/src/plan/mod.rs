//! The plan: cases, baselines, the points of studies, and the order of the runs.

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
