//! LXD, by a daemon of our own that ends with the checks: images are imported, unpacked into instances, published
//! again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::snapshot::{Losses, TreeSnapshot, check_tree, remove};
use harness::run::Tool;

use crate::check::{CheckLog, ClientResult};
use crate::error::{Error, Result};
use crate::setup::{PackedImage, Setup};

/// LXD leaves out everything below `dev` when it unpacks an image.
const DEV: Losses = Losses { dev: true, ..Losses::NONE };

/// The codecs that LXD 5.0 takes; the last of them only for the rootfs of a split image.
const CODECS: [&str; 7] = ["none", "gzip", "zstd", "xz:1", "external:bzip2:1", "external:lzma:1", "squashfs"];

/// A daemon with a directory of its own.
struct Daemon {
    child: Child,
    directory: PathBuf,
}

impl Daemon {
    fn start(setup: &Setup<'_>) -> std::result::Result<Self, String> {
        let directory = setup.scratch.join("lxd");
        std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let child = Command::new("lxd")
            .env("LXD_DIR", &directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot run lxd: {error}"))?;
        let daemon = Daemon { child, directory };
        daemon.tool("lxd").args(["waitready", "--timeout=60"]).run()?;
        daemon.lxc(&["storage", "create", "default", "dir"])?;
        daemon.lxc(&["profile", "device", "add", "default", "root", "disk", "path=/", "pool=default"])?;
        Ok(daemon)
    }

    fn tool(&self, program: &str) -> Tool {
        Tool::new(program).env("LXD_DIR", &self.directory).env("LXD_CONF", self.directory.join("client"))
    }

    fn lxc(&self, arguments: &[&str]) -> std::result::Result<String, String> {
        self.tool("lxc").args(arguments).output()
    }

    fn rootfs(&self, instance: &str) -> PathBuf {
        self.directory.join("storage-pools/default/containers").join(instance).join("rootfs")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.tool("lxd").args(["shutdown", "--timeout=60"]).run().is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        for mounted in ["devlxd", "shmounts"] {
            let _ = Tool::new("umount").args(["--lazy"]).arg(self.directory.join(mounted)).run();
        }
    }
}

pub(crate) fn run(setup: &Setup<'_>, checks: &mut CheckLog<'_>) -> Result<()> {
    if !checks.has_tools("LXD", "import", &["lxd", "lxc"]) {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        checks.add("LXD", "import", ClientResult::Missing("a daemon can be started by root only".into()));
        return Ok(());
    }
    let expected = TreeSnapshot::of(setup.tree).map_err(|error| Error::run("reading the tree", error))?;
    let daemon = match Daemon::start(setup) {
        Ok(daemon) => daemon,
        Err(why) => {
            checks.add("LXD", "start", ClientResult::Failed(why));
            return Ok(());
        }
    };
    for format in ["unified", "split"] {
        let tried = |codec: &&str| setup.includes(codec) && (format == "split" || *codec != "squashfs");
        for codec in CODECS.into_iter().filter(tried) {
            if codec == "squashfs" && !expected.is_plain() {
                let what = format!("import {format} {codec}");
                checks.add("LXD", what, ClientResult::Unsupported("a squashfs cannot hold all times and attributes"));
                continue;
            }
            let place = setup.scratch.join("images");
            let image = setup.pack(&place, &["--format", format, "-c", codec])?;
            checks.outcome("LXD", format!("import {format} {codec}"), imported(&daemon, &image));
            let unpacked = daemon.lxc(&["init", &image.fingerprint, "ours"]).and_then(|_| {
                let losses = if codec == "squashfs" { Losses { fractions: true, ..DEV } } else { DEV };
                check_tree(&daemon.rootfs("ours"), &expected, losses)
            });
            checks.outcome("LXD", format!("unpack {format} {codec}"), unpacked);
            if (format, codec) == ("unified", "gzip") {
                checks.outcome("LXD", "publish the instance", published(&daemon, setup));
            }
            let removed =
                daemon.lxc(&["delete", "ours"]).and_then(|_| daemon.lxc(&["image", "delete", &image.fingerprint]));
            removed.map_err(|cause| Error::run("removing an image from LXD", cause))?;
            remove(&place)?;
        }
    }
    let directory = daemon.directory.clone();
    drop(daemon);
    remove(&directory)
}

/// Whether LXD imports an image under our fingerprint.
fn imported(daemon: &Daemon, image: &PackedImage) -> std::result::Result<(), String> {
    let path = image.path.to_string_lossy();
    let files = if image.path.is_dir() { pages(&image.path)? } else { vec![path.into_owned()] };
    let arguments: Vec<&str> = ["image", "import"].into_iter().chain(files.iter().map(String::as_str)).collect();
    daemon.lxc(&arguments)?;
    let known = daemon.lxc(&["image", "list", "--format", "csv", "--columns", "F"])?;
    if known.lines().any(|line| line == image.fingerprint) {
        Ok(())
    } else {
        Err(format!("it is known as {} then", known.trim()))
    }
}

/// The two files of a split image, metadata first.
fn pages(image: &Path) -> std::result::Result<Vec<String>, String> {
    let entries = std::fs::read_dir(image).map_err(|error| error.to_string())?;
    let names = entries.map(|entry| entry.map(|entry| entry.path().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<std::io::Result<_>>().map_err(|error| error.to_string())?;
    names.sort();
    Ok(names)
}

/// Whether an instance that LXD publishes has the members that its tree has in an image of ours.
fn published(daemon: &Daemon, setup: &Setup<'_>) -> std::result::Result<(), String> {
    daemon.lxc(&["publish", "ours", "--alias", "theirs", "--compression", "none"])?;
    let theirs = setup.scratch.join("theirs");
    daemon.lxc(&["image", "export", "theirs", &theirs.to_string_lossy()])?;
    daemon.lxc(&["image", "delete", "theirs"])?;
    let place = setup.scratch.join("again");
    let rootfs = daemon.rootfs("ours");
    let again = Setup { tree: &rootfs, ..setup.clone() };
    let ours = again.pack(&place, &["--format", "unified", "-c", "none"]).map_err(|error| error.to_string())?;
    let exported = format!("{}.tar", theirs.display());
    let (theirs, ours) = (members(Path::new(&exported))?, members(&ours.path)?);
    let cleaned = std::fs::remove_file(&exported).and_then(|()| std::fs::remove_dir_all(&place));
    cleaned.map_err(|error| format!("cannot clean up: {error}"))?;
    match theirs.symmetric_difference(&ours).next() {
        None => Ok(()),
        Some(member) => Err(format!("`{member}` is in one of the two only ({} and {})", theirs.len(), ours.len())),
    }
}

/// The names of the members of a tar.
fn members(tar: &Path) -> std::result::Result<BTreeSet<String>, String> {
    let list = Tool::new("tar").args(["--quoting-style=c", "-tf"]).arg(tar).output()?;
    Ok(list.lines().map(|name| name.replace("/\"", "\"")).collect())
}
