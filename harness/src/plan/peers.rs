//! Peers: the shell pipelines that people use today for the same work – the same tree, hashed, written, and on the
//! disk –, and LXD.

use super::cases::Suite;
use super::work::{Maker, Work};
use crate::programs::installed;

/// A pipeline of installed tools. `$ROOTFS` is the tree, `$OUT` a directory to write to, `$CONTAINER` the tree in LXD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The name in records.
    pub name: &'static str,
    /// The description, in words.
    pub title: &'static str,
    /// The programs that it needs beside the shell.
    pub tools: &'static [&'static str],
    /// The script, which bash runs with `pipefail` on.
    pub script: &'static str,
    /// The maker of the image.
    pub maker: Maker,
    /// The compression of ours that does the same.
    pub like: Counterpart,
    /// When it is run.
    pub when: When,
}

/// Which of our codecs a peer is compared with.
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
}

/// When a peer is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In every suite.
    Always,
    /// In the full suite: it takes long, or adds little.
    Full,
}

/// GNU tar of the tree, in an order and with owners that do not depend on the machine, to the next command. `--xattrs`
/// makes it write pax headers; without the options, the times of last access and last change, which nobody unpacks,
/// would add a header to every entry.
macro_rules! tar {
    () => {
        "tar --sort=name --numeric-owner --xattrs --pax-option=delete=atime,delete=ctime -C \"$ROOTFS\" -cf "
    };
}

/// A tar of the tree on standard output.
pub(crate) const TAR: &str = concat!(tar!(), "- .");

/// A tar of the tree through a pipe.
macro_rules! pipe {
    ($rest:literal) => {
        concat!(tar!(), "- . | ", $rest, " && sync \"$OUT/image\"")
    };
}

/// An image of the container, by LXD.
macro_rules! publish {
    ($compression:literal) => {
        concat!("lxc publish \"$CONTAINER\" --alias \"$CONTAINER-published\" --compression ", $compression)
    };
}

/// All of them. Every pipeline ends with `sync FILE`, because our image is on the disk when we say that it is done. LXD
/// does not wait for the disk.
pub const PEERS: [Peer; 17] = [
    Peer {
        name: "files-gzip",
        title: "tar to a file, gzip to a second file, sha256 (two passes, before 2019)",
        tools: &["tar", "gzip", "sha256sum", "sync"],
        script: concat!(
            tar!(),
            "\"$OUT/image.tar\" . && gzip -n -c \"$OUT/image.tar\" > \"$OUT/image\" && sync \"$OUT/image\" && \
             sha256sum \"$OUT/image\""
        ),
        maker: Maker::Pipeline,
        like: Counterpart::Gzip,
        when: When::Always,
    },
    Peer {
        name: "pipe-gzip",
        title: "tar | gzip | tee | sha256sum (one stream, since 2019)",
        tools: &["tar", "gzip", "tee", "sha256sum", "sync"],
        script: pipe!("gzip -n | tee \"$OUT/image\" | sha256sum"),
        maker: Maker::Pipeline,
        like: Counterpart::Gzip,
        when: When::Always,
    },
    Peer {
        name: "pipe-pigz",
        title: "tar | pigz | tee | sha256sum",
        tools: &["tar", "pigz", "tee", "sha256sum", "sync"],
        script: pipe!("pigz -n | tee \"$OUT/image\" | sha256sum"),
        maker: Maker::Pipeline,
        like: Counterpart::Gzip,
        when: When::Always,
    },
    Peer {
        name: "pipe-zstd",
        title: "tar | zstd -T0 -3 | tee | sha256sum",
        tools: &["tar", "zstd", "tee", "sha256sum", "sync"],
        script: pipe!("zstd -q -T0 -3 | tee \"$OUT/image\" | sha256sum"),
        maker: Maker::Pipeline,
        like: Counterpart::Zstd,
        when: When::Always,
    },
    Peer {
        name: "pipe-none",
        title: "tar | tee | openssl sha256 (no compression)",
        tools: &["tar", "tee", "openssl", "sync"],
        script: pipe!("tee \"$OUT/image\" | openssl sha256"),
        maker: Maker::Pipeline,
        like: Counterpart::None,
        when: When::Always,
    },
    Peer {
        name: "pipe-xz",
        title: "tar | xz -T0 -6 | tee | sha256sum",
        tools: &["tar", "xz", "tee", "sha256sum", "sync"],
        script: pipe!("xz -T0 -6 | tee \"$OUT/image\" | sha256sum"),
        maker: Maker::Pipeline,
        like: Counterpart::Xz,
        when: When::Full,
    },
    Peer {
        name: "pipe-gzip-unhashed",
        title: "tar | gzip (not hashed)",
        tools: &["tar", "gzip", "sync"],
        script: pipe!("gzip -n > \"$OUT/image\""),
        maker: Maker::Pipeline,
        like: Counterpart::Gzip,
        when: When::Full,
    },
    Peer {
        name: "pipe-pigz-unhashed",
        title: "tar | pigz (not hashed)",
        tools: &["tar", "pigz", "sync"],
        script: pipe!("pigz -n > \"$OUT/image\""),
        maker: Maker::Pipeline,
        like: Counterpart::Gzip,
        when: When::Full,
    },
    Peer {
        name: "pipe-zstd-unhashed",
        title: "tar | zstd -T0 -3 (not hashed)",
        tools: &["tar", "zstd", "sync"],
        script: pipe!("zstd -q -T0 -3 > \"$OUT/image\""),
        maker: Maker::Pipeline,
        like: Counterpart::Zstd,
        when: When::Full,
    },
    Peer {
        name: "pipe-none-unhashed",
        title: "tar (no compression, not hashed)",
        tools: &["tar", "sync"],
        // Into a file, GNU tar would not read the tree at all if that were /dev/null; a pipe is the same for all.
        script: pipe!("cat > \"$OUT/image\""),
        maker: Maker::Pipeline,
        like: Counterpart::None,
        when: When::Full,
    },
    Peer {
        name: "bsdtar-gzip",
        title: "bsdtar --gzip | tee | sha256sum",
        tools: &["bsdtar", "tee", "sha256sum", "sync"],
        // In the locale C it fails on long names that are UTF-8, although it packs them.
        script: "LC_ALL=C.UTF-8 bsdtar --numeric-owner --gzip --options gzip:compression-level=6 -C \"$ROOTFS\" -cf - . | \
                 tee \"$OUT/image\" | sha256sum && sync \"$OUT/image\"",
        maker: Maker::Pipeline,
        like: Counterpart::Gzip,
        when: When::Full,
    },
    Peer {
        name: "mksquashfs-gzip",
        title: "mksquashfs -comp gzip, sha256 (a filesystem, on all cores)",
        tools: &["mksquashfs", "sha256sum", "sync"],
        script: "mksquashfs \"$ROOTFS\" \"$OUT/image\" -comp gzip -Xcompression-level 6 -no-progress -quiet && \
                 sync \"$OUT/image\" && sha256sum \"$OUT/image\"",
        maker: Maker::Pipeline,
        like: Counterpart::Gzip,
        when: When::Full,
    },
    Peer {
        name: "umoci-insert",
        title: "umoci insert (an OCI layer, by Go's gzip on all cores)",
        tools: &["umoci", "find", "sort", "head", "cut", "mv", "sync"],
        // The layer is the largest blob.
        script: "umoci init --layout \"$OUT/layout\" && umoci new --image \"$OUT/layout:image\" && \
                 umoci insert --image \"$OUT/layout:image\" \"$ROOTFS\" / && \
                 mv \"$(find \"$OUT/layout/blobs/sha256\" -type f -printf '%s %p\\n' | sort -rn | head -n 1 | cut -d ' ' -f 2-)\" \
                 \"$OUT/image\" && sync \"$OUT/image\"",
        maker: Maker::Pipeline,
        like: Counterpart::Gzip,
        when: When::Full,
    },
    Peer {
        name: "publish-none",
        title: "lxc publish --compression none (no compression, by a running LXD)",
        tools: &[],
        script: publish!("none"),
        maker: Maker::Lxd,
        like: Counterpart::None,
        when: When::Full,
    },
    Peer {
        name: "publish-gzip",
        title: "lxc publish --compression gzip (by a running LXD)",
        tools: &[],
        script: publish!("gzip"),
        maker: Maker::Lxd,
        like: Counterpart::Gzip,
        when: When::Full,
    },
    Peer {
        name: "publish-pigz",
        title: "lxc publish --compression pigz (by a running LXD)",
        tools: &["pigz"],
        script: publish!("pigz"),
        maker: Maker::Lxd,
        like: Counterpart::Gzip,
        when: When::Full,
    },
    Peer {
        name: "publish-zstd",
        title: "lxc publish --compression zstd (by a running LXD)",
        tools: &["zstd"],
        script: publish!("zstd"),
        maker: Maker::Lxd,
        like: Counterpart::Zstd,
        when: When::Full,
    },
];

impl Peer {
    /// Whether a suite runs it.
    #[must_use]
    pub fn is_in(&self, suite: Suite) -> bool {
        self.when == When::Always || suite == Suite::Full
    }

    /// One run of it.
    #[must_use]
    pub fn work(&self) -> Work<'_> {
        Work::Peer { name: self.name, script: self.script, maker: self.maker }
    }

    /// The first program that is needed and not installed.
    #[must_use]
    pub fn missing(&self) -> Option<&'static str> {
        std::iter::once("bash").chain(self.tools.iter().copied()).find(|tool| !installed(tool))
    }
}
