//! The outcome of one run: its time, its usage, and the packer's output.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::Conditions;
use super::disk_usage::Curve;
use super::usage::Usage;

/// The outcome of one run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// From the start of the process to its end.
    pub wall_ns: u64,
    /// The usage.
    pub usage: Usage,
    /// The scratch space seen from outside.
    pub scratch: Curve,
    /// The state of the machine meanwhile, if it was watched.
    pub conditions: Option<Conditions>,
    /// The size of the image.
    pub image_size: u64,
    /// The peak of memory of the largest of a peer's processes, in bytes; the packer reports its own.
    pub memory: Option<u64>,
    /// The sum of the peaks of those of a peer's processes that were seen alive at one moment, in bytes.
    pub memory_together: Option<u64>,
    /// The packer's own figures.
    pub pack: Option<PackRecord>,
    /// The lower bound, if this run measured it.
    pub floor: Option<Floor>,
}

impl Outcome {
    /// How long the run took, with the pause between runs.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_nanos(self.wall_ns) + Duration::from_millis(100)
    }
}

/// The JSON of `onepass pack --json`, schema 1, without the path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackRecord {
    /// The sha256 of the image.
    pub fingerprint: String,
    /// The size of the image.
    pub size: u64,
    /// The size of the tar.
    pub tar_size: u64,
    /// Members of the archive.
    pub entries: u64,
    /// The encoders.
    pub encoders: Vec<Encoder>,
    /// As the packer timed itself.
    pub wall_ns: u64,
    /// By phase.
    pub phases_ns: BTreeMap<String, u64>,
    /// By step, all threads together.
    pub busy_ns: BTreeMap<String, u64>,
    /// Content read, temporary tar included.
    pub bytes_read: u64,
    /// By role.
    pub bytes_written: BytesWritten,
    /// The most that was held on the disk.
    pub scratch_peak: u64,
    /// The most that was resident in memory.
    pub vm_hwm: Option<u64>,
}

/// An encoder of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Encoder {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Bytes written, by purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BytesWritten {
    /// The temporary tar of two passes.
    pub temporary_tar: u64,
    /// The image.
    pub image: u64,
}

/// The lower bound: processor time of the parts that no packer can save, all threads together; see
/// [`packer::stages::floor`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Floor {
    /// Opening and reading the files.
    pub read_ns: u64,
    /// The encoder's library.
    pub encode_ns: u64,
    /// sha256 of the image.
    pub hash_ns: u64,
}
