//! What the real clients make of our images: LXD, umoci, skopeo, a registry, podman, buildah, and every reader of archives that is
//! installed.
//!
//! Each check gives a packed image to a program that knows nothing of us, and looks at what comes out: the fingerprint that the
//! client shows, and a rootfs that has to be the tree, entry by entry. A client that is not installed is told, never passed over.

mod check;
mod error;
mod lxd;
mod oci;
mod readers;
mod setting;
mod trees;

pub use check::{Check, Verdict};
pub use error::{Error, Result};
pub use setting::Setting;

use check::Checks;

/// Makes all checks; `tell` hears of each as it is made.
///
/// # Errors
///
/// If an image cannot be packed, or the tree not be read. What a client does wrong is a [`Verdict`].
pub fn run(setting: &Setting<'_>, tell: &mut dyn FnMut(&Check)) -> Result<Vec<Check>> {
    let mut checks = Checks { tell, made: Vec::new(), name: setting.name };
    readers::run(setting, &mut checks)?;
    oci::run(setting, &mut checks)?;
    lxd::run(setting, &mut checks)?;
    Ok(checks.made)
}
