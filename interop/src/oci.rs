//! Clients of OCI images: umoci, skopeo, a registry, podman, buildah.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::snapshot::{Losses, TreeSnapshot, check_tree, remove};
use harness::inspect::sha256;
use harness::run::Tool;

use crate::check::{CheckLog, ClientResult};
use crate::error::{Error, Result};
use crate::setup::{PackedImage, Setup};

const CODECS: [&str; 3] = ["none", "gzip", "zstd"];

/// The prefix of names with a special meaning in a layer.
const WHITEOUT: &str = ".wh.";

pub(crate) fn run(setup: &Setup<'_>, checks: &mut CheckLog<'_>) -> Result<()> {
    let tree = TreeSnapshot::of(setup.tree).map_err(|error| Error::run("reading the tree", error))?;
    let mut exclusions = vec!["--exclude".to_owned(), format!("**/{WHITEOUT}*")];
    exclusions.extend(tree.overlay_whiteouts().flat_map(|path| ["--exclude".to_owned(), path.display().to_string()]));
    let exclusions: Vec<&str> = exclusions.iter().map(String::as_str).collect();
    let expected = tree.without_whiteouts(WHITEOUT);
    let layout = setup.scratch.join("layout");
    for codec in CODECS.into_iter().filter(|codec| setup.includes(codec)) {
        // All into one layout.
        let options =
            ["--format", "oci", "--tag", codec, "-c", codec, "--cmd", "/bin/sh", "--env", "PATH=/bin:/usr/bin"];
        let image = setup.pack(&layout, &[&options[..], &exclusions].concat())?;
        umoci(&image, codec, &expected, setup, checks)?;
        skopeo(&image, codec, setup, checks)?;
        registry(&image, codec, setup, checks)?;
        containers(&image, codec, &expected, setup, checks)?;
    }
    if layout.exists() { remove(&layout) } else { Ok(()) }
}

/// The image as `oci:LAYOUT:TAG`, or without the first part, as umoci wants it.
fn reference(image: &PackedImage, tag: &str) -> String {
    format!("{}:{tag}", image.path.display())
}

fn umoci(
    image: &PackedImage,
    codec: &str,
    expected: &TreeSnapshot,
    setup: &Setup<'_>,
    checks: &mut CheckLog<'_>,
) -> Result<()> {
    let (client, what) = ("umoci", format!("unpack {codec}"));
    if codec == "zstd" {
        checks.add(client, what, ClientResult::Unsupported("knows no zstd before version 0.5"));
    } else if checks.has_tools(client, &what, &["umoci"]) {
        let into = setup.scratch.join("bundle");
        let unpacked = Tool::new("umoci").args(["unpack", "--image", &reference(image, codec)]).arg(&into).run();
        checks.outcome(client, what, unpacked.and_then(|()| check_tree(&into.join("rootfs"), expected, Losses::NONE)));
        remove(&into)?;
    }
    Ok(())
}

fn skopeo(image: &PackedImage, codec: &str, setup: &Setup<'_>, checks: &mut CheckLog<'_>) -> Result<()> {
    let (client, what) = ("skopeo", format!("copy {codec} to a directory"));
    if checks.has_tools(client, &what, &["skopeo"]) {
        let into = setup.scratch.join("directory");
        let copied = Tool::new("skopeo")
            .args(["copy", "--quiet", &format!("oci:{}", reference(image, codec)), &format!("dir:{}", into.display())])
            .run();
        checks.outcome(client, what, copied.and_then(|()| same_manifest(&into.join("manifest.json"), image)));
        remove(&into)?;
    }
    Ok(())
}

/// Whether a manifest has the digest that the image is known by.
fn same_manifest(manifest: &Path, image: &PackedImage) -> std::result::Result<(), String> {
    let digest = sha256(manifest).map_err(|error| error.to_string())?;
    if digest == image.fingerprint { Ok(()) } else { Err(format!("it has the manifest {digest} then, not ours")) }
}

/// A registry on this machine, which ends with this value.
struct Registry {
    child: Child,
    port: u16,
}

impl Registry {
    fn start(setup: &Setup<'_>) -> std::result::Result<Self, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| format!("no free port: {error}"))?.port();
        let config = setup.scratch.join("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
            setup.scratch.join("registry").display()
        );
        std::fs::write(&config, text).map_err(|error| format!("cannot write its configuration: {error}"))?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot run docker-registry: {error}"))?;
        let registry = Registry { child, port };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("does not answer".into())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn registry(image: &PackedImage, codec: &str, setup: &Setup<'_>, checks: &mut CheckLog<'_>) -> Result<()> {
    let (client, what) = ("docker-registry", format!("{codec} there and back"));
    if checks.has_tools(client, &what, &["docker-registry", "skopeo"]) {
        let back = setup.scratch.join("back");
        let outcome = Registry::start(setup).and_then(|registry| {
            let there = format!("docker://127.0.0.1:{}/onepass:{codec}", registry.port);
            let ours = format!("oci:{}", reference(image, codec));
            let copy = |from: &str, to: &str, plain: &str| {
                Tool::new("skopeo").args(["copy", "--quiet", "--preserve-digests", plain, from, to]).run()
            };
            copy(&ours, &there, "--dest-tls-verify=false")?;
            copy(&there, &format!("oci:{}:{codec}", back.display()), "--src-tls-verify=false")?;
            same_manifest(&back.join("blobs/sha256").join(&image.fingerprint), image)
        });
        checks.outcome(client, what, outcome);
        for used in ["back", "registry"].map(|used| setup.scratch.join(used)) {
            if used.exists() {
                remove(&used)?;
            }
        }
    }
    Ok(())
}

/// podman and buildah, which share their storage: buildah mounts the image that podman pulled.
fn containers(
    image: &PackedImage,
    codec: &str,
    expected: &TreeSnapshot,
    setup: &Setup<'_>,
    checks: &mut CheckLog<'_>,
) -> Result<()> {
    let (what, storage) = (format!("take {codec}"), setup.scratch.join("storage"));
    if !checks.has_tools("podman", &what, &["podman"]) || !checks.has_tools("buildah", &what, &["buildah"]) {
        return Ok(());
    }
    // podman needs a short path for its runtime directory.
    let running = tempfile::tempdir().map_err(|error| Error::run("podman", error))?;
    let tool = |program: &str| {
        let root = ["--storage-driver", "vfs", "--root"];
        Tool::new(program).args(root).arg(storage.join("root")).arg("--runroot").arg(running.path())
    };
    // It makes a name of the path, and allows no capitals in one.
    let (above, name) = (image.path.parent().unwrap_or(&image.path), image.path.file_name().unwrap_or_default());
    let from = format!("oci:{}:{codec}", name.display());
    let pulled = tool("podman").current_dir(above).args(["pull", "--quiet", &from]).output();
    let id = pulled.as_deref().unwrap_or_default().trim().to_owned();
    let outcome = pulled.and_then(|_| {
        let cmd = tool("podman").args(["image", "inspect", "--format", "{{index .Config.Cmd 0}}", &id]).output()?;
        if cmd.trim() == "/bin/sh" { Ok(()) } else { Err(format!("the command is `{}` then", cmd.trim())) }
    });
    checks.outcome("podman", &what, outcome);
    let from = if id.is_empty() { Err("podman has no image".into()) } else { Ok(["from", "--quiet", &id]) };
    let outcome = from.and_then(|from| tool("buildah").args(from).output()).and_then(|container| {
        let mounted = tool("buildah").args(["mount", container.trim()]).output()?;
        let outcome = check_tree(Path::new(mounted.trim()), expected, Losses { early_times: true, ..Losses::NONE });
        tool("buildah").args(["umount", container.trim()]).run().and(outcome)
    });
    checks.outcome("buildah", &what, outcome);
    if storage.exists() {
        let _ = Tool::new("umount").args(["--recursive", "--lazy"]).arg(storage.join("root/vfs")).run();
        remove(&storage)?;
    }
    Ok(())
}
