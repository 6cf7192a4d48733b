//! The sha256 of the uncompressed tar, where somebody asks for it.

use crate::codec::{Compression, EncodedPiece};
use crate::fingerprint::{Fingerprint, Hasher};
use crate::metrics::{Metrics, Step};
use crate::sink::SinkOptions;
use crate::sink::output::Written;

/// How the sha256 of the uncompressed tar comes about.
pub(crate) enum TarDigest<'a> {
    /// Nobody asked.
    Unwanted,
    /// The image is the tar, so it is the fingerprint.
    Fingerprint,
    /// The framed bytes are hashed.
    Hashing { hasher: Hasher, metrics: &'a Metrics },
}

impl<'a> TarDigest<'a> {
    pub(crate) fn new(options: &SinkOptions, wanted: bool, metrics: &'a Metrics) -> Self {
        match (options.compression, &options.hasher) {
            (Compression::None, None) => TarDigest::Fingerprint,
            _ if wanted => TarDigest::Hashing { hasher: Hasher::default(), metrics },
            _ => TarDigest::Unwanted,
        }
    }

    pub(crate) fn update(&mut self, piece: &EncodedPiece) {
        if let TarDigest::Hashing { hasher, metrics } = self {
            metrics.time(Step::Hash, || hasher.update(piece.framed.as_ref().unwrap_or(&piece.bytes)));
        }
    }

    pub(crate) fn finish(self, image: &Written<'_>) -> Option<Fingerprint> {
        match self {
            TarDigest::Unwanted => None,
            TarDigest::Fingerprint => Some(image.fingerprint()),
            TarDigest::Hashing { hasher, .. } => Some(hasher.finish()),
        }
    }
}
