//! Statistics of the samples.

mod baselines;
mod comparison;
mod conditions;
mod estimate;
mod floors;
mod noise;
mod points;

pub use baselines::{BaselineLine, baseline_lines};
pub use comparison::comparisons;
pub(crate) use comparison::{pairs, peak};
pub use conditions::{accounts, cold, is_cold};
pub use estimate::{Estimate, deviation, hodges_lehmann, median, proportion, ratio};
pub use floors::{FloorLine, floor_lines};
pub use noise::{NoiseLine, noise_lines};
pub use points::Measured;
