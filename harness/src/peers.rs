//! What people use today: shell pipelines that do the same work – the same tree, hashed, written, and on the disk.

use std::path::Path;

use crate::runner::Work;

/// A pipeline of installed tools. `$ROOTFS` is the tree, `$OUT` a directory to write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The name in records.
    pub name: &'static str,
    /// What it is, in words.
    pub title: &'static str,
    /// The programs that it needs beside the shell.
    pub tools: &'static [&'static str],
    /// What bash runs, with `pipefail` on.
    pub script: &'static str,
    /// The compression of ours that does the same.
    pub like: Like,
}

/// Which of our codecs a peer is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Like {
    /// `none`
    None,
    /// `gzip` at its default level.
    Gzip,
    /// `zstd:3`
    Zstd,
}

/// All of them. Every pipeline ends with `sync FILE`, because our image is on the disk when we say that it is done.
pub const PEERS: [Peer; 5] = [
    Peer {
        name: "files-gzip",
        title: "tar to a file, gzip to a second file, sha256 (two passes, before 2019)",
        tools: &["tar", "gzip", "sha256sum", "sync"],
        script: "tar --sort=name --numeric-owner --xattrs -C \"$ROOTFS\" -cf \"$OUT/image.tar\" . && \
                 gzip -n -c \"$OUT/image.tar\" > \"$OUT/image\" && sync \"$OUT/image\" && sha256sum \"$OUT/image\"",
        like: Like::Gzip,
    },
    Peer {
        name: "pipe-gzip",
        title: "tar | gzip | tee | sha256sum (one stream, since 2019)",
        tools: &["tar", "gzip", "tee", "sha256sum", "sync"],
        script: "tar --sort=name --numeric-owner --xattrs -C \"$ROOTFS\" -cf - . | gzip -n | tee \"$OUT/image\" | \
                 sha256sum && sync \"$OUT/image\"",
        like: Like::Gzip,
    },
    Peer {
        name: "pipe-pigz",
        title: "tar | pigz | tee | sha256sum",
        tools: &["tar", "pigz", "tee", "sha256sum", "sync"],
        script: "tar --sort=name --numeric-owner --xattrs -C \"$ROOTFS\" -cf - . | pigz -n | tee \"$OUT/image\" | \
                 sha256sum && sync \"$OUT/image\"",
        like: Like::Gzip,
    },
    Peer {
        name: "pipe-zstd",
        title: "tar | zstd -T0 -3 | tee | sha256sum",
        tools: &["tar", "zstd", "tee", "sha256sum", "sync"],
        script: "tar --sort=name --numeric-owner --xattrs -C \"$ROOTFS\" -cf - . | zstd -q -T0 -3 | tee \"$OUT/image\" | \
                 sha256sum && sync \"$OUT/image\"",
        like: Like::Zstd,
    },
    Peer {
        name: "pipe-none",
        title: "tar | tee | openssl sha256 (no compression)",
        tools: &["tar", "tee", "openssl", "sync"],
        script: "tar --sort=name --numeric-owner --xattrs -C \"$ROOTFS\" -cf - . | tee \"$OUT/image\" | \
                 openssl sha256 && sync \"$OUT/image\"",
        like: Like::None,
    },
];

impl Peer {
    /// One run of it.
    #[must_use]
    pub fn work(&self) -> Work<'_> {
        Work::Peer { name: self.name, script: self.script }
    }

    /// The first program that is needed and not installed.
    #[must_use]
    pub fn missing(&self) -> Option<&'static str> {
        std::iter::once("bash").chain(self.tools.iter().copied()).find(|tool| !installed(tool))
    }
}

/// Where programs are looked for, by us and by the children.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(crate) fn installed(tool: &str) -> bool {
    PATH.split(':').any(|directory| Path::new(directory).join(tool).is_file())
}
