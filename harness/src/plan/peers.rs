//! The peers: what people use today for the same work – the same tree, hashed, written, and on the disk.

use super::limits::Limit;
use super::peer::{Counterpart, Parallelism, Peer, PeerKind, When};
use super::work::Maker;

/// GNU tar of the tree, in an order and with owners that do not depend on the machine. `--xattrs` makes it write pax
/// headers; without the options, the times of last access and last change, which nobody unpacks, would add a header to
/// every entry.
macro_rules! tar {
    () => {
        "tar --sort=name --numeric-owner --xattrs --pax-option=delete=atime,delete=ctime -C \"$ROOTFS\" "
    };
}

/// A tar of the tree on standard output, in blocks of 128 KiB instead of 10.
pub(crate) const TAR: &str = concat!(tar!(), "-b 256 -cf - .");

/// The end of a pipeline whose image is hashed while it is written.
pub(crate) const TEE: &str = "tee \"$OUT/image\" | SHA256 && sync \"$OUT/image\"";

/// A tar of the tree through a pipe, hashed and written.
macro_rules! pipe {
    ($($compress:literal)?) => {
        concat!(tar!(), "-b 256 -cf - . | ", $($compress, " | ",)? "tee \"$OUT/image\" | SHA256 && sync \"$OUT/image\"")
    };
}

/// The same as it is usually typed.
macro_rules! typed {
    ($($compress:literal)?) => {
        concat!(tar!(), "-cf - . | ", $($compress, " | ",)? "tee \"$OUT/image\" | sha256sum && sync \"$OUT/image\"")
    };
}

/// A tar of the tree through a pipe, written and not hashed.
macro_rules! unhashed {
    ($compress:literal) => {
        concat!(tar!(), "-b 256 -cf - . | ", $compress, " > \"$OUT/image\" && sync \"$OUT/image\"")
    };
}

/// The way of distrobuilder (lxc/distrobuilder, `shared/util.go`, functions `Pack` and `compressTarball`): a tar, then a
/// compressor that replaces it. Our options make it as reproducible as the others.
macro_rules! distrobuilder {
    ($compress:literal, $suffix:literal) => {
        concat!(
            tar!(),
            "-cf \"$OUT/image.tar\" . && ",
            $compress,
            " -f \"$OUT/image.tar\" && mv \"$OUT/image.tar.",
            $suffix,
            "\" \"$OUT/image\" && sync \"$OUT/image\" && SHA256 \"$OUT/image\""
        )
    };
}

/// The largest of an image's blobs: its layer.
macro_rules! layer {
    ($blobs:literal) => {
        concat!(
            "mv \"$(find \"$OUT/",
            $blobs,
            "\" -type f -printf '%s %p\\n' | sort -rn | head -n 1 | cut -d ' ' -f 2-)\" \
             \"$OUT/image\" && sync \"$OUT/image\""
        )
    };
}

/// An image of the container, by LXD.
macro_rules! publish {
    ($compression:literal) => {
        concat!("lxc publish \"$CONTAINER\" --alias \"$CONTAINER-published\" --compression ", $compression)
    };
}

/// What most of the peers have in common.
const PIPELINE: Peer = Peer {
    name: "",
    title: "",
    tools: &[],
    script: "",
    maker: Maker::Pipeline,
    kind: PeerKind::Pipeline,
    parallelism: Parallelism::Single,
    like: Counterpart::Gzip,
    limits: &[],
    when: When::Full,
};

/// What those that LXD makes have in common. LXD does not wait for the disk.
const PUBLISHED: Peer = Peer {
    maker: Maker::Lxd,
    kind: PeerKind::Program,
    limits: &[Limit::WholeSeconds, Limit::BelowDev, Limit::SymlinkAttributes],
    ..PIPELINE
};

/// All of them. Every pipeline ends with `sync FILE`, because our image is on the disk when we say that it is done.
pub const PEERS: [Peer; 25] = [
    Peer {
        name: "files-gzip",
        title: "tar to a file; gzip | tee | SHA256 of that (two passes, before 2019)",
        tools: &["tar", "gzip", "tee", "sync"],
        // LXD hashed the second file while it wrote it.
        script: concat!(
            tar!(),
            "-b 256 -cf \"$OUT/image.tar\" . && gzip -n -c \"$OUT/image.tar\" | tee \"$OUT/image\" | SHA256 && sync \"$OUT/image\""
        ),
        when: When::Always,
        ..PIPELINE
    },
    Peer {
        name: "pipe-gzip",
        title: "tar | gzip | tee | SHA256 (one stream, since 2019)",
        tools: &["tar", "gzip", "tee", "sync"],
        script: pipe!("gzip -n"),
        when: When::Always,
        ..PIPELINE
    },
    Peer {
        name: "pipe-pigz",
        title: "tar | pigz | tee | SHA256",
        tools: &["tar", "pigz", "tee", "sync"],
        script: pipe!("pigz -n -p $THREADS"),
        parallelism: Parallelism::Pinned,
        when: When::Always,
        ..PIPELINE
    },
    Peer {
        name: "pipe-zstd",
        title: "tar | zstd -3 | tee | SHA256",
        tools: &["tar", "zstd", "tee", "sync"],
        script: pipe!("zstd -q -T$THREADS -3"),
        parallelism: Parallelism::Pinned,
        like: Counterpart::Zstd,
        when: When::Always,
        ..PIPELINE
    },
    Peer {
        name: "pipe-none",
        title: "tar | tee | SHA256 (no compression)",
        tools: &["tar", "tee", "sync"],
        script: pipe!(),
        like: Counterpart::None,
        when: When::Always,
        ..PIPELINE
    },
    Peer {
        name: "pipe-xz",
        title: "tar | xz -6 | tee | SHA256",
        tools: &["tar", "xz", "tee", "sync"],
        script: pipe!("xz -T$THREADS -6"),
        parallelism: Parallelism::Pinned,
        like: Counterpart::Xz,
        ..PIPELINE
    },
    Peer {
        name: "typed-gzip",
        title: "tar | gzip | tee | sha256sum (as people type it)",
        tools: &["tar", "gzip", "tee", "sha256sum", "sync"],
        script: typed!("gzip -n"),
        kind: PeerKind::AsTyped,
        ..PIPELINE
    },
    Peer {
        name: "typed-zstd",
        title: "tar | zstd -T0 -3 | tee | sha256sum (as people type it)",
        tools: &["tar", "zstd", "tee", "sha256sum", "sync"],
        script: typed!("zstd -q -T0 -3"),
        kind: PeerKind::AsTyped,
        parallelism: Parallelism::All,
        like: Counterpart::Zstd,
        ..PIPELINE
    },
    Peer {
        name: "typed-none",
        title: "tar | tee | sha256sum (as people type it, no compression)",
        tools: &["tar", "tee", "sha256sum", "sync"],
        script: typed!(),
        kind: PeerKind::AsTyped,
        like: Counterpart::None,
        ..PIPELINE
    },
    Peer {
        name: "typed-xz",
        title: "tar | xz -T0 -6 | tee | sha256sum (as people type it)",
        tools: &["tar", "xz", "tee", "sha256sum", "sync"],
        script: typed!("xz -T0 -6"),
        kind: PeerKind::AsTyped,
        parallelism: Parallelism::All,
        like: Counterpart::Xz,
        ..PIPELINE
    },
    Peer {
        name: "pipe-gzip-unhashed",
        title: "tar | gzip (not hashed)",
        tools: &["tar", "gzip", "sync"],
        script: unhashed!("gzip -n"),
        kind: PeerKind::Unhashed,
        ..PIPELINE
    },
    Peer {
        name: "pipe-pigz-unhashed",
        title: "tar | pigz (not hashed)",
        tools: &["tar", "pigz", "sync"],
        script: unhashed!("pigz -n -p $THREADS"),
        kind: PeerKind::Unhashed,
        parallelism: Parallelism::Pinned,
        ..PIPELINE
    },
    Peer {
        name: "pipe-zstd-unhashed",
        title: "tar | zstd -3 (not hashed)",
        tools: &["tar", "zstd", "sync"],
        script: unhashed!("zstd -q -T$THREADS -3"),
        kind: PeerKind::Unhashed,
        parallelism: Parallelism::Pinned,
        like: Counterpart::Zstd,
        ..PIPELINE
    },
    Peer {
        name: "pipe-none-unhashed",
        title: "tar | cat (no compression, not hashed)",
        tools: &["tar", "cat", "sync"],
        // A pipe, as all the others have.
        script: unhashed!("cat"),
        kind: PeerKind::Unhashed,
        like: Counterpart::None,
        ..PIPELINE
    },
    Peer {
        name: "pipe-none-direct",
        title: "tar | tee | SHA256, written by dd oflag=direct (no compression)",
        tools: &["tar", "tee", "mkfifo", "dd", "sync"],
        // Around the page cache, as onepass writes.
        script: concat!(
            "mkfifo \"$OUT/fifo\" && { dd if=\"$OUT/fifo\" of=\"$OUT/image\" bs=2M iflag=fullblock oflag=direct status=none & } && ",
            tar!(),
            "-b 256 -cf - . | tee \"$OUT/fifo\" | SHA256 && wait $! && sync \"$OUT/image\""
        ),
        kind: PeerKind::Program,
        like: Counterpart::None,
        ..PIPELINE
    },
    Peer {
        name: "bsdtar-gzip",
        title: "bsdtar --gzip | tee | SHA256",
        tools: &["bsdtar", "tee", "sync"],
        // In the locale C it fails on long names that are UTF-8, although it packs them.
        script: "LC_ALL=C.UTF-8 bsdtar --numeric-owner --gzip --options gzip:compression-level=6 -C \"$ROOTFS\" -cf - . | \
                 tee \"$OUT/image\" | SHA256 && sync \"$OUT/image\"",
        limits: &[Limit::WholeSeconds],
        ..PIPELINE
    },
    Peer {
        name: "distrobuilder-gzip",
        title: "distrobuilder's way: tar to a file, gzip of that file, SHA256",
        tools: &["tar", "gzip", "mv", "sync"],
        script: distrobuilder!("gzip", "gz"),
        kind: PeerKind::Program,
        ..PIPELINE
    },
    Peer {
        name: "distrobuilder-xz",
        title: "distrobuilder's way: tar to a file, xz of that file, SHA256",
        tools: &["tar", "xz", "mv", "sync"],
        script: distrobuilder!("xz --threads=$THREADS", "xz"),
        kind: PeerKind::Program,
        parallelism: Parallelism::Pinned,
        like: Counterpart::Xz,
        ..PIPELINE
    },
    Peer {
        name: "umoci-insert",
        title: "umoci insert (an OCI layer, by Go's gzip)",
        tools: &["umoci", "find", "sort", "head", "cut", "mv", "sync"],
        script: concat!(
            "export GOMAXPROCS=$THREADS && umoci init --layout \"$OUT/layout\" && umoci new --image \"$OUT/layout:image\" && \
             umoci insert --image \"$OUT/layout:image\" \"$ROOTFS\" / && ",
            layer!("layout/blobs/sha256")
        ),
        kind: PeerKind::Program,
        parallelism: Parallelism::Pinned,
        limits: &[Limit::WholeSeconds, Limit::End],
        ..PIPELINE
    },
    Peer {
        name: "buildah-commit",
        title: "buildah: from scratch, cp -a, commit (an OCI layer, by Go's gzip)",
        tools: &["buildah", "cp", "find", "sort", "head", "cut", "mv", "sync"],
        // `buildah copy` would give all to root.
        script: concat!(
            "export GOMAXPROCS=$THREADS && b() { buildah --root \"$OUT/storage\" --runroot \"$OUT/run\" --storage-driver vfs \
             \"$@\"; } && container=$(b from scratch) && top=$(b mount \"$container\") && cp -a \"$ROOTFS/.\" \"$top\" && \
             b commit --quiet --disable-compression=false \"$container\" \"dir:$OUT/layout\" && b umount \"$container\" && ",
            layer!("layout")
        ),
        kind: PeerKind::Program,
        parallelism: Parallelism::Pinned,
        limits: &[Limit::WholeSeconds, Limit::TopDirectory, Limit::Acls, Limit::SymlinkAttributes],
        ..PIPELINE
    },
    Peer {
        name: "mksquashfs-gzip",
        title: "mksquashfs -comp gzip, SHA256 (a filesystem)",
        tools: &["mksquashfs", "sync"],
        script: "mksquashfs \"$ROOTFS\" \"$OUT/image\" -comp gzip -Xcompression-level 6 -processors $THREADS -no-progress -quiet && \
                 sync \"$OUT/image\" && SHA256 \"$OUT/image\"",
        kind: PeerKind::Program,
        parallelism: Parallelism::Pinned,
        like: Counterpart::Squashfs,
        limits: &[Limit::WholeSeconds, Limit::Acls],
        ..PIPELINE
    },
    Peer {
        name: "publish-none",
        title: "lxc publish --compression none (no compression, by a running LXD)",
        script: publish!("none"),
        like: Counterpart::None,
        ..PUBLISHED
    },
    Peer {
        name: "publish-gzip",
        title: "lxc publish --compression gzip (by a running LXD)",
        script: publish!("gzip"),
        ..PUBLISHED
    },
    Peer {
        name: "publish-pigz",
        title: "lxc publish --compression pigz (by a running LXD)",
        tools: &["pigz"],
        script: publish!("\"pigz -p $THREADS\""),
        parallelism: Parallelism::Pinned,
        ..PUBLISHED
    },
    Peer {
        name: "publish-zstd",
        title: "lxc publish --compression zstd (by a running LXD)",
        tools: &["zstd"],
        script: publish!("\"zstd -T$THREADS\""),
        parallelism: Parallelism::Pinned,
        like: Counterpart::Zstd,
        ..PUBLISHED
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::HashProgram;

    #[test]
    fn every_script_says_who_hashes_and_pins_what_it_can() {
        for peer in PEERS {
            let [openssl, coreutils] =
                [HashProgram::Openssl, HashProgram::Sha256sum].map(|hash| (peer.script(hash), peer.title(hash)));
            assert!(!openssl.0.contains("SHA256") && !openssl.1.contains("SHA256"), "{openssl:?}");
            assert_eq!(openssl.0.contains("openssl dgst -sha256"), openssl.1.contains("openssl"), "{openssl:?}");
            assert!(peer.kind != PeerKind::Pipeline || openssl.0.contains("openssl dgst -sha256"), "{openssl:?}");
            assert!(!coreutils.0.contains("openssl") && !coreutils.1.contains("openssl"), "{coreutils:?}");
            assert_eq!(peer.script.contains("$THREADS"), peer.parallelism == Parallelism::Pinned, "{}", peer.name);
            assert!(PEERS.iter().filter(|other| other.name == peer.name).count() == 1, "{}", peer.name);
        }
    }
}
