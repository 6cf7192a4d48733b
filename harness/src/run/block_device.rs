//! What a block device has read and written, whoever asked for it.

use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mounts::Mount;

/// Bytes that a block device read and wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceIo {
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
}

/// The counters of a block device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlockDevice(PathBuf);

/// The unit of the kernel's counters, in bytes, whatever the device's own sectors are (iostats in the kernel's
/// documentation).
const SECTOR: u64 = 512;

impl BlockDevice {
    /// The device below a directory; `None` if there is none, as of a tmpfs.
    pub(super) fn of(directory: &Path) -> Option<Self> {
        let number = Mount::block_device(directory)?;
        Some(BlockDevice(Path::new("/sys/dev/block").join(number).join("stat")))
    }

    /// Its counters since it came up.
    pub(super) fn counters(&self) -> Option<DeviceIo> {
        parse(&fs::read_to_string(&self.0).ok()?)
    }
}

fn parse(text: &str) -> Option<DeviceIo> {
    let sectors = |field: usize| text.split_whitespace().nth(field)?.parse::<u64>().ok();
    Some(DeviceIo { read: sectors(2)? * SECTOR, written: sectors(6)? * SECTOR })
}

impl DeviceIo {
    /// What was added since an earlier reading.
    pub(super) fn since(self, earlier: Self) -> Self {
        DeviceIo { read: self.read.saturating_sub(earlier.read), written: self.written.saturating_sub(earlier.written) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_sectors() {
        let text =
            " 1749155    54197 190466010  2129364  1291326   997173 518048480  2531804        0   595960  5042461\n";
        assert_eq!(parse(text), Some(DeviceIo { read: 190_466_010 * 512, written: 518_048_480 * 512 }));
        assert_eq!((parse(""), parse("1 2 x")), (None, None));
    }
}
