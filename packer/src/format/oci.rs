//! The documents of an OCI image: its configuration and its manifest.
//!
//! Keys are sorted and there is no white space, so the same tree and options give the same bytes and the same digest. Source: the
//! [OCI image format specification 1.1](https://github.com/opencontainers/image-spec/tree/v1.1.0), `config.md`, `manifest.md`,
//! `layer.md` and `annotations.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::codec::{Compression, Program};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Hasher};
use crate::format::architecture::Architecture;
use crate::format::defaults;
use crate::tree::Tree;

/// The tag, platform and container configuration of an OCI image.
///
/// Architecture and date come from the tree if they are not set, as those of an [LXD image](crate::LxdOptions).
#[derive(Clone, Debug, Default)]
pub struct OciOptions {
    tag: Option<Tag>,
    architecture: Option<Architecture>,
    created: Option<i64>,
    config: ContainerConfig,
}

impl OciOptions {
    /// An image without a tag, and with an empty [`ContainerConfig`].
    #[must_use]
    pub fn new() -> Self {
        OciOptions::default()
    }

    /// Sets the image's name in its layout. Another image of the same name loses it. Default: none.
    #[must_use]
    pub fn tag(self, tag: Tag) -> Self {
        OciOptions { tag: Some(tag), ..self }
    }

    /// Sets the architecture. Default: the one that the tree's shell was built for.
    #[must_use]
    pub fn architecture(self, architecture: Architecture) -> Self {
        OciOptions { architecture: Some(architecture), ..self }
    }

    /// Sets the creation date, in seconds since 1970; negative ones count as 0. Default: the modification time of the tree's top
    /// directory.
    #[must_use]
    pub fn created(self, seconds: i64) -> Self {
        OciOptions { created: Some(seconds), ..self }
    }

    /// Sets how a container of the image is started. Default: nothing of it is set.
    #[must_use]
    pub fn config(self, config: ContainerConfig) -> Self {
        OciOptions { config, ..self }
    }

    pub(crate) fn ref_name(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The image's documents as far as they are known before its layer is made.
    pub(crate) fn draft(&self, tree: &Tree<'_>) -> Result<Draft<'_>> {
        let architecture = defaults::architecture(self.architecture, tree)?;
        let seconds = u64::try_from(defaults::created(self.created, tree)).unwrap_or(0);
        let created = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).filter(|_| seconds < YEAR_10000);
        let created = created.ok_or_else(|| Error::invalid_input(tree.path(), "is from after the year 9999"))?;
        Ok(Draft {
            config: &self.config,
            architecture,
            created: humantime::format_rfc3339_seconds(created).to_string(),
        })
    }
}

/// The first second that RFC 3339 has no text for.
const YEAR_10000: u64 = 253_402_300_800;

/// How a container of the image is started by default. Who starts one may override everything.
///
/// The fields are those of `config` in the image's [configuration][config].
///
/// ```
/// use packer::{ContainerConfig, Format, OciOptions, Pack};
///
/// let config = ContainerConfig::new().entrypoint(["/bin/sh"]).env(["PATH=/bin:/usr/bin"]).label("version", "1");
/// let pack = Pack::new("/srv/rootfs").format(Format::Oci(OciOptions::new().config(config)));
/// ```
///
/// [config]: https://github.com/opencontainers/image-spec/blob/v1.1.0/config.md#properties
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cmd: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entrypoint: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<String>,
}

impl ContainerConfig {
    /// A configuration in which nothing is set.
    #[must_use]
    pub fn new() -> Self {
        ContainerConfig::default()
    }

    /// Sets the arguments of the entrypoint, or, without one, the command and its arguments.
    #[must_use]
    pub fn cmd<Text: Into<String>>(self, arguments: impl IntoIterator<Item = Text>) -> Self {
        ContainerConfig { cmd: texts(arguments), ..self }
    }

    /// Sets the entrypoint: the command and its first arguments.
    #[must_use]
    pub fn entrypoint<Text: Into<String>>(self, arguments: impl IntoIterator<Item = Text>) -> Self {
        ContainerConfig { entrypoint: texts(arguments), ..self }
    }

    /// Sets the environment, each variable as `NAME=VALUE`.
    #[must_use]
    pub fn env<Text: Into<String>>(self, variables: impl IntoIterator<Item = Text>) -> Self {
        ContainerConfig { env: texts(variables), ..self }
    }

    /// Sets a label; one with the same key is replaced.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Sets the user, and after a colon the group, by name or number.
    #[must_use]
    pub fn user(self, user: impl Into<String>) -> Self {
        ContainerConfig { user: Some(user.into()), ..self }
    }

    /// Sets the directory that the command starts in.
    #[must_use]
    pub fn working_dir(self, directory: impl Into<String>) -> Self {
        ContainerConfig { working_dir: Some(directory.into()), ..self }
    }
}

fn texts<Text: Into<String>>(texts: impl IntoIterator<Item = Text>) -> Vec<String> {
    texts.into_iter().map(Into::into).collect()
}

/// An image whose layer is still to be made.
pub(crate) struct Draft<'a> {
    config: &'a ContainerConfig,
    architecture: Architecture,
    created: String,
}

/// The layer of an OCI image. With the [`diff_id`](crate::Image::diff_id), it is all that manifest and configuration say of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layer {
    /// The sha256 of the layer's file.
    pub digest: Fingerprint,
    /// The size of the layer's file, in bytes.
    pub size: u64,
    /// The media type, as [`Compression::layer_media_type`](crate::Compression::layer_media_type) has it.
    pub media_type: &'static str,
}

/// The documents of a whole image, each with its digest.
pub(crate) struct Documents {
    pub(crate) config: Document,
    pub(crate) manifest: Document,
}

/// A document in its serialized form.
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Fingerprint,
}

/// The platform that an image runs on.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Platform {
    architecture: &'static str,
    os: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'static str>,
}

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

impl Draft<'_> {
    /// What the image runs on.
    pub(crate) fn platform(&self) -> Platform {
        Platform { architecture: self.architecture.oci(), os: "linux", variant: self.architecture.variant() }
    }

    /// Completes the image with its only layer.
    pub(crate) fn documents(&self, layer: &Layer, diff_id: &Fingerprint) -> Result<Documents> {
        let platform = self.platform();
        let config = Document::of(&Config {
            architecture: platform.architecture,
            config: (*self.config != ContainerConfig::default()).then_some(self.config),
            created: &self.created,
            history: [History { created: &self.created, created_by: "onepass" }],
            os: platform.os,
            rootfs: Rootfs { diff_ids: [digest(diff_id)], kind: "layers" },
            variant: platform.variant,
        })?;
        let manifest = Document::of(&Manifest {
            config: Descriptor { digest: digest(&config.digest), media_type: CONFIG, size: config.bytes.len() as u64 },
            layers: [Descriptor { digest: digest(&layer.digest), media_type: layer.media_type, size: layer.size }],
            media_type: MANIFEST,
            schema_version: 2,
        })?;
        Ok(Documents { config, manifest })
    }
}

impl Compression {
    /// The media type of an OCI layer with this compression. `None` if the specification has none: only uncompressed, gzip and zstd
    /// layers exist.
    #[must_use]
    pub fn layer_media_type(self) -> Option<&'static str> {
        match self {
            Compression::None => Some("application/vnd.oci.image.layer.v1.tar"),
            Compression::Gzip(_) | Compression::External(Program::Gzip | Program::Pigz, _) => {
                Some("application/vnd.oci.image.layer.v1.tar+gzip")
            }
            Compression::Zstd(_) | Compression::External(Program::Zstd, _) => {
                Some("application/vnd.oci.image.layer.v1.tar+zstd")
            }
            Compression::Xz(_)
            | Compression::Squashfs
            | Compression::External(Program::Bzip2 | Program::Lz4 | Program::Lzma | Program::Xz, _) => None,
        }
    }
}

/// A digest in the form of the documents.
pub(crate) fn digest(fingerprint: &Fingerprint) -> String {
    format!("sha256:{fingerprint}")
}

impl Document {
    fn of(value: &impl Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec(value).map_err(|error| Error::unfit("a document", error.to_string()))?;
        let mut hasher = Hasher::default();
        hasher.update(&bytes);
        Ok(Document { bytes, digest: hasher.finish() })
    }
}

#[derive(Serialize)]
struct Config<'a> {
    architecture: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a ContainerConfig>,
    created: &'a str,
    history: [History<'a>; 1],
    os: &'static str,
    rootfs: Rootfs,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'static str>,
}

#[derive(Serialize)]
struct History<'a> {
    created: &'a str,
    created_by: &'static str,
}

#[derive(Serialize)]
struct Rootfs {
    diff_ids: [String; 1],
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    config: Descriptor,
    layers: [Descriptor; 1],
    media_type: &'static str,
    schema_version: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: String,
    media_type: &'static str,
    size: u64,
}

/// The name of an image in a layout: the value of `org.opencontainers.image.ref.name`.
///
/// Its grammar is that of the specification's [annotations](https://github.com/opencontainers/image-spec/blob/v1.1.0/annotations.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

/// The error for an invalid [`Tag`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a tag: letters and digits, with `-`, `.`, `_`, `:`, `@`, `+`, `--` or `/` between them")]
pub struct InvalidTag(String);

impl Tag {
    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> std::result::Result<Self, InvalidTag> {
        let letter = |byte: &u8| byte.is_ascii_alphanumeric();
        let words = text.as_bytes().split(letter).filter(|separator| !separator.is_empty());
        let separators = [&b"-"[..], b".", b"_", b":", b"@", b"+", b"--", b"/"];
        let bytes = text.as_bytes();
        let whole = bytes.first().is_some_and(letter) && bytes.last().is_some_and(letter);
        if whole && words.into_iter().all(|separator| separators.contains(&separator)) {
            Ok(Tag(text.to_owned()))
        } else {
            Err(InvalidTag(text.escape_debug().to_string()))
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_canonical() {
        let config = ContainerConfig::new()
            .cmd(["-c", "echo \"hi\""])
            .entrypoint(["/bin/sh"])
            .env(["PATH=/bin", "A="])
            .label("z", "1")
            .label("a", "2")
            .user("1000:1000")
            .working_dir("/srv");
        let draft =
            Draft { config: &config, architecture: Architecture::Armv7l, created: "2024-01-01T00:00:00Z".into() };
        let empty = Hasher::default().finish();
        let media_type = Compression::GZIP.layer_media_type().unwrap();
        let layer = Layer { digest: empty, size: 5, media_type };
        let documents = draft.documents(&layer, &empty).unwrap();
        let hash = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let config = format!(
            r#"{{"architecture":"arm","config":{{"Cmd":["-c","echo \"hi\""],"Entrypoint":["/bin/sh"],"Env":["PATH=/bin","A="],"Labels":{{"a":"2","z":"1"}},"User":"1000:1000","WorkingDir":"/srv"}},"created":"2024-01-01T00:00:00Z","history":[{{"created":"2024-01-01T00:00:00Z","created_by":"onepass"}}],"os":"linux","rootfs":{{"diff_ids":["{hash}"],"type":"layers"}},"variant":"v7"}}"#
        );
        assert_eq!(String::from_utf8(documents.config.bytes).unwrap(), config);
        let manifest = format!(
            r#"{{"config":{{"digest":"sha256:{}","mediaType":"{CONFIG}","size":{}}},"layers":[{{"digest":"{hash}","mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":5}}],"mediaType":"{MANIFEST}","schemaVersion":2}}"#,
            documents.config.digest,
            config.len()
        );
        assert_eq!(String::from_utf8(documents.manifest.bytes).unwrap(), manifest);
    }

    #[test]
    fn tags_are_those_of_the_specification() {
        for text in ["latest", "1", "debian/12", "v1.0-rc.1", "a--b", "docker.io/library/x:1@y+z_9"] {
            assert_eq!(text.parse().map(|Tag(text)| text).as_deref(), Ok(text));
        }
        for text in ["", "-a", "a-", "a---b", "a..b", "a b", "a//b", "/", "é", "a:", "a\nb"] {
            assert!(text.parse::<Tag>().is_err(), "{text}");
        }
    }
}
