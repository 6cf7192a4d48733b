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
mod setup;
mod snapshot;

pub use check::{ClientCheck, ClientResult};
pub use error::{Error, Result};
pub use setup::Setup;

use check::CheckLog;

/// Makes all checks; `tell` gets each as it is made.
///
/// # Errors
///
/// If an image cannot be packed, or the tree cannot be read. A failure of a client is a [`ClientResult`].
pub fn run(setup: &Setup<'_>, tell: &mut dyn FnMut(&ClientCheck)) -> Result<Vec<ClientCheck>> {
    let mut checks = CheckLog { tell, made: Vec::new(), name: setup.name };
    readers::run(setup, &mut checks)?;
    oci::run(setup, &mut checks)?;
    lxd::run(setup, &mut checks)?;
    Ok(checks.made)
}
