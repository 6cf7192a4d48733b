//! A peer: a tool beside ours, what it needs, and what it is compared with.

use packer::Compression;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cases::Suite;
use super::limits::Limit;
use super::work::Maker;
use crate::programs::installed;

/// A pipeline of installed tools, or a tool that makes images. `$ROOTFS` is the tree, `$OUT` a directory to write to,
/// `$THREADS` how many threads to take, `$CONTAINER` the tree in LXD. `SHA256` in a script or title stands for the program
/// that hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The name in records.
    pub name: &'static str,
    /// The description, in words.
    pub title: &'static str,
    /// The programs that it needs beside the shell and the one that hashes.
    pub tools: &'static [&'static str],
    /// The script, which bash runs with `pipefail` on.
    pub script: &'static str,
    /// The maker of the image.
    pub maker: Maker,
    /// The kind of peer.
    pub kind: PeerKind,
    /// How many threads it takes.
    pub parallelism: Parallelism,
    /// The compression of ours that makes the same format.
    pub like: Counterpart,
    /// What its image is known to lack.
    pub limits: &'static [Limit],
    /// When it is run.
    pub when: When,
}

/// What a peer stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PeerKind {
    /// A pipeline at its best: the fastest hash that is installed, large blocks.
    Pipeline,
    /// The same as people type it, with `sha256sum`.
    AsTyped,
    /// A pipeline that does less: nothing is hashed.
    Unhashed,
    /// A program or a daemon that makes images in its own way.
    Program,
}

/// How many threads a peer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Parallelism {
    /// One compresses, whatever it is told. Its runs stand beside ours with one thread and with all.
    Single,
    /// As many as `$THREADS` says: as many as our case beside it.
    Pinned,
    /// All of the machine: it cannot be told, or people do not tell it. It stands beside ours with all threads.
    All,
}

/// Which of our codecs a peer is compared with: that of the same format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counterpart {
    /// `none`
    None,
    /// `gzip` at its default level.
    Gzip,
    /// `zstd:3`
    Zstd,
    /// `xz:6`
    Xz,
    /// `squashfs`, a filesystem: no tar is compared with it.
    Squashfs,
}

impl Counterpart {
    /// That compression.
    #[must_use]
    pub fn compression(self) -> Compression {
        match self {
            Counterpart::None => Compression::None,
            Counterpart::Gzip => Compression::GZIP,
            Counterpart::Zstd => Compression::ZSTD,
            Counterpart::Xz => Compression::XZ,
            Counterpart::Squashfs => Compression::Squashfs,
        }
    }
}

/// When a peer is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In every suite.
    Always,
    /// In the full suite: it takes long, or adds little.
    Full,
}

/// The program that hashes in pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashProgram {
    /// 1.1 GB/s where coreutils' takes 0.3.
    Openssl,
    /// Everywhere.
    Sha256sum,
}

impl HashProgram {
    /// The fastest that is installed.
    #[must_use]
    pub fn detect() -> Self {
        if installed("openssl") { HashProgram::Openssl } else { HashProgram::Sha256sum }
    }

    fn program(self) -> &'static str {
        match self {
            HashProgram::Openssl => "openssl",
            HashProgram::Sha256sum => "sha256sum",
        }
    }

    /// A script or a command with this program in it.
    pub(crate) fn fill(self, script: &str) -> String {
        script.replace(PLACEHOLDER, self.command())
    }

    fn command(self) -> &'static str {
        match self {
            HashProgram::Openssl => "openssl dgst -sha256",
            HashProgram::Sha256sum => "sha256sum",
        }
    }
}

impl Peer {
    /// Whether a suite runs it.
    #[must_use]
    pub fn is_in(&self, suite: Suite) -> bool {
        match self.when {
            When::Always => true,
            When::Full => suite == Suite::Full,
        }
    }

    /// The script with the program that hashes.
    #[must_use]
    pub fn script(&self, hash: HashProgram) -> String {
        hash.fill(self.script)
    }

    /// The title with the program that hashes.
    #[must_use]
    pub fn title(&self, hash: HashProgram) -> String {
        self.title.replace(PLACEHOLDER, hash.program())
    }

    /// The first program that is needed and not installed.
    #[must_use]
    pub fn missing(&self, hash: HashProgram) -> Option<&'static str> {
        let hashes = self.script.contains(PLACEHOLDER).then_some(hash.program());
        let needed = std::iter::once("bash").chain(self.tools.iter().copied()).chain(hashes);
        needed.into_iter().find(|tool| !installed(tool))
    }
}

/// What stands for the program that hashes.
const PLACEHOLDER: &str = "SHA256";
