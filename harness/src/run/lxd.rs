//! A running LXD with the tree as a container, on which `lxc publish` is measured.
//!
//! The daemon belongs to the user. It gets the tree before anything is measured, and a shell removes everything
//! afterwards, however this process ends. Its processes are no children of this one: only the time of their work is
//! known.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::programs::PATH;
use crate::run::scratch_dir;
use crate::run::tool::Tool;

/// A client of a running LXD.
#[derive(Clone, Debug)]
pub struct Lxd {
    version: String,
    /// The environment of the client.
    environment: Vec<(&'static str, OsString)>,
}

/// The tree as a container, for as long as this process lives, or until this is dropped.
#[derive(Debug)]
pub struct Container {
    lxd: Lxd,
    name: String,
    /// The tree in LXD's storage, if it is to be seen there.
    rootfs: Option<PathBuf>,
    watcher: Child,
}

/// Removes the container `$1`, the image that it was made of and the one that was made of it, and sees that they are
/// gone; again if LXD was still at work on one of them. What the client wants to keep goes to a place of its own: where
/// it was before may be gone, and must not come back.
const FORGET: &str = "exec >/dev/null; LXD_CONF=$(mktemp -d) || exit; export LXD_CONF; trap 'rm -rf \"$LXD_CONF\"' EXIT; \
                      for _ in 1 2 3 4 5 6 7 8 9 10; do \
                      lxc delete --force \"$1\"; lxc image delete \"$1\"; lxc image delete \"$1-published\"; \
                      lxc query /1.0 && ! lxc query \"/1.0/instances/$1\" && ! lxc query \"/1.0/images/aliases/$1\" && \
                      ! lxc query \"/1.0/images/aliases/$1-published\" && exit 0; sleep 1; done; exit 1";

/// Where LXD keeps its storage: as a package of the distribution, and as a snap.
const HOMES: [&str; 2] = ["/var/lib/lxd", "/var/snap/lxd/common/lxd"];

impl Lxd {
    /// The LXD of this machine, found as the user's own `lxc` finds it: `variable` gives their `PATH`, `HOME` and
    /// `LXD_DIR`. What the client wants to keep goes to `scratch`, which is to be removed afterwards.
    ///
    /// # Errors
    ///
    /// The reason why there is none, for the report.
    pub fn find(
        variable: impl Fn(&str) -> Option<OsString>,
        scratch: &Path,
    ) -> std::result::Result<Self, &'static str> {
        let path = variable("PATH").unwrap_or_else(|| PATH.into());
        if !std::env::split_paths(&path).any(|directory| directory.join("lxc").is_file()) {
            return Err("lxc is not installed");
        }
        // With a configuration of its own the client knows this machine's daemon only, whichever the user's default is.
        let mut environment = vec![("PATH", path), ("LXD_CONF", scratch.join("lxc").into())];
        environment.extend(["HOME", "LXD_DIR"].into_iter().filter_map(|name| Some((name, variable(name)?))));
        let mut lxd = Lxd { version: String::new(), environment };
        let server: Server = lxd.ask("/1.0").map_err(|_| "no LXD answers")?;
        lxd.version = server.environment.server_version;
        Ok(lxd)
    }

    /// Makes a container of a tree, by way of an image that `onepass` packs. It is never started.
    ///
    /// # Errors
    ///
    /// If LXD cannot take the tree. Nothing is left then.
    pub fn take(self, onepass: &Path, rootfs: &Path, scratch: &Path) -> Result<Container> {
        let failed = |cause: String| Error::run("giving the tree to LXD", cause);
        let name = format!("onepass-bench-{}", std::process::id());
        let mut watcher = scratch_dir::watcher(FORGET);
        watcher.arg(&name).envs(self.environment.iter().cloned());
        let watcher =
            scratch_dir::start(&mut watcher).map_err(|error| Error::run("the shell that cleans up", error))?;
        // From here on it is removed whatever happens.
        let mut container = Container { lxd: self, name, rootfs: None, watcher };
        let (lxd, name) = (&container.lxd, container.name.as_str());
        let place = tempfile::tempdir_in(scratch).map_err(|error| Error::io("create directory", scratch, error))?;
        let options = ["--quiet", "--format", "unified", "--compression", "none", "--arch", ARCH];
        let pack = Tool::new(onepass).arg("pack").args(options).arg("--output").arg(place.path()).arg(rootfs);
        let line = pack.output().map_err(failed)?;
        let (_, image) = line.trim_end().split_once("  ").unwrap_or_default();
        lxd.lxc(&["image", "import", image, "--alias", name]).map_err(failed)?;
        lxd.lxc(&["init", name, name]).map_err(failed)?;
        lxd.lxc(&["image", "delete", name]).map_err(failed)?;
        container.rootfs = lxd.storage(name);
        Ok(container)
    }

    /// Where a container's tree is, in a pool that is a directory or a subvolume. Others are mounted when LXD needs them.
    fn storage(&self, name: &str) -> Option<PathBuf> {
        let Instance { expanded_devices } = self.ask(&format!("/1.0/instances/{name}")).ok()?;
        let pool = expanded_devices.get("root")?.get("pool")?;
        let own = self.environment.iter().find(|(variable, _)| *variable == "LXD_DIR").map(|(_, place)| place.into());
        let places = own.map_or_else(|| HOMES.map(PathBuf::from).to_vec(), |place: PathBuf| vec![place]);
        let tree = |home: PathBuf| home.join("storage-pools").join(pool).join("containers").join(name).join("rootfs");
        places.into_iter().map(tree).find(|tree| tree.is_dir())
    }

    fn lxc(&self, arguments: &[&str]) -> std::result::Result<String, String> {
        let tool = Tool::new("lxc").args(arguments);
        self.environment.iter().fold(tool, |tool, (name, value)| tool.env(name, value)).output()
    }

    /// Queries the daemon.
    fn ask<Answer: DeserializeOwned>(&self, path: &str) -> std::result::Result<Answer, String> {
        serde_json::from_str(&self.lxc(&["query", path])?).map_err(|error| format!("LXD's answer is unclear: {error}"))
    }
}

impl Container {
    /// The version of its LXD.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.lxd.version
    }

    /// The tree in LXD's storage, if it is to be seen there.
    pub(crate) fn rootfs(&self) -> Option<&Path> {
        self.rootfs.as_deref()
    }

    /// Lets a child talk to LXD about the container, which is `$CONTAINER`.
    pub(crate) fn set_environment(&self, command: &mut Command) -> std::io::Result<()> {
        command.envs(self.lxd.environment.iter().cloned()).env("CONTAINER", &self.name);
        // It holds the watcher's pipe, too: nothing is removed while LXD is still at work for it, if it outlives us.
        if let Some(pipe) = &self.watcher.stdin {
            command.stdin(Stdio::from(std::os::fd::AsFd::as_fd(pipe).try_clone_to_owned()?));
        }
        Ok(())
    }

    /// The alias of the image that was published.
    fn alias(&self) -> String {
        format!("{}-published", self.name)
    }

    /// The size of the image that was published.
    pub(crate) fn published_size(&self) -> Result<u64> {
        let size = || {
            let Alias { target } = self.lxd.ask(&format!("/1.0/images/aliases/{}", self.alias()))?;
            let Image { size } = self.lxd.ask(&format!("/1.0/images/{target}"))?;
            Ok(size)
        };
        size().map_err(|cause: String| Error::run("looking at the published image", cause))
    }

    /// Writes the image that was published into a directory, and returns its path.
    pub(crate) fn export_published(&self, directory: &Path) -> Result<PathBuf> {
        let failed = |cause: String| Error::run("exporting the published image", cause);
        let file = directory.join("published");
        self.lxd.lxc(&["image", "export", &self.alias(), &file.to_string_lossy()]).map_err(failed)?;
        // LXD appends the suffix of its compression.
        let entries = std::fs::read_dir(directory).map_err(|error| Error::io("read", directory, error))?;
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let found =
            paths.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("published")));
        found.ok_or_else(|| failed("LXD wrote no file".into()))
    }

    /// Removes the image that was published.
    pub(crate) fn remove_published(&self) -> Result<()> {
        let removed = self.lxd.lxc(&["image", "delete", &self.alias()]);
        removed.map(drop).map_err(|cause| Error::run("removing the published image", cause))
    }

    /// Removes all that LXD had of us.
    ///
    /// # Errors
    ///
    /// If something is still there.
    pub fn remove(mut self) -> Result<()> {
        let ended = self.watcher.wait().map_err(|error| Error::run("the shell that cleans up", error))?;
        let left =
            || Error::run("cleaning up", format!("LXD may still have the container `{}` or its images", self.name));
        if ended.success() { Ok(()) } else { Err(left()) }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Closes the pipe first: the watcher waits for that.
        let _ = self.watcher.wait();
    }
}

#[derive(Deserialize)]
struct Server {
    environment: About,
}

#[derive(Deserialize)]
struct About {
    server_version: String,
}

#[derive(Deserialize)]
struct Instance {
    /// The devices by name, each with its settings.
    expanded_devices: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Alias {
    target: String,
}

#[derive(Deserialize)]
struct Image {
    size: u64,
}
