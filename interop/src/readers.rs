//! Readers of archives: `tar` of every make, and the programs that test a compressed file.

use std::fs;

use crate::snapshot::{Losses, TreeSnapshot, check_tree, remove};
use harness::run::Tool;

use crate::check::{CheckLog, ClientResult};
use crate::error::{Error, Result};
use crate::setup::{PackedImage, Setup};

/// A program that unpacks an image into a directory.
struct Reader {
    client: &'static str,
    tools: &'static [&'static str],
    /// The image is `$1`, the directory `$2`; run by a shell.
    script: &'static str,
    losses: Losses,
    /// Whether it knows nothing but the header of 1988.
    plain: bool,
    /// Endings of images that it cannot decode.
    undecoded: &'static [&'static str],
}

const OLD: Losses = Losses { attributes: true, fractions: true, other_times: true, ..Losses::NONE };

const READERS: [Reader; 5] = [
    Reader {
        client: "GNU tar",
        tools: &["tar"],
        script: "tar --numeric-owner --xattrs --xattrs-include='*' -xpf \"$1\" -C \"$2\"",
        losses: Losses::NONE,
        plain: false,
        undecoded: &[".lz4"],
    },
    Reader {
        client: "bsdtar",
        tools: &["bsdtar"],
        script: "bsdtar --numeric-owner -xpf \"$1\" -C \"$2\"",
        losses: Losses { early_times: true, ..Losses::NONE },
        plain: false,
        undecoded: &[],
    },
    Reader {
        client: "busybox tar",
        tools: &["busybox"],
        script: "case \"$1\" in *.gz) set -- \"$@\" zcat;; *.xz) set -- \"$@\" xzcat;; *.bz2) set -- \"$@\" bzcat;; \
                 *.lzma) set -- \"$@\" lzcat;; *) set -- \"$@\" cat;; esac; \
                 busybox \"$3\" < \"$1\" | busybox tar -xp -C \"$2\"",
        losses: OLD,
        plain: true,
        undecoded: &[".zst", ".lz4"],
    },
    Reader {
        client: "Python tarfile",
        tools: &["python3"],
        script: "python3 -c 'import sys, tarfile; \
                 tarfile.open(sys.argv[1], errorlevel=2).extractall(sys.argv[2], numeric_owner=True)' \"$1\" \"$2\"",
        losses: OLD,
        plain: false,
        undecoded: &[".zst", ".lz4"],
    },
    Reader {
        client: "tar2sqfs",
        tools: &["tar2sqfs", "sqfs2tar"],
        script: "tar2sqfs -q -c gzip -f \"$2.squashfs\" < \"$1\" && \
                 sqfs2tar \"$2.squashfs\" | tar --numeric-owner --xattrs --xattrs-include='*' -xp -C \"$2\" && \
                 rm \"$2.squashfs\"",
        losses: Losses { fractions: true, ..Losses::NONE },
        plain: true,
        undecoded: &[".bz2", ".lz4", ".lzma"],
    },
];

/// Programs that test a compressed file, and the endings that are theirs.
const TESTERS: [(&str, &[&str]); 7] = [
    ("gzip", &[".gz"]),
    ("pigz", &[".gz"]),
    ("zstd", &[".zst"]),
    ("xz", &[".xz"]),
    ("lzma", &[".lzma"]),
    ("bzip2", &[".bz2"]),
    ("lz4", &[".lz4"]),
];

/// The codecs to try, each at a fast level.
const CODECS: [&str; 8] =
    ["none", "gzip", "zstd", "xz:1", "external:pigz", "external:bzip2:1", "external:lz4", "external:lzma:1"];

pub(crate) fn run(setup: &Setup<'_>, checks: &mut CheckLog<'_>) -> Result<()> {
    let expected = TreeSnapshot::of(setup.tree).map_err(|error| Error::run("reading the tree", error))?;
    for codec in CODECS.into_iter().filter(|codec| setup.includes(codec)) {
        if let Some(program) = codec.strip_prefix("external:") {
            let program = program.split(':').next().unwrap_or_default();
            if !checks.has_tools("onepass", format!("pack -c {codec}"), &[program]) {
                continue;
            }
        }
        let place = setup.scratch.join("images");
        let image = setup.pack(&place, &["-c", codec])?;
        for reader in &READERS {
            unpack(reader, &image, codec, &expected, setup, checks)?;
        }
        for (client, endings) in TESTERS {
            if endings.iter().any(|ending| image.path.as_os_str().as_encoded_bytes().ends_with(ending.as_bytes())) {
                let what = format!("-t {codec}");
                if checks.has_tools(client, &what, &[client]) {
                    checks.outcome(client, what, Tool::new(client).arg("-t").arg(&image.path).run());
                }
            }
        }
        remove(&place)?;
    }
    Ok(())
}

fn unpack(
    reader: &Reader,
    image: &PackedImage,
    codec: &str,
    expected: &TreeSnapshot,
    setup: &Setup<'_>,
    checks: &mut CheckLog<'_>,
) -> Result<()> {
    let what = format!("unpack {codec}");
    let name = image.path.to_string_lossy();
    if reader.undecoded.iter().any(|ending| name.ends_with(ending)) {
        checks.add(reader.client, what, ClientResult::Unsupported("does not know this compression"));
    } else if reader.plain && !expected.is_plain() {
        checks.add(reader.client, what, ClientResult::Unsupported("knows no extended headers, or not all of them"));
    } else if checks.has_tools(reader.client, &what, reader.tools) {
        let into = setup.scratch.join("unpacked");
        fs::create_dir_all(&into).map_err(|error| Error::io("create", &into, error))?;
        let unpacked = Tool::new("sh").args(["-c", reader.script, "sh"]).arg(&image.path).arg(&into).run();
        let outcome = unpacked.and_then(|()| check_tree(&into, expected, reader.losses));
        checks.outcome(reader.client, what, outcome);
        remove(&into)?;
    }
    Ok(())
}
