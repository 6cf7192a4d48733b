//! The JSON of `onepass pack --json`: schema 1, with sizes in bytes and times in integer nanoseconds.

use std::collections::BTreeMap;
use std::time::Duration;

use packer::{Change, Exclusion, Image};
use serde::Serialize;

use crate::args::PackArguments;
use crate::json_path::{JsonPath, JsonPaths, path_hex};

/// One pack.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    schema: u32,
    fingerprint: String,
    /// `tar`, `unified`, `split` or `oci`.
    format: String,
    /// `published`, `already-there`, `unchanged` or `streamed`.
    outcome: &'static str,
    /// None if the image was not kept, or was written to standard output.
    path: Option<String>,
    /// The bytes of a path that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    size: u64,
    tar_size: u64,
    diff_id: Option<String>,
    /// The sha256 of an OCI image's layer.
    layer: Option<String>,
    entries: u64,
    sockets_skipped: u64,
    /// Mount points below the tree whose content was left out.
    mounts_skipped: Vec<String>,
    /// The bytes of those that are not UTF-8, if there are any; null for the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    mounts_skipped_hex: Option<Vec<Option<String>>>,
    /// Globs of `--exclude` that matched nothing.
    unmatched_exclusions: Vec<String>,
    /// Entries that changed while they were packed, with `--live`.
    changes: Vec<Changed>,
    /// How many changes are not among them.
    further_changes: u64,
    strategy: &'static str,
    compression: String,
    threads: usize,
    encoders: Vec<Encoder>,
    wall_ns: u64,
    /// The time of each phase: `stream`, or `tar` and `compress`; then `sync` and `publish`.
    phases_ns: BTreeMap<&'static str, u64>,
    /// The time of each step, all threads together: `walk`, `frame`, `encode`, `hash`, `write`.
    busy_ns: BTreeMap<&'static str, u64>,
    bytes_read: u64,
    bytes_written: Written,
    scratch_peak: u64,
    /// The peak of resident memory. None if `/proc/self/status` cannot be read.
    vm_hwm: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Encoder {
    name: &'static str,
    version: String,
}

/// An entry that changed.
#[derive(Debug, Serialize)]
pub(crate) struct Changed {
    #[serde(flatten)]
    path: JsonPath,
    what: &'static str,
}

#[derive(Debug, Serialize)]
struct Written {
    temporary_tar: u64,
    image: u64,
}

impl Changed {
    pub(crate) fn new(change: &Change) -> Self {
        Changed { path: JsonPath::new(&change.path), what: change.what }
    }
}

impl Record {
    pub(crate) fn new(image: &Image, arguments: &PackArguments) -> Self {
        let times = image.step_times;
        let mounts = JsonPaths::new(&image.mounts_skipped);
        let steps = [
            ("walk", times.walk),
            ("frame", times.frame),
            ("encode", times.encode),
            ("hash", times.hash),
            ("write", times.write),
        ];
        Record {
            schema: 1,
            fingerprint: image.fingerprint.to_string(),
            format: arguments.format.name(),
            outcome: image.outcome.name(),
            path: image.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
            path_hex: image.path.as_deref().and_then(path_hex),
            size: image.size,
            tar_size: image.tar_size,
            diff_id: image.diff_id.map(|digest| digest.to_string()),
            layer: image.layer.map(|layer| layer.digest.to_string()),
            entries: image.entries,
            sockets_skipped: image.sockets_skipped,
            mounts_skipped: mounts.texts,
            mounts_skipped_hex: mounts.hex,
            unmatched_exclusions: image.unmatched_exclusions.iter().map(Exclusion::to_string).collect(),
            changes: image.changes.iter().map(Changed::new).collect(),
            further_changes: image.further_changes,
            strategy: arguments.strategy.name(),
            compression: arguments.compression.to_string(),
            threads: arguments.threads().get(),
            encoders: image
                .encoders
                .iter()
                .map(|encoder| Encoder { name: encoder.name, version: encoder.version.clone() })
                .collect(),
            wall_ns: nanoseconds(image.wall),
            phases_ns: image.phases.iter().map(|(phase, took)| (phase.name(), nanoseconds(*took))).collect(),
            busy_ns: steps.into_iter().map(|(step, took)| (step, nanoseconds(took))).collect(),
            bytes_read: image.bytes_read,
            bytes_written: Written { temporary_tar: image.temporary_tar, image: image.size },
            scratch_peak: image.scratch_peak(),
            vm_hwm: peak_memory(),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `VmHWM` of this process, in bytes.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
