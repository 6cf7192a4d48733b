//! What a program inherits: the three handles that it is given, whatever else the caller's process was started with.
//!
//! All handles of this crate close themselves when a program starts; those that somebody else left open would not.
//! `close_range` marks them, between `fork` and `exec`, where only the new process sees it. The standard library has no
//! other way to it than `pre_exec`. Hence this file with `unsafe` in it.
#![allow(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets the program inherit nothing but its standard input, output and error. Before Linux 5.11, which cannot do that, it
/// inherits what the caller's process would have given to any program.
pub(crate) fn nothing_else(command: &mut Command) {
    // SAFETY: the closure makes one system call, which neither allocates nor locks, and touches no memory.
    unsafe {
        command.pre_exec(|| {
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
            Ok(())
        });
    }
}
