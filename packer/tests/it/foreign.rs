//! Images that others made are the tree that they were made from, but for what their makers are known not to keep.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use packer::{Difference, Pack, Source};
use proptest::prelude::*;

use crate::corners_tree::{OF_THE_HOST, Order, create, nodes};
use crate::trees;
use crate::workshop::Workshop;
use testkit::log::skip;

/// A program that writes archives, and what it is known not to keep.
struct Writer {
    program: &'static str,
    /// `TREE` and `FILE` stand for the tree and the archive.
    arguments: &'static [&'static str],
    lost: &'static [Lost],
}

/// What an archive does not have of a tree.
#[derive(Clone, Copy)]
enum Lost {
    Attributes,
    /// Fractions of seconds.
    Fractions,
    /// Attributes of the host, which others write and a pack leaves out.
    Host,
    /// What is told of paths that begin so, in lines that go on so.
    Lines(&'static str, &'static str),
}

impl Lost {
    fn is_about(&self, line: &str) -> bool {
        let (path, what) = line.split_once(": ").unwrap();
        match self {
            Lost::Attributes => what.starts_with("attribute `") && what.ends_with("` only in the tree"),
            Lost::Fractions => what.strip_prefix("mtime ").is_some_and(|times| {
                let (one, other) = times.strip_suffix(" in the tree").unwrap().split_once(" in it, ").unwrap();
                let (whole, _) = other.split_once('.').unwrap_or((other, ""));
                let down = whole.parse::<i64>().unwrap() - i64::from(other.starts_with('-') && whole != other);
                one == down.to_string()
            }),
            Lost::Host => {
                let is_line = |(name, _): (&str, &[u8])| what == format!("attribute `{name}` only in it");
                path == "attributes/machine" && OF_THE_HOST.into_iter().any(is_line)
            }
            Lost::Lines(start, rest) => path.starts_with(start) && what.starts_with(rest),
        }
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.program, self.arguments[..2].join(" "))
    }
}

impl Writer {
    /// The archive, or nothing if the program is not there.
    fn write(&self, shop: &Workshop) -> Option<PathBuf> {
        let (tree, file) = (shop.tree(), shop.images().join("archive.tar"));
        let path = |argument: &&str| match *argument {
            "TREE" => tree.clone().into_os_string(),
            "FILE" => file.clone().into_os_string(),
            argument => argument.into(),
        };
        let Ok(run) = Command::new(self.program).args(self.arguments.iter().map(path)).output() else {
            skip(&format!("{} is not installed", self.program));
            return None;
        };
        assert!(run.status.success(), "{self}: {}", String::from_utf8_lossy(&run.stderr));
        let image = shop.keep(&fs::read(&file).unwrap(), ".tar");
        fs::remove_file(file).unwrap();
        Some(image)
    }
}

fn lines(tree: &Path, image: &Path) -> Vec<String> {
    let found = Source::new(image).compare_with_tree(&Pack::new(tree)).unwrap();
    found.iter().flat_map(|difference: &Difference| difference.lines(["it", "the tree"])).collect()
}

/// Devices and fifos with several names are written as many.
const LINKED_DEVICES: Lost = Lost::Lines("links/", "hard link none in it");

const BEFORE_1970: Lost = Lost::Lines("times/", "mtime 0 in it, -");

/// bsdtar writes the list's entry for the group, not its mask, as the group's bits.
const LISTED: [Lost; 3] = [
    Lost::Lines("lists/", "mode 0754 in it, 0774"),
    Lost::Lines("lists/", "mode 2754 in it, 2774"),
    Lost::Lines("lists/", "mode 0750 in it, 0770"),
];

const WRITERS: &[Writer] = &[
    Writer {
        program: "tar",
        arguments: &[
            "--format=posix",
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=*",
            "--acls",
            "-cf",
            "FILE",
            "-C",
            "TREE",
            ".",
        ],
        lost: &[LINKED_DEVICES, Lost::Host],
    },
    Writer {
        program: "tar",
        arguments: &["--format=gnu", "-cf", "FILE", "-C", "TREE", "."],
        lost: &[Lost::Attributes, Lost::Fractions, LINKED_DEVICES],
    },
    Writer {
        program: "tar",
        arguments: &["--format=oldgnu", "-cf", "FILE", "-C", "TREE", "."],
        lost: &[Lost::Attributes, Lost::Fractions, LINKED_DEVICES],
    },
    Writer {
        program: "bsdtar",
        arguments: &["--format=pax", "--xattrs", "--acls", "-cf", "FILE", "-C", "TREE", "."],
        lost: &[
            LINKED_DEVICES,
            Lost::Host,
            // It adds the fraction of a negative time on the wrong side.
            Lost::Lines("times/just-before", "mtime -1.999999999"),
            Lost::Lines("times/long-before", "mtime -2.5"),
            LISTED[0],
            LISTED[1],
            LISTED[2],
            // Ids from 2^31 on are written as negative numbers.
            Lost::Lines("lists/large-id", "attribute `system.posix_acl_"),
        ],
    },
    Writer {
        program: "bsdtar",
        arguments: &["--format=gnutar", "-cf", "FILE", "-C", "TREE", "."],
        lost: &[
            Lost::Attributes,
            Lost::Fractions,
            LINKED_DEVICES,
            LISTED[0],
            LISTED[1],
            LISTED[2],
            BEFORE_1970,
            Lost::Lines("times/a", "mtime 8589934591"),
            // Numbers of devices that octal digits cannot hold.
            Lost::Lines("specials/block-3", "only in the tree"),
            Lost::Lines("specials/character-3", "only in the tree"),
        ],
    },
    Writer {
        program: "python3",
        arguments: &[ARCHIVE, "PAX_FORMAT", "TREE", "FILE"],
        lost: &[Lost::Attributes, LINKED_DEVICES],
    },
    Writer {
        program: "python3",
        arguments: &[ARCHIVE, "GNU_FORMAT", "TREE", "FILE"],
        lost: &[Lost::Attributes, Lost::Fractions, LINKED_DEVICES],
    },
    Writer {
        program: "busybox",
        arguments: &["tar", "-cf", "FILE", "-C", "TREE", "."],
        lost: &[
            Lost::Attributes,
            Lost::Fractions,
            LINKED_DEVICES,
            BEFORE_1970,
            // The lowest 24 bits of an id.
            Lost::Lines("owners/", "owner 16777214:0"),
            Lost::Lines("owners/", "owner 1000:16777214"),
        ],
    },
];

const ARCHIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/writers/archive.py");

#[test]
fn what_others_write_of_the_corners_is_read() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can make the tree of corners");
    }
    let shop = Workshop::new();
    create(&shop.tree(), &nodes(), Order::Forwards);
    let mut wrong = String::new();
    for writer in WRITERS {
        let Some(image) = writer.write(&shop) else { continue };
        if let Err(error) = packer::verify(&image) {
            wrong.push_str(&format!("{writer}: {error}\n"));
        }
        let lost = |line: &String| writer.lost.iter().any(|lost| lost.is_about(line));
        for line in lines(&shop.tree(), &image).into_iter().filter(|line| !lost(line)) {
            wrong.push_str(&format!("{writer}: {line}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

proptest! {
    #![proptest_config(testkit::cases::cases(12, 192))]

    #[test]
    fn gnu_tar_keeps_any_tree(plan in trees::plan()) {
        let shop = Workshop::new();
        plan.create(&shop.tree(), false);
        for image in [shop.unified(), shop.split(), shop.oci()] {
            for image in Source::new(&image).verify_all().unwrap() {
                prop_assert!(!image.has_late_metadata);
            }
            let lines = lines(&shop.tree(), &image);
            prop_assert!(lines.is_empty(), "{}: {lines:?}", image.display());
        }
    }
}

/// Files with holes in every place, of one stretch of data and of more than a header has room for.
fn sparse(shop: &Workshop) {
    const MIB: u64 = 1 << 20;
    for (name, size, data) in [
        ("empty", MIB, vec![]),
        ("start", MIB, vec![0]),
        ("end", MIB, vec![MIB - 4096]),
        ("middle", MIB + 7, vec![MIB / 2]),
        ("odd", MIB + 7, vec![MIB]),
        ("many", 8 * MIB, (0..60).map(|number| number * 131_072).collect()),
        ("more", 40 * MIB + 1, (0..600).map(|number| number * 65_536).collect()),
        ("dense", 5_000, vec![0]),
    ] {
        let file = File::create(shop.tree().join(name)).unwrap();
        file.set_len(size).unwrap();
        for at in data {
            let data = vec![at as u8 | 1; (size - at).min(4096) as usize];
            file.write_all_at(&data, at).unwrap();
        }
    }
}

#[test]
fn files_without_their_holes_are_read_in_every_format_of_that() {
    let shop = Workshop::new();
    sparse(&shop);
    for options in [
        &["--format=gnu"][..],
        &["--format=oldgnu"],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let exact = ["-S", "--hole-detection=seek"].iter().chain(options).copied().collect::<Vec<_>>();
        let tar = shop.tar("rootfs", &exact, &["."]);
        assert!(tar.len() < 8 << 20, "{options:?}: {} bytes", tar.len());
        let image = shop.keep(&tar, ".tar");
        packer::verify(&image).unwrap();
        let lost = |line: &String| options[0] != "--format=posix" && Lost::Fractions.is_about(line);
        let lines: Vec<_> = lines(&shop.tree(), &image).into_iter().filter(|line| !lost(line)).collect();
        assert_eq!(lines, [""; 0], "{options:?}");
    }
    let Some(image) = WRITERS[3].write(&shop) else { return };
    assert!(fs::metadata(&image).unwrap().len() < 8 << 20);
    assert_eq!(lines(&shop.tree(), &image), [""; 0]);
}

fn run(program: &str, arguments: &[&str], place: &Path) -> Option<()> {
    let Ok(run) = Command::new(program).args(arguments).current_dir(place).output() else {
        skip(&format!("{program} is not installed"));
        return None;
    };
    assert!(run.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    Some(())
}

/// Layers as umoci makes them, with what each hides of the one below; and the copies that skopeo makes of them.
#[test]
fn layouts_of_umoci_and_skopeo_are_what_they_unpack_to() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can unpack with owners");
    }
    let shop = Workshop::new();
    let place = shop.0.path();
    let umoci = |arguments: &str| run("umoci", &arguments.split(' ').collect::<Vec<_>>(), place);
    let Some(()) = umoci("init --layout layout") else { return };
    umoci("new --image layout:one");
    umoci("unpack --image layout:one bundle");
    let at = |path: &str| place.join("bundle/rootfs").join(path);
    fs::create_dir_all(at("etc/opaque/below")).unwrap();
    for name in ["etc/kept", "etc/gone", "etc/becomes", "etc/opaque/below/file", "m"] {
        fs::write(at(name), name).unwrap();
    }
    fs::hard_link(at("m"), at("a")).unwrap();
    umoci("repack --image layout:one bundle");
    fs::remove_dir_all(place.join("bundle")).unwrap();
    umoci("unpack --image layout:one bundle");
    fs::remove_file(at("etc/gone")).unwrap();
    fs::remove_file(at("etc/becomes")).unwrap();
    fs::create_dir(at("etc/becomes")).unwrap();
    fs::write(at("etc/becomes/new"), "new").unwrap();
    fs::remove_file(at("m")).unwrap();
    umoci("repack --image layout:two bundle");
    umoci("insert --image layout:two --opaque templates /etc/opaque");
    umoci("insert --image layout:two --whiteout /etc/becomes/new");
    fs::remove_dir_all(place.join("bundle")).unwrap();
    umoci("unpack --image layout:two bundle");
    let layout = place.join("layout");
    let found = Source::new(&layout).verify_all().unwrap();
    let mut tags: Vec<_> = found.iter().map(|image| image.tag.as_deref().unwrap()).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["one", "two"]);
    let two = Source::new(&layout).tag("two".parse().unwrap());
    let unpacked = Pack::new(place.join("bundle/rootfs"));
    assert_eq!(two.compare_with_tree(&unpacked).unwrap(), []);
    assert_ne!(two.clone().tag("one".parse().unwrap()).compare_with_tree(&unpacked).unwrap(), []);
    for (number, options) in [&[][..], &["--dest-compress-format", "zstd"]].into_iter().enumerate() {
        let (copy, target) = (place.join(format!("copy{number}")), format!("oci:copy{number}:x"));
        let arguments = [&["copy"], options, &["oci:layout:two", &target]].concat();
        let Some(()) = run("skopeo", &arguments, place) else { return };
        packer::verify(&copy).unwrap();
        assert_eq!(packer::diff(&two, &Source::new(copy)).unwrap(), []);
    }
}
