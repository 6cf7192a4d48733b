//! The index of a layout: a JSON object that lists manifests.

use serde_json::{Map, Value, json};

use crate::fingerprint::Fingerprint;
use crate::format::oci::{MANIFEST, Platform, digest};

const TAG: &str = "org.opencontainers.image.ref.name";

/// A manifest as the index lists it.
pub(super) struct Manifest<'a> {
    pub(super) digest: Fingerprint,
    pub(super) size: u64,
    pub(super) platform: Platform,
    pub(super) tag: Option<&'a str>,
}

pub(super) fn empty() -> Map<String, Value> {
    let empty = json!({ "manifests": [], "mediaType": "application/vnd.oci.image.index.v1+json", "schemaVersion": 2 });
    empty.as_object().cloned().unwrap_or_default()
}

/// Whether a document is an index.
pub(super) fn is_known(index: &Map<String, Value>) -> bool {
    index.get("schemaVersion").and_then(Value::as_u64) == Some(2) && index.get("manifests").is_some_and(Value::is_array)
}

/// The index with the manifest. The entry of the same tag is replaced; all others are kept.
pub(super) fn with(mut index: Map<String, Value>, manifest: &Manifest<'_>) -> Map<String, Value> {
    let Manifest { digest: fingerprint, size, platform, tag } = manifest;
    let mut entry = json!({ "digest": digest(fingerprint), "mediaType": MANIFEST, "platform": platform, "size": size });
    if let Some(tag) = tag {
        entry["annotations"] = json!({ TAG: tag });
    }
    let tag_of = |entry: &Value| entry.get("annotations").and_then(|annotations| annotations.get(TAG)).cloned();
    let Some(Value::Array(manifests)) = index.get_mut("manifests") else { return index };
    let is_listed = manifests.iter().any(|listed| {
        listed.get("digest") == entry.get("digest") && (tag.is_none() || tag_of(listed) == tag_of(&entry))
    });
    if !is_listed {
        manifests.retain(|listed| tag.is_none() || tag_of(listed) != tag_of(&entry));
        manifests.push(entry);
    }
    index
}
