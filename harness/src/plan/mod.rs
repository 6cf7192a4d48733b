//! The plan: cases, peers, the points of studies, and the order of the runs.

mod cases;
mod peers;
mod points;
mod schedule;
mod work;

pub use cases::{ARMS, Case, Suite};
pub use peers::{Counterpart, PEERS, Peer, When};
pub use points::{CODECS, Point, PointTool, curve, scaling};
pub use schedule::{Side, Step, schedule};
pub use work::{Maker, Work};
