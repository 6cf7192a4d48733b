//! Settings of the kernel that decide what a run costs: pages, and when written data goes to the disk.

use std::fs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelSettings {
    /// The size of a page in bytes.
    pub page_size: u64,
    /// When written data goes to the disk; `None` where the kernel does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_back: Option<WriteBack>,
}

/// When written data goes to the disk, under the names of `/proc/sys/vm`. Of a ratio and a number of bytes one is 0, and
/// does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WriteBack {
    /// Where whoever writes has to wait: a percentage of the available memory.
    pub dirty_ratio: u64,
    /// The same in bytes.
    pub dirty_bytes: u64,
    /// Where the kernel begins to write: a percentage of the available memory.
    pub dirty_background_ratio: u64,
    /// The same in bytes.
    pub dirty_background_bytes: u64,
    /// The age at which data is written, in hundredths of a second.
    pub dirty_expire_centisecs: u64,
}

impl KernelSettings {
    /// The settings of this kernel.
    pub(super) fn detect() -> Self {
        KernelSettings { page_size: rustix::param::page_size() as u64, write_back: WriteBack::detect() }
    }
}

impl WriteBack {
    fn detect() -> Option<Self> {
        let setting = |name| fs::read_to_string(format!("/proc/sys/vm/{name}")).ok()?.trim().parse().ok();
        Some(WriteBack {
            dirty_ratio: setting("dirty_ratio")?,
            dirty_bytes: setting("dirty_bytes")?,
            dirty_background_ratio: setting("dirty_background_ratio")?,
            dirty_background_bytes: setting("dirty_background_bytes")?,
            dirty_expire_centisecs: setting("dirty_expire_centisecs")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_has_settings() {
        let KernelSettings { page_size, write_back } = KernelSettings::detect();
        assert!(page_size.is_power_of_two() && page_size >= 4096, "{page_size}");
        let WriteBack { dirty_ratio, dirty_bytes, .. } = write_back.unwrap();
        assert!((dirty_ratio == 0) != (dirty_bytes == 0), "{write_back:?}");
    }
}
