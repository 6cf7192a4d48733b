//! Where installed programs are found.

use std::path::Path;

/// The search path of the harness and of every process that it starts.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether a program of this name is on the search path.
#[must_use]
pub fn installed(tool: &str) -> bool {
    PATH.split(':').any(|directory| Path::new(directory).join(tool).is_file())
}
