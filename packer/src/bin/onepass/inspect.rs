//! `onepass inspect`: a summary of an image. Its JSON is schema 1, with sizes in bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result};
use packer::{ImageFormat, Summary, escape_path};
use serde::Serialize;

use crate::args::InspectArguments;
use crate::json_path::JsonPath;
use crate::messages::{format_size, print_line};

pub(crate) fn run(arguments: &InspectArguments) -> Result<ExitCode> {
    let summary = arguments.image.source().inspect()?;
    if arguments.json {
        let record = Record::of(&summary);
        print_line(serde_json::to_string(&record).context("cannot write the summary as JSON")?)?;
    } else {
        print_line(text(&summary).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(summary: &Summary) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let name = if name.is_empty() { String::new() } else { format!("{name}:") };
        // A `String` takes whatever is written to it.
        let _ = writeln!(text, "{name:<13}{value}");
    };
    let kinds: Vec<String> = summary.entries.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let entries: u64 = summary.entries.values().sum();
    line("format", summary.format.name());
    line("fingerprint", &summary.fingerprint.to_string());
    line("size", &format_size(summary.size));
    line("tar size", &format_size(summary.tar_size()));
    line("diffID", &format!("sha256:{}", summary.diff_id));
    for (number, archive) in summary.archives.iter().enumerate() {
        let packer::ArchiveSummary { name, size, encoding, tar_size, diff_id, .. } = archive;
        let (name, size, tar_size) = (escape_path(name.as_ref()), format_size(*size), format_size(*tar_size));
        let archive = format!("{name}: {encoding}, {size}; tar of {tar_size}, sha256:{diff_id}");
        line(if number == 0 { "archives" } else { "" }, &archive);
    }
    line("entries", &format!("{entries} ({})", kinds.join(", ")));
    line("content", &format_size(summary.content));
    let sizes: Vec<String> = summary.largest.iter().map(|(_, size)| format_size(*size)).collect();
    let width = sizes.iter().map(String::len).max().unwrap_or_default();
    for (number, ((path, _), size)) in summary.largest.iter().zip(&sizes).enumerate() {
        line(if number == 0 { "largest" } else { "" }, &format!("{size:>width$} {}", escape_path(path)));
    }
    if let Some(description) = &summary.description {
        let lines = String::from_utf8_lossy(description);
        for (number, text) in lines.lines().enumerate() {
            line(if number == 0 { "metadata" } else { "" }, &escape_path(text.as_ref()));
        }
    }
    text
}

#[derive(Debug, Serialize)]
struct Record<'a> {
    schema: u32,
    /// `tar`, `unified`, `split` or `oci`.
    format: &'static str,
    fingerprint: String,
    /// The sha256 of the tree's tar; of several layers, their chain ID.
    diff_id: String,
    size: u64,
    tar_size: u64,
    /// The one file, or metadata and tree, or the layers from the lowest one up.
    archives: Vec<Archive<'a>>,
    /// The number of entries of each kind that occurs: `directory`, `file`, `hard link`, `symlink`, `fifo`, `character device`, `block device`.
    entries: &'a BTreeMap<&'static str, u64>,
    content: u64,
    largest: Vec<File>,
    /// The text of metadata.yaml, or the configuration of an OCI image as an object.
    metadata: Option<serde_json::Value>,
}

#[derive(Debug, Serialize)]
struct Archive<'a> {
    name: &'a str,
    size: u64,
    /// `none`, `gzip`, `zstd`, …
    compression: &'static str,
    tar_size: u64,
    diff_id: String,
}

#[derive(Debug, Serialize)]
struct File {
    #[serde(flatten)]
    path: JsonPath,
    size: u64,
}

impl<'a> Record<'a> {
    fn of(summary: &'a Summary) -> Self {
        let archive = |archive: &'a packer::ArchiveSummary| Archive {
            name: &archive.name,
            size: archive.size,
            compression: archive.encoding.name(),
            tar_size: archive.tar_size,
            diff_id: archive.diff_id.to_string(),
        };
        let metadata = summary.description.as_ref().map(|description| match summary.format {
            ImageFormat::Oci => serde_json::from_slice(description).unwrap_or_default(),
            _ => String::from_utf8_lossy(description).into(),
        });
        Record {
            schema: 1,
            format: summary.format.name(),
            fingerprint: summary.fingerprint.to_string(),
            diff_id: summary.diff_id.to_string(),
            size: summary.size,
            tar_size: summary.tar_size(),
            archives: summary.archives.iter().map(archive).collect(),
            entries: &summary.entries,
            content: summary.content,
            largest: summary
                .largest
                .iter()
                .map(|(path, size)| File { path: JsonPath::new(path), size: *size })
                .collect(),
            metadata,
        }
    }
}
