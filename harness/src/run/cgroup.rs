//! The limits on processors and memory that control groups set for this process, version 1 and 2.

use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mounts::Mount;

/// The narrowest limits of the group of this process and of those above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CgroupLimits {
    /// The processor time; `None` without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuQuota>,
    /// The memory in bytes; `None` without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

/// Processor time, of all processors together, in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CpuQuota {
    /// The time, in nanoseconds.
    pub quota_ns: u64,
    /// The period, in nanoseconds.
    pub period_ns: u64,
}

impl CgroupLimits {
    /// The limits that hold for this process.
    pub(super) fn detect() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut limits = CgroupLimits::default();
        for hierarchy in hierarchies(&groups, &Mount::all()) {
            for group in hierarchy.group.ancestors().take_while(|group| group.starts_with(&hierarchy.top)) {
                limits.narrow(cpu_quota(group), memory(group));
            }
        }
        limits
    }

    /// Takes these limits where they are narrower.
    fn narrow(&mut self, cpu: Option<CpuQuota>, memory: Option<u64>) {
        self.cpu = self.cpu.into_iter().chain(cpu).min_by(|one, other| {
            let cross = |one: &CpuQuota, other: &CpuQuota| u128::from(one.quota_ns) * u128::from(other.period_ns);
            cross(one, other).cmp(&cross(other, one))
        });
        self.memory = self.memory.into_iter().chain(memory).min();
    }
}

/// The directory of the group of this process in one hierarchy, and the top of what can be seen of that.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    group: PathBuf,
    top: PathBuf,
}

/// The hierarchies that limit processors or memory: rows of `/proc/self/cgroup`, such as `4:memory:/group`.
fn hierarchies(groups: &str, mounts: &[Mount]) -> Vec<Hierarchy> {
    let of_row = |row: &str| {
        let mut fields = row.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let wanted = ["cpu", "memory"].into_iter().find(|wanted| controllers.split(',').any(|name| name == *wanted));
        let mount = mounts.iter().find(|mount| match (controllers.is_empty(), wanted) {
            // The one hierarchy of version 2 names no controllers.
            (true, _) => mount.filesystem == "cgroup2",
            (false, Some(wanted)) => {
                mount.filesystem == "cgroup" && mount.options.iter().any(|option| option == wanted)
            }
            (false, None) => false,
        })?;
        // In a container the top of the mount may be the container's own group.
        let below = Path::new(path).strip_prefix(&mount.root).unwrap_or(Path::new(""));
        Some(Hierarchy { group: mount.place.join(below), top: mount.place.clone() })
    };
    groups.lines().filter_map(of_row).collect()
}

/// The limit on processor time of a group, in microseconds in its files.
fn cpu_quota(group: &Path) -> Option<CpuQuota> {
    let read = |name: &str| fs::read_to_string(group.join(name)).ok();
    let second = || read("cpu.max");
    let first = || Some(format!("{} {}", read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?));
    let text = second().or_else(first)?;
    // `max` or -1 is no limit, and neither is a number here.
    let mut numbers = text.split_whitespace().map(|number| number.parse::<u64>().ok());
    let (quota, period) = (numbers.next()??, numbers.next()??);
    Some(CpuQuota { quota_ns: quota * 1_000, period_ns: period * 1_000 })
}

/// What version 1 says where it has no limit: the largest number of bytes in whole pages.
const UNLIMITED: u64 = i64::MAX as u64 - 0xffff;

/// The limit on memory of a group.
fn memory(group: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(group.join(name)).ok();
    let bytes = read("memory.max").or_else(|| read("memory.limit_in_bytes"))?;
    bytes.trim().parse().ok().filter(|bytes| *bytes < UNLIMITED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts() -> Vec<Mount> {
        Mount::parse_table(
            "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
             32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
             35 31 0:32 /docker/a1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             38 31 0:35 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        )
    }

    #[test]
    fn groups_of_both_versions_are_found_below_their_mounts() {
        let groups = "9:name=systemd:/\n7:blkio:/x\n4:memory:/docker/a1/inner\n2:cpu,cpuacct:/a:b\n0::/user.slice\n";
        let found = hierarchies(groups, &mounts());
        let told: Vec<(&str, &str)> =
            found.iter().map(|found| (found.group.to_str().unwrap(), found.top.to_str().unwrap())).collect();
        assert_eq!(
            told,
            [
                ("/sys/fs/cgroup/memory/inner", "/sys/fs/cgroup/memory"),
                ("/sys/fs/cgroup/cpu/a:b", "/sys/fs/cgroup/cpu"),
                ("/sys/fs/cgroup/unified/user.slice", "/sys/fs/cgroup/unified"),
            ]
        );
    }

    fn group(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(directory.path().join(name), text).unwrap());
        directory
    }

    #[test]
    fn limits_are_read_in_the_files_of_both_versions() {
        let half = Some(CpuQuota { quota_ns: 50_000_000, period_ns: 100_000_000 });
        for (files, cpu, most) in [
            (&[("cpu.max", "50000 100000\n"), ("memory.max", "1048576\n")][..], half, Some(1 << 20)),
            (&[("cpu.max", "max 100000\n"), ("memory.max", "max\n")], None, None),
            (&[("cpu.cfs_quota_us", "50000\n"), ("cpu.cfs_period_us", "100000\n")], half, None),
            (&[("cpu.cfs_quota_us", "-1\n"), ("cpu.cfs_period_us", "100000\n")], None, None),
            (&[("memory.limit_in_bytes", "1048576\n")], None, Some(1 << 20)),
            (&[("memory.limit_in_bytes", "9223372036854771712\n")], None, None),
            (&[], None, None),
        ] {
            let group = group(files);
            assert_eq!((cpu_quota(group.path()), memory(group.path())), (cpu, most), "{files:?}");
        }
    }

    #[test]
    fn the_narrowest_limit_holds() {
        let quota = |quota_ns, period_ns| Some(CpuQuota { quota_ns, period_ns });
        let mut limits = CgroupLimits::default();
        for (cpu, memory) in
            [(None, None), (quota(300, 100), Some(9)), (quota(200, 400), None), (quota(100, 100), Some(7))]
        {
            limits.narrow(cpu, memory);
        }
        assert_eq!(limits, CgroupLimits { cpu: quota(200, 400), memory: Some(7) });
    }
}
