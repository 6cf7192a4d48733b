//! Trees that tasks make of fixtures, the same ones each time.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use fixtures::Fixture;

use super::output::warn;

/// The time of every top directory: 2023-11-14, in seconds since 1970.
const MODIFIED: Duration = Duration::from_secs(1_700_000_000);

/// Makes a tree at `root`, and says whether it is the locked one. A fixture has nothing to say of the directory that it
/// stands in, and an image has: it gets one mode and one time.
pub(crate) fn make_fixture(fixture: Fixture, root: &Path) -> Result<bool> {
    let made = fixture.create(root)?;
    let locked = fixture.locked() == Some(made.digest);
    if !locked {
        warn(format!("{fixture} is not locked: it may be another tree elsewhere"));
    }
    let failed = || format!("cannot change the attributes of `{}`", root.display());
    fs::set_permissions(root, Permissions::from_mode(0o755)).with_context(failed)?;
    let top = File::open(root).with_context(failed)?;
    top.set_modified(SystemTime::UNIX_EPOCH + MODIFIED).with_context(failed)?;
    Ok(locked)
}
