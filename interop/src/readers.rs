//! Whoever reads archives: `tar` of every make, and the programs that test a compressed file.

use std::fs;

use crate::trees::{Limits, Listing, equal, remove};
use harness::run::Tool;

use crate::check::{Checks, Verdict};
use crate::error::{Error, Result};
use crate::setting::{Packed, Setting};

/// A program that unpacks an image into a directory.
struct Reader {
    client: &'static str,
    tools: &'static [&'static str],
    /// The image is `$1`, the directory `$2`; run by a shell.
    script: &'static str,
    limits: Limits,
    /// Whether it knows nothing but the header of 1988.
    plain: bool,
    /// Endings of images that it cannot decode.
    undecoded: &'static [&'static str],
}

const OLD: Limits = Limits { attributes: true, fractions: true, other_times: true, ..Limits::NONE };

const READERS: [Reader; 5] = [
    Reader {
        client: "GNU tar",
        tools: &["tar"],
        script: "tar --numeric-owner --xattrs --xattrs-include='*' -xpf \"$1\" -C \"$2\"",
        limits: Limits::NONE,
        plain: false,
        undecoded: &[".lz4"],
    },
    Reader {
        client: "bsdtar",
        tools: &["bsdtar"],
        script: "bsdtar --numeric-owner -xpf \"$1\" -C \"$2\"",
        limits: Limits { early_times: true, ..Limits::NONE },
        plain: false,
        undecoded: &[],
    },
    Reader {
        client: "busybox tar",
        tools: &["busybox"],
        script: "case \"$1\" in *.gz) set -- \"$@\" zcat;; *.xz) set -- \"$@\" xzcat;; *.bz2) set -- \"$@\" bzcat;; \
                 *.lzma) set -- \"$@\" lzcat;; *) set -- \"$@\" cat;; esac; \
                 busybox \"$3\" < \"$1\" | busybox tar -xp -C \"$2\"",
        limits: OLD,
        plain: true,
        undecoded: &[".zst", ".lz4"],
    },
    Reader {
        client: "Python tarfile",
        tools: &["python3"],
        script: "python3 -c 'import sys, tarfile; \
                 tarfile.open(sys.argv[1], errorlevel=2).extractall(sys.argv[2], numeric_owner=True)' \"$1\" \"$2\"",
        limits: OLD,
        plain: false,
        undecoded: &[".zst", ".lz4"],
    },
    Reader {
        client: "tar2sqfs",
        tools: &["tar2sqfs", "sqfs2tar"],
        script: "tar2sqfs -q -c gzip -f \"$2.squashfs\" < \"$1\" && \
                 sqfs2tar \"$2.squashfs\" | tar --numeric-owner --xattrs --xattrs-include='*' -xp -C \"$2\" && \
                 rm \"$2.squashfs\"",
        limits: Limits { fractions: true, ..Limits::NONE },
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

/// What is tried: every codec, at a level that does not take long.
const CODECS: [&str; 8] =
    ["none", "gzip", "zstd", "xz:1", "external:pigz", "external:bzip2:1", "external:lz4", "external:lzma:1"];

pub(crate) fn run(setting: &Setting<'_>, checks: &mut Checks<'_>) -> Result<()> {
    let expected = Listing::of(setting.tree).map_err(|error| Error::run("reading the tree", error))?;
    for codec in CODECS.into_iter().filter(|codec| setting.tries(codec)) {
        if let Some(program) = codec.strip_prefix("external:") {
            let program = program.split(':').next().unwrap_or_default();
            if !checks.has("onepass", format!("pack -c {codec}"), &[program]) {
                continue;
            }
        }
        let place = setting.scratch.join("images");
        let image = setting.pack(&place, &["-c", codec])?;
        for reader in &READERS {
            unpack(reader, &image, codec, &expected, setting, checks)?;
        }
        for (client, endings) in TESTERS {
            if endings.iter().any(|ending| image.path.as_os_str().as_encoded_bytes().ends_with(ending.as_bytes())) {
                let what = format!("-t {codec}");
                if checks.has(client, &what, &[client]) {
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
    image: &Packed,
    codec: &str,
    expected: &Listing,
    setting: &Setting<'_>,
    checks: &mut Checks<'_>,
) -> Result<()> {
    let what = format!("unpack {codec}");
    let name = image.path.to_string_lossy();
    if reader.undecoded.iter().any(|ending| name.ends_with(ending)) {
        checks.add(reader.client, what, Verdict::Beyond("does not know this compression"));
    } else if reader.plain && !expected.is_plain() {
        checks.add(reader.client, what, Verdict::Beyond("knows no extended headers, or not all of them"));
    } else if checks.has(reader.client, &what, reader.tools) {
        let into = setting.scratch.join("unpacked");
        fs::create_dir_all(&into).map_err(|error| Error::io("create", &into, error))?;
        let unpacked = Tool::new("sh").args(["-c", reader.script, "sh"]).arg(&image.path).arg(&into).run();
        let outcome = unpacked.and_then(|()| equal(&into, expected, reader.limits));
        checks.outcome(reader.client, what, outcome);
        remove(&into)?;
    }
    Ok(())
}
