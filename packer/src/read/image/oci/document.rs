//! The documents of an OCI image layout, as far as an image is read with them (OCI image-spec 1.0 and 1.1, and Docker's media
//! types, which other tools put into layouts).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::fingerprint::Fingerprint;
use crate::read::archive::error::Flaw;
use crate::read::image::encoding::Encoding;

/// The file `oci-layout`.
#[derive(Debug, Deserialize)]
pub(crate) struct LayoutFile {
    #[serde(rename = "imageLayoutVersion")]
    pub(crate) version: String,
}

/// `index.json`, and indexes that are blobs.
#[derive(Debug, Deserialize)]
pub(crate) struct Index {
    pub(crate) manifests: Vec<Descriptor>,
}

/// What an image is made of.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    #[serde(default)]
    pub(crate) layers: Vec<Descriptor>,
}

/// How a document names a blob.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Descriptor {
    #[serde(rename = "mediaType")]
    pub(crate) media_type: String,
    digest: String,
    pub(crate) size: u64,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

/// What the files in an image are for, as far as it is needed to read them.
#[derive(Debug, Deserialize)]
pub(crate) struct Configuration {
    #[expect(dead_code, reason = "without it a configuration is none")]
    architecture: String,
    #[expect(dead_code, reason = "without it a configuration is none")]
    os: String,
    rootfs: Rootfs,
}

#[derive(Debug, Deserialize)]
struct Rootfs {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Vec<String>,
}

impl Descriptor {
    /// The name that it gives to an image.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.annotations.as_ref()?.get("org.opencontainers.image.ref.name").map(String::as_str)
    }

    pub(crate) fn digest(&self) -> Result<Fingerprint, Flaw> {
        digest(&self.digest)
    }
}

impl Configuration {
    /// The digests of the uncompressed layers.
    pub(crate) fn diff_ids(&self) -> Result<Vec<Fingerprint>, Flaw> {
        if self.rootfs.kind != "layers" {
            return Err(Flaw::Unsound("the configuration's rootfs is not made of layers".into()));
        }
        self.rootfs.diff_ids.iter().map(|text| digest(text)).collect()
    }
}

fn digest(text: &str) -> Result<Fingerprint, Flaw> {
    let shown = text.chars().take(80).flat_map(char::escape_default).collect::<String>();
    match text.split_once(':') {
        Some(("sha256", digits)) if !digits.contains(|letter: char| letter.is_ascii_uppercase()) => {
            digits.parse().map_err(|_| Flaw::Unsound(format!("`{shown}` is not a digest")))
        }
        Some(("sha512", _)) => Err(Flaw::Beyond(format!("names a blob by `{shown}`, and only sha256 is read here"))),
        _ => Err(Flaw::Unsound(format!("`{shown}` is not a digest"))),
    }
}

/// What a blob is, by the media type of whoever names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DocumentType {
    Index,
    Manifest,
    Other,
}

impl DocumentType {
    pub(crate) fn of(media_type: &str) -> Self {
        match media_type {
            "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json" => {
                DocumentType::Index
            }
            "application/vnd.oci.image.manifest.v1+json" | "application/vnd.docker.distribution.manifest.v2+json" => {
                DocumentType::Manifest
            }
            _ => DocumentType::Other,
        }
    }
}

/// Whether a manifest with this configuration is an image, and not something else that is kept as one.
pub(crate) fn is_image(configuration: &str) -> bool {
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"]
        .contains(&configuration)
}

/// What a layer's media type says of its compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerType(pub(crate) Encoding);

impl LayerType {
    /// Nothing if it is no layer that is read here.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        let starts = [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.docker.image.rootfs.foreign.diff.tar",
        ];
        let rest = starts.iter().find_map(|start| media_type.strip_prefix(start))?;
        let encoding = match rest {
            "" => Encoding::None,
            "+gzip" | ".gzip" => Encoding::Gzip,
            "+zstd" | ".zstd" => Encoding::Zstd,
            _ => return None,
        };
        Some(LayerType(encoding))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_say_what_a_blob_is() {
        let encoding = |text: &str| LayerType::of(text).map(|layer| layer.0);
        assert_eq!(encoding("application/vnd.oci.image.layer.v1.tar"), Some(Encoding::None));
        assert_eq!(encoding("application/vnd.oci.image.layer.v1.tar+zstd"), Some(Encoding::Zstd));
        assert_eq!(encoding("application/vnd.docker.image.rootfs.diff.tar.gzip"), Some(Encoding::Gzip));
        assert_eq!(encoding("application/vnd.oci.image.layer.v1.tar+encrypted"), None);
        assert_eq!(encoding("text/plain"), None);
    }

    #[test]
    fn digests_are_sha256_in_lower_case() {
        let digits = "ab".repeat(32);
        assert!(digest(&format!("sha256:{digits}")).is_ok());
        for bad in ["", "sha256:", "sha256:../../etc/passwd", &digits, &format!("sha256:{}", digits.to_uppercase())] {
            assert!(matches!(digest(bad), Err(Flaw::Unsound(_))), "{bad}");
        }
        assert!(matches!(digest("sha512:00"), Err(Flaw::Beyond(_))));
    }
}
