//! The machine and the tools that a run was made with. No host name, no path.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use sysinfo::System;

use crate::programs::PATH;

/// The machine and the tools of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The processor's own name.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory: u64,
    /// The operating system and its kernel.
    pub system: String,
    /// The kind of filesystem that images were written to.
    pub filesystem: String,
    /// The revision of onepass, and whether it was changed.
    pub revision: String,
    /// The compiler.
    pub rustc: String,
    /// The first line of each tool's version output.
    pub tools: BTreeMap<String, String>,
}

impl Environment {
    /// Looks at the machine. `scratch` is where images will be written, `repository` where onepass comes from.
    #[must_use]
    pub fn detect(scratch: &Path, repository: &Path) -> Self {
        let (processor, memory) = hardware().unwrap_or_else(|| ("unknown".into(), 0));
        let tools =
            ["tar", "gzip", "pigz", "zstd", "xz", "openssl", "sha256sum", "bash", "bsdtar", "mksquashfs", "umoci"];
        let versions = tools.map(|tool| (tool.to_owned(), version(tool)));
        let git = |arguments: &[&str]| first_line(Command::new("git").current_dir(repository).args(arguments));
        let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|line| !line.is_empty());
        let revision = git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".into());
        Environment {
            processor,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory,
            system: [System::long_os_version(), System::kernel_version().map(|kernel| kernel_version(&kernel))]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", "),
            filesystem: filesystem(scratch),
            revision: if changed { format!("{revision}, changed") } else { revision },
            rustc: first_line(Command::new("rustc").arg("--version")).unwrap_or_else(|| "unknown".into()),
            tools: versions.into_iter().filter_map(|(tool, version)| Some((tool, version?))).collect(),
        }
    }
}

impl Environment {
    /// The class of machines with comparable times: `AMD EPYC, 2 cores, ext4`. The disk decides the cost of two passes.
    #[must_use]
    pub fn class(&self) -> String {
        format!("{}, {} cores, {}", self.processor.replace('|', "/"), self.cores, self.filesystem)
    }
}

/// `kernel 6.18.44`: without the distributor's suffix.
fn kernel_version(release: &str) -> String {
    format!("kernel {}", release.split('-').next().unwrap_or(release))
}

/// The processor's name, and the memory in bytes.
fn hardware() -> Option<(String, u64)> {
    let mut system = System::new().ok()?;
    system.refresh_cpu_all();
    system.refresh_memory();
    Some((system.cpus().first()?.brand().trim().to_owned(), system.total_memory()))
}

fn version(tool: &str) -> Option<String> {
    let argument = match tool {
        "openssl" => "version",
        "mksquashfs" => "-version",
        _ => "--version",
    };
    first_line(Command::new(tool).env_clear().env("PATH", PATH).env("LC_ALL", "C").arg(argument))
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    output.status.success().then(|| String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned())
}

/// The kind of filesystem of a directory, by the mount that has the longest way in common with it.
fn filesystem(directory: &Path) -> String {
    let found = || {
        let directory = directory.canonicalize().ok()?;
        let disks = sysinfo::Disks::new_with_refreshed_list().ok()?;
        let over = disks.iter().filter(|disk| directory.starts_with(disk.mount_point()));
        let nearest = over.max_by_key(|disk| disk.mount_point().as_os_str().len())?;
        Some(nearest.file_system().to_string_lossy().into_owned())
    };
    found().unwrap_or_else(|| "unknown".into())
}
