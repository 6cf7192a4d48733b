//! One image of a layout: its configuration, and its layers as the manifest and the configuration describe them.

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::read::archive::error::ReadError;
use crate::read::image::encoding::Encoding;
use crate::read::image::oci::document::{Configuration, Descriptor, Manifest, layer_encoding};
use crate::read::image::oci::layout::LayoutDir;

/// An image in a layout.
#[derive(Debug)]
pub(crate) struct OciImage {
    /// The digest of the manifest.
    pub(crate) digest: Fingerprint,
    /// The size of the manifest, in bytes.
    pub(crate) size: u64,
    pub(crate) manifest: Manifest,
    /// The tag in the index.
    pub(crate) tag: Option<String>,
}

impl OciImage {
    /// The configuration as it is, and the digests of the uncompressed layers.
    pub(crate) fn configuration(&self, layout: &LayoutDir) -> Result<(Vec<u8>, Vec<Fingerprint>)> {
        let bytes = layout.document(&self.manifest.config)?;
        let configuration: Configuration = layout.parsed(&bytes, "the configuration")?;
        let diff_ids = configuration.diff_ids().map_err(|error| layout.error(error))?;
        let layers = self.manifest.layers.len();
        if diff_ids.len() != layers {
            let what = format!("the manifest names {layers} layers, and the configuration {}", diff_ids.len());
            return Err(Error::image(layout.path(), what));
        }
        Ok((bytes, diff_ids))
    }
}

impl LayoutDir {
    /// Checks that a layer was found as the manifest and the configuration describe it.
    pub(crate) fn check_layer(
        &self,
        descriptor: &Descriptor,
        encoding: Encoding,
        found: Fingerprint,
        diff_id: Fingerprint,
    ) -> Result<()> {
        let digest = descriptor.digest().map_err(|error| self.error(error))?;
        let malformed = |what: String| Err(self.error(ReadError::Malformed(format!("the layer {digest} {what}"))));
        match layer_encoding(&descriptor.media_type) {
            None => {
                let shown = descriptor.media_type.chars().take(80).flat_map(char::escape_default).collect::<String>();
                let what = format!("has a layer of the media type `{shown}`, which is not read here");
                Err(self.error(ReadError::Unsupported(what)))
            }
            Some(named) if named != encoding => malformed(format!("is said to be {named}, and is {encoding}")),
            Some(_) if found != diff_id => malformed(format!("decodes to {found}, and should to {diff_id}")),
            Some(_) => Ok(()),
        }
    }
}

/// The chain ID of a stack of layers (OCI image-spec, "Layer ChainID"); of one layer its diffID.
pub(crate) fn chain_id(diff_ids: &[Fingerprint]) -> Fingerprint {
    let mut chain = None;
    for diff_id in diff_ids {
        chain = Some(match chain {
            None => *diff_id,
            Some(below) => Fingerprint::of(format!("sha256:{below} sha256:{diff_id}").as_bytes()),
        });
    }
    chain.unwrap_or_else(|| Fingerprint::of(b""))
}
