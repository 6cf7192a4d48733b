//! Which standard streams were closed when the process began.
//!
//! The standard library's start-up opens `/dev/null` in the place of a closed stream, so that everything written there is lost without an
//! error, and what is read there is empty. It cannot be told apart afterwards from a `/dev/null` that the caller passed. So the streams are looked at before that, by a
//! function in the section `.init_array`, which the C library calls before `main`. Only `unsafe` code can put it there.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static STDIN: AtomicBool = AtomicBool::new(false);
static STDOUT: AtomicBool = AtomicBool::new(false);
static STDERR: AtomicBool = AtomicBool::new(false);

// SAFETY: the section holds pointers to C functions, as this one. The function needs nothing of the standard library's start-up.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: the call takes no pointer.
    let flags = |stream: c_int| unsafe { libc::fcntl(stream, libc::F_GETFD) };
    let is_closed =
        |stream: c_int| flags(stream) == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EBADF);
    STDIN.store(is_closed(libc::STDIN_FILENO), Ordering::Relaxed);
    STDOUT.store(is_closed(libc::STDOUT_FILENO), Ordering::Relaxed);
    STDERR.store(is_closed(libc::STDERR_FILENO), Ordering::Relaxed);
}

/// Fails if standard input was closed.
pub(crate) fn check_stdin() -> io::Result<()> {
    check(&STDIN)
}

/// Fails if standard output was closed.
pub(crate) fn check_stdout() -> io::Result<()> {
    check(&STDOUT)
}

/// Fails if standard error was closed.
pub(crate) fn check_stderr() -> io::Result<()> {
    check(&STDERR)
}

/// The error of reading or writing a closed stream.
fn check(is_closed: &AtomicBool) -> io::Result<()> {
    if is_closed.load(Ordering::Relaxed) { Err(io::Error::other("it is closed")) } else { Ok(()) }
}
