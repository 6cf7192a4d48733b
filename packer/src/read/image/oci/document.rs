//! The documents of an OCI image layout: the fields that reading needs, of OCI image-spec 1.0 and 1.1, with Docker's media types,
//! which other tools put into layouts.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::fingerprint::Fingerprint;
use crate::read::archive::error::ReadError;
use crate::read::image::encoding::Encoding;

/// The file `oci-layout`.
#[derive(Debug, Deserialize)]
pub(crate) struct LayoutFile {
    #[serde(rename = "imageLayoutVersion")]
    pub(crate) version: String,
}

/// `index.json`, or an index that is a blob.
#[derive(Debug, Deserialize)]
pub(crate) struct Index {
    pub(crate) manifests: Vec<Descriptor>,
}

/// The blobs of an image.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    #[serde(default)]
    pub(crate) layers: Vec<Descriptor>,
}

/// A reference to a blob.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Descriptor {
    #[serde(rename = "mediaType")]
    pub(crate) media_type: String,
    digest: String,
    pub(crate) size: u64,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

/// The configuration of an image.
#[derive(Debug, Deserialize)]
pub(crate) struct Configuration {
    #[expect(dead_code, reason = "required by the specification")]
    architecture: String,
    #[expect(dead_code, reason = "required by the specification")]
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
    /// The tag that it gives to an image.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.annotations.as_ref()?.get("org.opencontainers.image.ref.name").map(String::as_str)
    }

    pub(crate) fn digest(&self) -> Result<Fingerprint, ReadError> {
        digest(&self.digest)
    }
}

impl Configuration {
    /// The digests of the uncompressed layers.
    pub(crate) fn diff_ids(&self) -> Result<Vec<Fingerprint>, ReadError> {
        if self.rootfs.kind != "layers" {
            return Err(ReadError::Malformed("the configuration's rootfs is not made of layers".into()));
        }
        self.rootfs.diff_ids.iter().map(|text| digest(text)).collect()
    }
}

fn digest(text: &str) -> Result<Fingerprint, ReadError> {
    let shown = text.chars().take(80).flat_map(char::escape_default).collect::<String>();
    match text.split_once(':') {
        Some(("sha256", digits)) if !digits.contains(|letter: char| letter.is_ascii_uppercase()) => {
            digits.parse().map_err(|_| ReadError::Malformed(format!("`{shown}` is not a digest")))
        }
        Some(("sha512", _)) => {
            Err(ReadError::Unsupported(format!("names a blob by `{shown}`, and only sha256 is read here")))
        }
        _ => Err(ReadError::Malformed(format!("`{shown}` is not a digest"))),
    }
}

/// The type of a blob, by the media type in its descriptor.
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

/// Whether the media type of a manifest's configuration is that of an image, and not of another artifact.
pub(crate) fn is_image(media_type: &str) -> bool {
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"].contains(&media_type)
}

/// The compression of a layer by its media type. `None` for a layer that is not supported.
pub(crate) fn layer_encoding(media_type: &str) -> Option<Encoding> {
    let starts = [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ];
    match starts.iter().find_map(|start| media_type.strip_prefix(start))? {
        "" => Some(Encoding::None),
        "+gzip" | ".gzip" => Some(Encoding::Gzip),
        "+zstd" | ".zstd" => Some(Encoding::Zstd),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_name_the_compression_of_a_layer() {
        assert_eq!(layer_encoding("application/vnd.oci.image.layer.v1.tar"), Some(Encoding::None));
        assert_eq!(layer_encoding("application/vnd.oci.image.layer.v1.tar+zstd"), Some(Encoding::Zstd));
        assert_eq!(layer_encoding("application/vnd.docker.image.rootfs.diff.tar.gzip"), Some(Encoding::Gzip));
        assert_eq!(layer_encoding("application/vnd.oci.image.layer.v1.tar+encrypted"), None);
        assert_eq!(layer_encoding("text/plain"), None);
    }

    #[test]
    fn digests_are_sha256_in_lower_case() {
        let digits = "ab".repeat(32);
        assert!(digest(&format!("sha256:{digits}")).is_ok());
        for bad in ["", "sha256:", "sha256:../../etc/passwd", &digits, &format!("sha256:{}", digits.to_uppercase())] {
            assert!(matches!(digest(bad), Err(ReadError::Malformed(_))), "{bad}");
        }
        assert!(matches!(digest("sha512:00"), Err(ReadError::Unsupported(_))));
    }
}
