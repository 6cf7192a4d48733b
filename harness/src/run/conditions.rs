//! What the machine did while something ran: its clock, its hypervisor, its pressure, and its disk.
//!
//! All of these are of the whole machine, not of the process. They judge no run; they are for later doubt.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use rustix::time::{ClockId, clock_gettime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block_device::{BlockDevice, DeviceIo};

/// The state of the machine during a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Conditions {
    /// When the run began: RFC 3339 in UTC, with microseconds.
    pub started: String,
    /// How long the machine was suspended meanwhile, in nanoseconds: the growth of `CLOCK_BOOTTIME` over
    /// `CLOCK_MONOTONIC`. Times of runs do not contain it.
    pub suspended_ns: u64,
    /// Processor time that the hypervisor gave to others while it was wanted here, of all processors together, in
    /// nanoseconds. The kernel counts in hundredths of a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steal_ns: Option<u64>,
    /// How long something had to wait; `None` where the kernel does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
    /// What the block device of the scratch filesystem read and wrote; `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceIo>,
    /// The same of the tree's filesystem, if that is on another block device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_device: Option<DeviceIo>,
}

/// How long at least one task waited for each resource, in nanoseconds (PSI, `some`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pressure {
    /// For a processor.
    pub cpu_ns: u64,
    /// For a disk.
    pub io_ns: u64,
    /// For memory.
    pub memory_ns: u64,
}

/// Runs `work`, and watches the machine and the disks of `scratch` and of the tree meanwhile.
pub(super) fn observe<Value>(scratch: &Path, tree: &Path, work: impl FnOnce() -> Value) -> (Value, Conditions) {
    let device = BlockDevice::of(scratch);
    let of_tree = BlockDevice::of(tree).filter(|other| device.as_ref() != Some(other));
    let devices = [device.as_ref(), of_tree.as_ref()];
    let before = Counters::read(devices);
    let started = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
    let value = work();
    let after = Counters::read(devices);
    (value, before.until(&after, started))
}

/// The kernel's counters at one moment.
#[derive(Debug, Default)]
struct Counters {
    /// `CLOCK_BOOTTIME` − `CLOCK_MONOTONIC`.
    suspended_ns: u64,
    steal_ns: Option<u64>,
    pressure: Option<Pressure>,
    /// Of the images, and of the tree.
    devices: [Option<DeviceIo>; 2],
}

impl Counters {
    fn read(devices: [Option<&BlockDevice>; 2]) -> Self {
        let some = |name: &str| some_ns(&fs::read_to_string(format!("/proc/pressure/{name}")).ok()?);
        let pressure = || Some(Pressure { cpu_ns: some("cpu")?, io_ns: some("io")?, memory_ns: some("memory")? });
        let stat = fs::read_to_string("/proc/stat").ok();
        let ticks = rustix::param::clock_ticks_per_second();
        Counters {
            suspended_ns: suspended_ns(),
            steal_ns: stat.and_then(|text| steal_ns(&text, ticks)),
            pressure: pressure(),
            devices: devices.map(|device| device.and_then(BlockDevice::counters)),
        }
    }

    fn until(&self, after: &Self, started: String) -> Conditions {
        let more = |(before, after): (u64, u64)| after.saturating_sub(before);
        let suspended_ns = more((self.suspended_ns, after.suspended_ns));
        let io = |of: usize| Some(after.devices[of]?.since(self.devices[of]?));
        Conditions {
            started,
            suspended_ns: if suspended_ns < READING_NS { 0 } else { suspended_ns },
            steal_ns: self.steal_ns.zip(after.steal_ns).map(more),
            pressure: self.pressure.zip(after.pressure).map(|(before, after)| Pressure {
                cpu_ns: more((before.cpu_ns, after.cpu_ns)),
                io_ns: more((before.io_ns, after.io_ns)),
                memory_ns: more((before.memory_ns, after.memory_ns)),
            }),
            device: io(0),
            tree_device: io(1),
        }
    }
}

/// A shorter difference of two clocks is the time between reading the one and the other.
const READING_NS: u64 = 1_000_000;

/// How long the machine has been suspended since it was started: the least of some readings, because a process that is
/// interrupted between the two clocks sees more.
fn suspended_ns() -> u64 {
    let now = |clock| {
        let time = clock_gettime(clock);
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
    };
    let reading = |_| {
        let monotonic = now(ClockId::Monotonic);
        now(ClockId::Boottime).saturating_sub(monotonic)
    };
    (0..5).map(reading).min().unwrap_or(0)
}

/// The steal time of all processors in `/proc/stat`, which has it as the eighth figure, in ticks.
fn steal_ns(stat: &str, ticks_per_second: u64) -> Option<u64> {
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: u64 = all.split_whitespace().nth(7)?.parse().ok()?;
    Some(ticks * (1_000_000_000 / ticks_per_second.max(1)))
}

/// The total of `some` in a file below `/proc/pressure`, which has it in microseconds.
fn some_ns(text: &str) -> Option<u64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total: u64 = some.split(' ').find_map(|field| field.strip_prefix("total="))?.parse().ok()?;
    Some(total * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_the_eighth_figure_of_all_processors() {
        let stat = "cpu  1963173 230930 287852 390990 9908 0 2701 1984 7 8\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(steal_ns(stat, 100), Some(19_840_000_000));
        assert_eq!(steal_ns(stat, 1_000), Some(1_984_000_000));
        // Kernels before 2.6.11 had no such figure.
        assert_eq!(steal_ns("cpu  1 2 3 4 5 6 7\n", 100), None);
    }

    #[test]
    fn pressure_is_the_total_of_some() {
        let text = "some avg10=0.10 avg60=0.00 avg300=0.00 total=1234567\nfull avg10=0.00 total=89\n";
        assert_eq!(some_ns(text), Some(1_234_567_000));
        assert_eq!(some_ns("full avg10=0.00 total=89\n"), None);
    }

    #[test]
    fn a_run_has_what_was_added_and_nothing_where_a_counter_is_missing() {
        let counters = |by: u64, steal_ns| Counters {
            suspended_ns: 5_000_000 * by,
            steal_ns,
            pressure: Some(Pressure { cpu_ns: by, io_ns: 10 * by, memory_ns: 100 * by }),
            devices: [2, 1].map(|of| Some(DeviceIo { read: 500 * of * by, written: 1_000 * of * by })),
        };
        let found = counters(1, Some(7)).until(&counters(3, Some(9)), "now".into());
        let pressure = Some(Pressure { cpu_ns: 2, io_ns: 20, memory_ns: 200 });
        let device = Some(DeviceIo { read: 2_000, written: 4_000 });
        let tree_device = Some(DeviceIo { read: 1_000, written: 2_000 });
        let (started, steal_ns) = ("now".into(), Some(2));
        assert_eq!(found, Conditions { started, suspended_ns: 10_000_000, steal_ns, pressure, device, tree_device });
        assert_eq!(counters(1, None).until(&counters(3, Some(9)), "now".into()).steal_ns, None);
    }

    #[test]
    fn two_clocks_that_are_read_one_after_the_other_are_no_suspension() {
        let at = |suspended_ns| Counters { suspended_ns, ..Counters::default() };
        for (after, expected) in [(1_000, 0), (1_999_999, 0), (2_000_000, 1_000_000)] {
            assert_eq!(at(1_000_000).until(&at(after), String::new()).suspended_ns, expected, "{after}");
        }
    }

    #[test]
    fn this_machine_is_observed() {
        let memory = Path::new("/dev/shm");
        let ((), found) = observe(memory, memory, || ());
        let started = humantime::parse_rfc3339(&found.started).unwrap();
        assert!(started.elapsed().unwrap().as_secs() < 60, "{found:?}");
        assert_eq!((found.suspended_ns, found.device), (0, None), "{found:?}");
        assert!(found.steal_ns.is_some(), "{found:?}");
    }
}
