//! Statistics of the samples.

mod claim;
mod comparison;
mod conditions;
mod estimate;
mod floors;
mod noise;
mod peers;
mod points;

pub use claim::{MUST_BE_FASTER, claims};
pub use comparison::comparisons;
pub use comparison::family;
pub(crate) use comparison::{pairs, peak};
pub use conditions::{Disturbance, accounts, cold, disturbance, is_cold};
pub use estimate::{Estimate, deviation, median, proportion, quotient, ratio, ratio_in_family};
pub use floors::{FloorLine, floor_lines};
pub use noise::{NoiseLine, noise_lines};
pub use peers::{PeerLine, PeerTimes, peer_comparisons, peer_lines};
pub use points::{Levels, Measured};
