//! The setup of the checks: command, tree, scratch space, codecs.

use std::path::{Path, PathBuf};

use harness::run::Tool;

use crate::error::{Error, Result};

/// The setup of the checks.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// The built command.
    pub onepass: &'a Path,
    /// The tree to pack.
    pub tree: &'a Path,
    /// The name of the tree.
    pub name: &'a str,
    /// An empty directory with room for several times the tree.
    pub scratch: &'a Path,
    /// The codecs to try; all if this is empty.
    pub codecs: &'a [String],
}

/// An image, as the command printed it.
pub(crate) struct PackedImage {
    pub(crate) fingerprint: String,
    pub(crate) path: PathBuf,
}

impl Setup<'_> {
    /// Whether a codec is tried.
    pub(crate) fn includes(&self, codec: &str) -> bool {
        self.codecs.is_empty() || self.codecs.iter().any(|tried| tried == codec)
    }

    /// Packs the tree with these options into a new directory.
    pub(crate) fn pack(&self, place: &Path, options: &[&str]) -> Result<PackedImage> {
        std::fs::create_dir_all(place).map_err(|error| Error::io("create", place, error))?;
        let mut tool = Tool::new(self.onepass).args(["pack", "--quiet", "--output"]).arg(place).args(options);
        // The tree of a test has no shell that would reveal its architecture.
        if options.contains(&"--format") {
            tool = tool.args(["--arch", std::env::consts::ARCH]);
        }
        let line = tool.arg(self.tree).output().map_err(|cause| Error::run("onepass pack", cause))?;
        let (fingerprint, path) = line.trim_end().split_once("  ").unwrap_or_default();
        Ok(PackedImage { fingerprint: fingerprint.to_owned(), path: path.into() })
    }
}
