//! What a program inherits: its three standard handles, whatever else this process was started with.
//!
//! All handles of this crate close themselves when a program starts. Handles that another part of the process left open do not.
//! `close_range` marks them between `fork` and `exec`, where only the new process sees it. The standard library's only way to call
//! it there is `pre_exec`, hence the `unsafe` in this file.
#![allow(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets the program inherit nothing but its standard input, output and error. Linux before 5.11 cannot do that: there it inherits what
/// any program of this process would.
pub(crate) fn close_inherited_fds(command: &mut Command) {
    // SAFETY: the closure makes one system call, which neither allocates nor locks, and touches no memory.
    unsafe {
        command.pre_exec(|| {
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
            Ok(())
        });
    }
}
