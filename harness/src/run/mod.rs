//! Running one thing once: the processes, their environment and their usage.

mod block_device;
mod build;
mod cgroup;
mod conditions;
mod disk_limit;
mod disk_usage;
mod environment;
mod kernel;
mod lxd;
mod mounts;
mod outcome;
mod page_cache;
mod process;
mod processor;
mod revision;
mod scratch_dir;
mod tool;
mod usage;

pub use block_device::DeviceIo;
pub use build::{Build, BuildFlags};
pub use cgroup::{CgroupLimits, CpuQuota};
pub use conditions::{Conditions, Pressure};
pub use disk_limit::{DiskLimitRunner, LimitedRun};
pub use disk_usage::Curve;
pub(crate) use disk_usage::tolerance;
pub use environment::{Environment, Mounts, Places};
pub use kernel::{KernelSettings, WriteBack};
pub use lxd::{Container, Lxd};
pub use outcome::{BytesWritten, Encoder, Floor, Outcome, PackRecord};
pub use process::{PeerRunner, Processes, Runner, shell};
pub use processor::{ProcessorDesign, ProcessorDetails};
pub use scratch_dir::ScratchDir;
pub use tool::Tool;
pub use usage::{Io, Launched, Usage, launch};
