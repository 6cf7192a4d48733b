//! The machine and the tools that a run was made with. No host name, no path.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::process::{Command, Stdio};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sysinfo::System;

use super::build::Build;
use super::cgroup::CgroupLimits;
use super::kernel::KernelSettings;
use super::mounts::Mount;
use super::processor::ProcessorDetails;
use super::revision::Revision;
use crate::error::{Error, Result};
use crate::programs::PATH;

/// The machine and the tools of a run. What is optional is not in older records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// The processor's own name.
    pub processor: String,
    /// What its name does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_details: Option<ProcessorDetails>,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory: u64,
    /// The limits of the process on both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<CgroupLimits>,
    /// The operating system and its kernel.
    pub system: String,
    /// Settings of the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelSettings>,
    /// The kind of filesystem that images were written to.
    pub filesystem: String,
    /// The mounts of the images and of the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Mounts>,
    /// The revision of onepass. Older records add `, changed` if the tree was dirty.
    pub revision: String,
    /// Whether the tree had changes that no commit has; see [`is_dirty`](Self::is_dirty) for all records.
    #[serde(default)]
    pub dirty: bool,
    /// The measured binary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// The compiler.
    pub rustc: String,
    /// The first line of each tool's version output.
    pub tools: BTreeMap<String, String>,
}

/// The mounts of a run, each with its kind of filesystem first and then its options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mounts {
    /// Where images are written.
    pub scratch: Vec<String>,
    /// Where the tree is.
    pub tree: Vec<String>,
}

/// What a run is made with, and where.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// Where images will be written.
    pub scratch: &'a Path,
    /// The tree.
    pub tree: &'a Path,
    /// The measured binary.
    pub onepass: &'a Path,
    /// Where onepass comes from.
    pub repository: &'a Path,
}

impl Environment {
    /// Looks at the machine.
    ///
    /// # Errors
    ///
    /// If the measured binary cannot be read.
    pub fn detect(places: Places<'_>) -> Result<Self> {
        let (processor, memory) = hardware().unwrap_or_else(|| ("unknown".into(), 0));
        let versions = TOOLS.map(|tool| (tool.to_owned(), version(tool)));
        let Revision { commit, dirty } = Revision::of(places.repository);
        let build = Build::of(places.onepass).map_err(|error| Error::io("read", places.onepass, error))?;
        let [scratch, tree] = [places.scratch, places.tree].map(Mount::of);
        Ok(Environment {
            processor,
            processor_details: Some(ProcessorDetails::detect()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory,
            limits: Some(CgroupLimits::detect()),
            system: [System::long_os_version(), System::kernel_version().map(|kernel| kernel_version(&kernel))]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", "),
            kernel: Some(KernelSettings::detect()),
            filesystem: scratch.as_ref().map_or_else(|| "unknown".into(), |mount| mount.filesystem.clone()),
            mounts: scratch.zip(tree).map(|(scratch, tree)| Mounts { scratch: scratch.told(), tree: tree.told() }),
            revision: commit,
            dirty,
            build: Some(build),
            rustc: first_line(Command::new("rustc").arg("--version")).unwrap_or_else(|| "unknown".into()),
            tools: versions.into_iter().filter_map(|(tool, version)| Some((tool, version?))).collect(),
        })
    }

    /// Whether the tree had changes that no commit has: nobody can repeat such a run.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.dirty || self.revision.ends_with(", changed")
    }

    /// Refuses a record of a tree that was dirty; `record` names it.
    ///
    /// # Errors
    ///
    /// If it was.
    pub fn require_clean(&self, record: impl Display) -> Result<()> {
        if self.is_dirty() { Err(Error::dirty(record)) } else { Ok(()) }
    }

    /// The class of machines with comparable times: `AMD EPYC (family 25, model 1, stepping 1), 2 cores, ext4`. The disk
    /// decides the cost of two passes. Older records know no more of a processor than its name.
    #[must_use]
    pub fn class(&self) -> String {
        let design = self.processor_details.as_ref().and_then(|details| details.design.as_ref());
        let design = design.map_or_else(String::new, |design| format!(" ({design})"));
        format!("{}{design}, {} cores, {}", self.processor.replace('|', "/"), self.cores, self.filesystem)
    }
}

/// The tools whose version is recorded: those of peers that do the work.
const TOOLS: [&str; 12] =
    ["tar", "gzip", "pigz", "zstd", "xz", "openssl", "sha256sum", "bash", "bsdtar", "mksquashfs", "umoci", "buildah"];

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::ProcessorDesign;

    #[test]
    fn a_record_of_a_dirty_tree_is_refused_also_an_older_one() {
        let of = |revision: &str, dirty| Environment { revision: revision.into(), dirty, ..Environment::default() };
        assert!(!of("1a", false).is_dirty() && of("1a", false).require_clean("results/x").is_ok());
        for environment in [of("1a", true), of("1a, changed", false)] {
            assert!(environment.is_dirty());
            let refusal = environment.require_clean("results/x").unwrap_err().to_string();
            assert!(refusal.starts_with("`results/x` was made from a tree with changes") && !refusal.contains('\n'));
        }
        let older: Environment = serde_json::from_str(
            r#"{"processor":"","cores":1,"memory":1,"system":"","filesystem":"","revision":"1a, changed","rustc":"","tools":{}}"#,
        )
        .unwrap();
        assert!(older.is_dirty() && !older.dirty);
    }

    #[test]
    fn a_class_tells_two_generations_of_one_name_apart_and_is_what_it_was_for_older_records() {
        let named =
            Environment { processor: "AMD EPYC".into(), cores: 2, filesystem: "ext4".into(), ..Environment::default() };
        assert_eq!(named.class(), "AMD EPYC, 2 cores, ext4");
        let of = |model| {
            let design = Some(ProcessorDesign::X86 { family: 25, model, stepping: 1 });
            Environment {
                processor_details: Some(ProcessorDetails { design, ..ProcessorDetails::default() }),
                ..named.clone()
            }
        };
        assert_eq!(of(1).class(), "AMD EPYC (family 25, model 1, stepping 1), 2 cores, ext4");
        assert_ne!(of(1).class(), of(17).class());
        // The table of accepted figures separates its cells by that.
        assert!(!Environment { processor: "a|b".into(), ..of(1) }.class().contains('|'));
    }
}
