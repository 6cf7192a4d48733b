//! Reading records back.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::sample::{SCHEMA, Sample};
use crate::error::{Error, Result};

/// The samples in a directory of records.
///
/// # Errors
///
/// If they cannot be read.
pub fn samples(directory: &Path) -> Result<Vec<Sample>> {
    let path = directory.join("samples.jsonl");
    let text = fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
    // The text behind the last end of a line is a sample whose writer was killed.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| parse(&path, line, SCHEMA)).collect()
}

/// Reads a file of a record that should be of this version.
pub(crate) fn read<Of: DeserializeOwned>(path: &Path, schema: u32) -> Result<Of> {
    let text = fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
    parse(path, &text, schema)
}

/// Parses a text in `path`. The error for another version names the version, not a missing field.
fn parse<Of: DeserializeOwned>(path: &Path, text: &str, schema: u32) -> Result<Of> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    let unclear = |error| Error::record(path, error);
    let found = serde_json::from_str::<Version>(text).map_err(unclear)?.schema;
    if found != schema {
        return Err(Error::record(path, format!("its schema is {found}, this reads {schema}")));
    }
    serde_json::from_str(text).map_err(unclear)
}
