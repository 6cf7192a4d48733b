//! Images of every format, put together from a tree by hand and by GNU tar: nothing here is the packer's.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// What the images of LXD's formats say of themselves.
pub(crate) const METADATA: &str = "architecture: x86_64\ncreation_date: 1700000000\nproperties: {}\n";

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// A directory in which a tree is to be made at `rootfs`, with what stands beside it in an image.
pub(crate) struct Workshop(pub(crate) TempDir);

impl Workshop {
    pub(crate) fn new() -> Self {
        let place = TempDir::new_in(crate::corners::PLACE).unwrap();
        for directory in ["rootfs", "templates", "images"] {
            fs::create_dir(place.path().join(directory)).unwrap();
        }
        fs::write(place.path().join("metadata.yaml"), METADATA).unwrap();
        fs::write(place.path().join("templates/hosts.tpl"), "127.0.0.1 {{ container.name }}\n").unwrap();
        Workshop(place)
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.0.path().join("rootfs")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.0.path().join("images")
    }

    /// An archive made by GNU tar of these names below the workshop's `directory`.
    pub(crate) fn tar(&self, directory: &str, options: &[&str], names: &[&str]) -> Vec<u8> {
        let run = Command::new("tar")
            .args(["--numeric-owner", "-cf", "-"])
            .args(options)
            .arg("-C")
            .arg(self.0.path().join(directory))
            .args(names)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        run.stdout
    }

    /// Keeps an image under its fingerprint.
    pub(crate) fn keep(&self, image: &[u8], extension: &str) -> PathBuf {
        let path = self.images().join(format!("{}{extension}", sha256(image)));
        fs::write(&path, image).unwrap();
        path
    }

    /// One archive.
    pub(crate) fn unified(&self) -> PathBuf {
        self.keep(&gzip(&self.tar(".", &WHOLE, &["metadata.yaml", "rootfs", "templates"])), ".tar.gz")
    }

    /// A directory of two.
    pub(crate) fn split(&self) -> PathBuf {
        let metadata = gzip(&self.tar(".", &WHOLE, &["metadata.yaml", "templates"]));
        let rootfs = zstd(&self.tar("rootfs", &WHOLE, &["."]));
        let path = self.images().join(format!("{}.split", sha256(&[&metadata[..], &rootfs].concat())));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("metadata.tar.gz"), metadata).unwrap();
        fs::write(path.join("rootfs.tar.zst"), rootfs).unwrap();
        path
    }

    /// A layout with one image of one layer.
    pub(crate) fn oci(&self) -> PathBuf {
        let layout = Layout::new(&self.images().join("layout"));
        let tar = self.tar("rootfs", &WHOLE, &["."]);
        let image = layout.image(&[Layer::gzip(&tar)]);
        layout.index(&[tagged(&image, "one")]);
        layout.path
    }
}

/// What makes GNU tar keep all that it can.
pub(crate) const WHOLE: [&str; 5] =
    ["--format=posix", "--pax-option=delete=atime,delete=ctime", "--xattrs", "--xattrs-include=*", "--acls"];

/// An OCI image layout under construction.
pub(crate) struct Layout {
    pub(crate) path: PathBuf,
}

/// A layer: its blob, the media type, the digest of what it decodes to.
pub(crate) struct Layer {
    pub(crate) blob: Vec<u8>,
    pub(crate) media_type: String,
    pub(crate) diff_id: String,
}

impl Layer {
    pub(crate) fn plain(tar: &[u8]) -> Self {
        Layer::new(tar, tar.to_vec(), "")
    }

    pub(crate) fn gzip(tar: &[u8]) -> Self {
        Layer::new(tar, gzip(tar), "+gzip")
    }

    pub(crate) fn zstd(tar: &[u8]) -> Self {
        Layer::new(tar, zstd(tar), "+zstd")
    }

    fn new(tar: &[u8], blob: Vec<u8>, suffix: &str) -> Self {
        let media_type = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        Layer { blob, media_type, diff_id: sha256(tar) }
    }
}

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";

impl Layout {
    pub(crate) fn new(path: &Path) -> Self {
        fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
        Layout { path: path.to_owned() }
    }

    pub(crate) fn blob_path(&self, descriptor: &Value) -> PathBuf {
        self.path.join("blobs").join(descriptor["digest"].as_str().unwrap().replace(':', "/"))
    }

    /// Keeps a blob; gives its descriptor.
    pub(crate) fn blob(&self, bytes: &[u8], media_type: &str) -> Value {
        let digest = sha256(bytes);
        fs::write(self.path.join("blobs/sha256").join(&digest), bytes).unwrap();
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
    }

    /// Keeps an image of these layers; gives the manifest's descriptor.
    pub(crate) fn image(&self, layers: &[Layer]) -> Value {
        let diff_ids: Vec<_> = layers.iter().map(|layer| format!("sha256:{}", layer.diff_id)).collect();
        let configuration = json!({
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        self.image_with(layers, &configuration)
    }

    pub(crate) fn image_with(&self, layers: &[Layer], configuration: &Value) -> Value {
        let configuration = self.blob(configuration.to_string().as_bytes(), CONFIGURATION);
        let layers: Vec<_> = layers.iter().map(|layer| self.blob(&layer.blob, &layer.media_type)).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": configuration, "layers": layers});
        self.blob(manifest.to_string().as_bytes(), MANIFEST)
    }

    /// Keeps an index as a blob; gives its descriptor.
    pub(crate) fn nested(&self, manifests: &[Value]) -> Value {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        self.blob(index.to_string().as_bytes(), INDEX)
    }

    /// Writes the outermost index.
    pub(crate) fn index(&self, manifests: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        fs::write(self.path.join("index.json"), index.to_string()).unwrap();
    }
}

/// A descriptor with a name.
pub(crate) fn tagged(descriptor: &Value, tag: &str) -> Value {
    let mut descriptor = descriptor.clone();
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    descriptor
}
