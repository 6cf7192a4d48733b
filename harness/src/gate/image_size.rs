//! The size of an image of a fixture, as a run of the gates records it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The size of an image of a fixture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// The fixture, as `debian-base x0.4 seed 1`.
    pub fixture: String,
    /// As `--compression` takes it.
    pub compression: String,
    /// The size of the image.
    pub bytes: u64,
    /// The encoder and its version; empty for `none`.
    pub encoder: String,
}
