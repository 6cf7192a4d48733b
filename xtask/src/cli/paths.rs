//! The repository, the default directories, and the day.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// The top of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The directory of records: the chosen one, or one in the repository that git ignores.
pub(crate) fn results_or_default(chosen: Option<&Path>) -> PathBuf {
    chosen.map_or_else(|| repository().join("results/local"), Path::to_owned)
}

/// The directory for scratch directories: the chosen one, or the system's for temporary files.
pub(crate) fn scratch_or_default(chosen: Option<&Path>) -> PathBuf {
    chosen.map_or_else(std::env::temp_dir, Path::to_owned)
}

/// This program, which the harness starts again for small tasks.
pub(crate) fn this_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this program")
}

/// The day, as records have it.
pub(crate) fn today() -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(harness::record::date(now))
}

/// A path for messages: relative to the current directory if it is below it.
pub(crate) fn display_path(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(&path).display().to_string()
}
