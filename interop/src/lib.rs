//! Conformance checks with real clients: LXD, umoci, skopeo, a registry, podman, buildah, and every installed reader of
//! archives.
//!
//! Each check gives a packed image to an independent program, and compares its output: the fingerprint that the client
//! shows, and a rootfs that has to equal the tree, entry by entry. A client that is not installed is reported, never
//! passed over.

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

use std::sync::{Mutex, PoisonError};
use std::thread;

use check::CheckLog;

/// Makes all checks; `tell` gets each as it is made. Archives, OCI and LXD are checked beside each other, since their clients wait
/// for disks and daemons.
///
/// # Errors
///
/// If an image cannot be packed, or the tree cannot be read. A failure of a client is a [`ClientResult`].
pub fn run(setup: &Setup<'_>, tell: &mut (dyn FnMut(&ClientCheck) + Send)) -> Result<Vec<ClientCheck>> {
    let tell = Mutex::new(tell);
    let group = |name: &str, checks: fn(&Setup<'_>, &mut CheckLog<'_>) -> Result<()>| {
        let scratch = setup.scratch.join(name);
        std::fs::create_dir(&scratch).map_err(|error| Error::io("create", &scratch, error))?;
        let tell = &mut |check: &ClientCheck| (tell.lock().unwrap_or_else(PoisonError::into_inner))(check);
        let mut log = CheckLog { tell, made: Vec::new(), name: setup.name };
        checks(&Setup { scratch: &scratch, ..setup.clone() }, &mut log)?;
        Ok(log.made)
    };
    let made: Result<Vec<Vec<ClientCheck>>> = thread::scope(|scope| {
        let group = &group;
        let archives = scope.spawn(move || group("archives", readers::run));
        let oci = scope.spawn(move || group("oci", oci::run));
        let lxd = scope.spawn(move || group("lxd", lxd::run));
        let joined =
            [archives, oci, lxd].map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.into_iter().collect()
    });
    Ok(made?.concat())
}
