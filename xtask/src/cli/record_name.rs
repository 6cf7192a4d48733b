//! The names of records on the command line: the topic of a new one, the directory of an old one.

use std::path::Path;

use super::wrong_use::WrongUse;

/// Parses the topic of a record, which becomes the end of a directory's name.
pub(crate) fn topic(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('/') {
        return Err("a topic is a part of a directory's name: not empty, and without `/`".into());
    }
    Ok(text.to_owned())
}

/// Refuses a directory that holds none of these files.
pub(crate) fn require_record(directory: &Path, files: &[&str]) -> Result<(), WrongUse> {
    if files.iter().any(|file| directory.join(file).is_file()) {
        return Ok(());
    }
    Err(WrongUse(format!("`{}` is no record: it holds no {}", directory.display(), files.join(", "))))
}
