//! `onepass diff`: what differs between two images. Its JSON is schema 1: sizes are bytes.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use packer::{Difference, Field, FieldChange};
use serde::Serialize;

use crate::args::DiffArguments;
use crate::json_path::Named;
use crate::{DIFFERENT, say};

pub(crate) fn run(arguments: &DiffArguments) -> Result<ExitCode> {
    let differences = packer::diff(&arguments.first(), &arguments.second())?;
    if arguments.json {
        let record = Record { schema: 1, differences: differences.iter().map(Entry::of).collect() };
        say(&serde_json::to_string(&record).context("cannot write the differences as JSON")?)?;
    } else {
        let mut out = std::io::stdout().lock();
        for line in differences.iter().flat_map(|difference| difference.lines(["A", "B"])) {
            writeln!(out, "{line}").context("cannot write to standard output")?;
        }
        out.flush().context("cannot write to standard output")?;
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
}

#[derive(Debug, Serialize)]
struct Record {
    schema: u32,
    /// By path: first those of the tree, then those of what is beside it.
    differences: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    #[serde(flatten)]
    path: Named,
    /// `tree`, or `metadata`: `metadata.yaml` and templates, or an OCI image's configuration.
    section: &'static str,
    /// `added`: only in B; `removed`: only in A; `changed`.
    change: &'static str,
    /// Of what is a file in A.
    size_before: Option<u64>,
    /// Of what is a file in B.
    size_after: Option<u64>,
    /// What differs in what was changed.
    attributes: Vec<Attribute>,
}

#[derive(Debug, Serialize)]
struct Attribute {
    /// `kind`, `mode`, `owner`, `mtime`, `size`, `content`, `target`, `device`, `hard-link`, or `xattr`.
    name: &'static str,
    /// The name of an extended attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    xattr: Option<String>,
    /// As it is shown; nothing where it is not, and of contents. Of an extended attribute: `present`.
    before: Option<String>,
    after: Option<String>,
}

impl Entry {
    fn of(difference: &Difference) -> Self {
        Entry {
            path: Named::of(&difference.path),
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
