//! The usage of a child, from `wait4`: the one place that needs `unsafe`, because no safe wrapper returns the usage of
//! one child.
//!
//! `/proc/PID/io` counts the bytes that it read and wrote, and is final between the child's end and `wait4`. Its peak
//! of memory begins at the memory of its parent, so a small program has to start it: see [`launch`](super::launch()).
#![allow(unsafe_code)]

use std::process::Child;
use std::{fs, io};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Processor time and the like of one child and its own children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Processor time in user mode, in nanoseconds.
    pub user_ns: u64,
    /// Processor time in the kernel, in nanoseconds.
    pub system_ns: u64,
    /// How often it gave up the processor by itself.
    pub voluntary_switches: u64,
    /// How often the processor was taken from it.
    pub involuntary_switches: u64,
    /// Page faults that needed a disk.
    pub major_faults: u64,
    /// Page faults that did not.
    pub minor_faults: u64,
    /// The kernel's I/O counters; `None` where the kernel has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io: Option<Io>,
}

/// Bytes read and written, as the kernel counts them. Bytes through a pipe count at both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Io {
    /// Bytes returned by `read` and similar calls.
    pub read: u64,
    /// Bytes taken by `write` and similar calls.
    pub written: u64,
    /// Bytes fetched from a disk: 0 if the page cache was warm.
    pub fetched: u64,
    /// Bytes that it wrote to the page cache of a disk, or past it: 0 on a tmpfs; not in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_bytes: Option<u64>,
    /// Bytes that will not reach the disk because it removed files, its own or others', that were still in the page cache;
    /// not in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_write_bytes: Option<u64>,
}

impl Io {
    /// The kernel's counters of a process that has not been waited for.
    fn of(pid: u32) -> Option<Self> {
        Io::parse(&fs::read_to_string(format!("/proc/{pid}/io")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let field = |name| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        Some(Io {
            read: field("rchar:")?,
            written: field("wchar:")?,
            fetched: field("read_bytes:")?,
            write_bytes: field("write_bytes:"),
            cancelled_write_bytes: field("cancelled_write_bytes:"),
        })
    }
}

/// Waits for `child`; returns its exit code and its usage.
pub(crate) fn wait(child: Child) -> io::Result<(i32, Usage)> {
    wait_with_peak(child).map(|(code, usage, _)| (code, usage))
}

/// As [`wait`], with the peak of memory in bytes, which is never below the memory of this process.
pub(super) fn wait_with_peak(child: Child) -> io::Result<(i32, Usage, u64)> {
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    rustix::io::retry_on_intr(|| waitid(WaitId::Pid(Pid::from_child(&child)), ended))?;
    let io = Io::of(child.id());
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are valid for writes for the whole call; `pid` is a child that has not been waited for,
        // because `child` is owned here and is never waited for by the standard library.
        let waited = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
        if waited == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: `wait4` filled it in, and all zeros would have been valid as well.
    let usage = unsafe { usage.assume_init() };
    let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
    let time = |time: libc::timeval| time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_usec.unsigned_abs() * 1_000;
    let used = Usage {
        user_ns: time(usage.ru_utime),
        system_ns: time(usage.ru_stime),
        voluntary_switches: usage.ru_nvcsw.unsigned_abs(),
        involuntary_switches: usage.ru_nivcsw.unsigned_abs(),
        major_faults: usage.ru_majflt.unsigned_abs(),
        minor_faults: usage.ru_minflt.unsigned_abs(),
        io,
    };
    // Linux counts in KiB (getrusage(2)).
    Ok((code, used, usage.ru_maxrss.unsigned_abs() << 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_apart_by_their_whole_names() {
        let text = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n";
        let io = Io { read: 1, written: 2, fetched: 5, write_bytes: Some(6), cancelled_write_bytes: Some(7) };
        assert_eq!(Io::parse(text), Some(io));
        assert_eq!(Io::parse("rchar: 1\n"), None);
    }
}
