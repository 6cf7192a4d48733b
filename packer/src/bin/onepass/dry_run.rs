//! `onepass pack --dry-run`: the number of entries and the size of the tar, as a line or as JSON of schema 1.

use std::process::ExitCode;

use anyhow::{Context, Result};
use packer::{Exclusion, Measurement};
use serde::Serialize;

use crate::args::PackArguments;
use crate::exit_code::CHANGED;
use crate::json_path::JsonPaths;
use crate::messages::{format_size, print_line, tell_changes, warn_of_unmatched};
use crate::record::Changed;
use crate::record_file::RecordOutput;

/// The record of a dry run. Its fields mean what they mean in the record of a pack.
#[derive(Debug, Serialize)]
struct DryRunRecord {
    schema: u32,
    format: String,
    /// `dry-run`.
    outcome: &'static str,
    tar_size: u64,
    entries: u64,
    sockets_skipped: u64,
    mounts_skipped: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mounts_skipped_hex: Option<Vec<Option<String>>>,
    unmatched_exclusions: Vec<String>,
    changes: Vec<Changed>,
    further_changes: u64,
}

pub(crate) fn report(measurement: &Measurement, arguments: &PackArguments, record: &RecordOutput) -> Result<ExitCode> {
    let Measurement { entries, tar_size, sockets_skipped, mounts_skipped, unmatched_exclusions, changes, .. } =
        measurement;
    let further_changes = measurement.further_changes;
    if record.is_wanted() {
        let mounts = JsonPaths::new(mounts_skipped);
        let made = DryRunRecord {
            schema: 1,
            format: arguments.format.name(),
            outcome: "dry-run",
            tar_size: *tar_size,
            entries: *entries,
            sockets_skipped: *sockets_skipped,
            mounts_skipped: mounts.texts,
            mounts_skipped_hex: mounts.hex,
            unmatched_exclusions: unmatched_exclusions.iter().map(Exclusion::to_string).collect(),
            changes: changes.iter().map(Changed::new).collect(),
            further_changes,
        };
        record.write(&serde_json::to_string(&made).context("cannot write the record as JSON")?)?;
    }
    if !matches!(record, RecordOutput::StandardOutput) {
        print_line(format!("{entries} entries in a tar of {}", format_size(*tar_size)))?;
    }
    warn_of_unmatched(unmatched_exclusions)?;
    tell_changes(changes, further_changes)?;
    Ok(if changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CHANGED) })
}
