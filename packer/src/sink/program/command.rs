//! How a program is started: found in fixed directories, in a clean environment, with three handles.

use std::io;
use std::process::Command;

use crate::error::Error;
use crate::sink::program::close_fds;

/// Where programs are looked for. The caller's `PATH` is not used: an image must not depend on it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program's command without arguments. It inherits its three standard handles and nothing else.
pub(crate) fn command(name: &'static str) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C").current_dir("/");
    close_fds::close_inherited_fds(&mut command);
    command
}

/// Why a program is not running.
pub(crate) fn not_started(name: &'static str, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::compressor(name, format!("is not installed (looked in {PATH})")),
        _ => Error::compressor(name, format!("cannot be started: {error}")),
    }
}
