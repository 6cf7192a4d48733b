//! A command that is run for its time and its memory, by a small program: the kernel's peak of a child is never less than
//! the memory of its parent.

use std::io;
use std::process::Command;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{process_tree, usage};

/// The time and the memory of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launched {
    /// From its start to its end.
    pub wall_ns: u64,
    /// The peak of memory, in bytes, of the largest of its processes. Never less than the memory of the program that started
    /// it, which should be small.
    pub memory: u64,
    /// The sum of the peaks of those of its processes that were seen alive at one moment, in bytes. `None` where the kernel does not list the children of a process.
    pub memory_together: Option<u64>,
}

/// Runs a command to its end; returns its exit code (128 + the signal's number if it was killed), its time and its
/// memory.
///
/// # Errors
///
/// If it cannot be started or waited for.
pub fn launch(command: &mut Command) -> io::Result<(i32, Launched)> {
    let start = Instant::now();
    let child = command.spawn()?;
    let (ended, together) = process_tree::watch(child.id(), || {
        let ended = usage::wait_with_peak(child);
        (ended, start.elapsed())
    });
    let (ended, wall) = ended;
    let (code, _, memory) = ended?;
    let wall_ns = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
    // What ended between two looks is seen by the kernel alone.
    let memory_together = together.map(|together| together.max(memory));
    Ok((code, Launched { wall_ns, memory, memory_together }))
}
