//! The plan: cases, peers, the points of studies, and the order of the runs.

mod cases;
mod limits;
mod peer;
mod peers;
mod points;
mod schedule;
mod work;

pub use cases::{ARMS, Case, Suite};
pub use limits::Limit;
pub use peer::{Counterpart, HashProgram, Parallelism, Peer, PeerKind, When};
pub use peers::PEERS;
pub use points::{CODECS, Point, PointTool, curve, scaling};
pub use schedule::{Schedule, Side, Step};
pub use work::{Maker, Work};
