//! `onepass diff`: the differences between two images. Its JSON is schema 1, with sizes in bytes.

use std::process::ExitCode;

use anyhow::{Context, Result};
use packer::{Difference, Field, FieldChange};
use serde::Serialize;

use crate::args::DiffArguments;
use crate::exit_code::FAILED;
use crate::json_path::JsonPath;
use crate::messages::{print_line, print_lines};

pub(crate) fn run(arguments: &DiffArguments) -> Result<ExitCode> {
    let differences = packer::diff(&arguments.first(), &arguments.second())?;
    if arguments.json {
        let record = Record { schema: 1, differences: differences.iter().map(Entry::of).collect() };
        print_line(serde_json::to_string(&record).context("cannot write the differences as JSON")?)?;
    } else {
        print_lines(differences.iter().flat_map(|difference| difference.lines(["A", "B"])))?;
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

#[derive(Debug, Serialize)]
struct Record {
    schema: u32,
    /// First those of the tree, then those of the metadata; each sorted by path.
    differences: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    #[serde(flatten)]
    path: JsonPath,
    /// `tree` or `metadata`: metadata.yaml and templates, or the configuration of an OCI image.
    section: &'static str,
    /// `added`: only in B; `removed`: only in A; `changed`.
    change: &'static str,
    /// The size in A of a regular file.
    size_before: Option<u64>,
    /// The size in B of a regular file.
    size_after: Option<u64>,
    /// The attributes of a changed entry that differ.
    attributes: Vec<Attribute>,
}

#[derive(Debug, Serialize)]
struct Attribute {
    /// `kind`, `mode`, `owner`, `mtime`, `size`, `content`, `target`, `device`, `hard-link`, or `xattr`.
    name: &'static str,
    /// The name of an extended attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    xattr: Option<String>,
    /// The value in A as text, or `present` for an extended attribute. None if the entry has no such attribute, and for contents.
    before: Option<String>,
    /// The value in B, likewise.
    after: Option<String>,
}

impl Entry {
    fn of(difference: &Difference) -> Self {
        Entry {
            path: JsonPath::new(&difference.path),
            section: difference.section.name(),
            change: difference.change.name(),
            size_before: difference.size_before,
            size_after: difference.size_after,
            attributes: difference.fields.iter().map(Attribute::of).collect(),
        }
    }
}

impl Attribute {
    fn of(change: &FieldChange) -> Self {
        let (before, after) = (change.before.clone(), change.after.clone());
        match &change.field {
            Field::Xattr(name) => {
                let xattr = Some(String::from_utf8_lossy(name).into_owned());
                let present = |value: Option<String>| value.map(|_| "present".to_owned());
                Attribute { name: "xattr", xattr, before: present(before), after: present(after) }
            }
            field => Attribute { name: field.name(), xattr: None, before, after },
        }
    }
}
