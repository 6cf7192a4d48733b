//! The tree of corners comes back whole from readers that have nothing in common with the packer.
//!
//! Whatever a reader does not give back stands in its table of limits; everything else must be equal.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use testkit::log::skip;

use crate::corners_tree::{OF_THE_HOST, Order, create, nodes};
use crate::snapshot::{Limit, Snapshot, differences, of_members, of_tree};

/// Where trees are made that need a filesystem with all that a root filesystem has, which `/tmp` may lack.
pub(crate) const PLACE: &str = env!("CARGO_TARGET_TMPDIR");

/// The tree, packed by the command.
pub(crate) struct Packed {
    place: TempDir,
    pub(crate) image: PathBuf,
    pub(crate) record: serde_json::Value,
}

/// Packs the tree of corners; nothing, and says so, for anyone but root.
pub(crate) fn packed() -> Option<Packed> {
    if !rustix::process::geteuid().is_root() {
        skip("only root can make the tree of corners");
        return None;
    }
    let place = TempDir::new_in(PLACE).unwrap();
    let (tree, images) = (place.path().join("tree"), place.path().join("images"));
    fs::create_dir(&tree).unwrap();
    fs::create_dir(&images).unwrap();
    create(&tree, &nodes(), Order::Forwards);
    let record = pack(&tree, &images, &[]);
    Some(Packed { image: record["path"].as_str().unwrap().into(), place, record })
}

impl Packed {
    /// What a reader should see.
    fn expected(&self) -> Snapshot {
        of_kept(&self.place.path().join("tree"))
    }
}

/// What an image keeps of the corners: all but sockets, and attributes of the host.
pub(crate) fn of_kept(tree: &Path) -> Snapshot {
    let mut expected = of_tree(tree);
    expected.retain(|_, facts| facts["kind"] != "socket");
    for (name, _) in OF_THE_HOST {
        let removed = expected.get_mut(&b"attributes/machine"[..]).unwrap().remove(&format!("xattr:{name}"));
        assert!(removed.is_some(), "{name}");
    }
    expected
}

pub(crate) fn pack(tree: &Path, images: &Path, options: &[&str]) -> serde_json::Value {
    let run = Command::new(env!("CARGO_BIN_EXE_onepass"))
        .args(["pack", "--compression", "none", "--json", "--output"])
        .args([images, tree])
        .args(options)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

pub(crate) fn installed(program: &str, version: &str) -> bool {
    let there = Command::new(program).arg(version).output().is_ok_and(|run| run.status.success());
    if !there {
        skip(&format!("{program} is not installed"));
    }
    there
}

#[track_caller]
pub(crate) fn equal(found: &Snapshot, expected: &Snapshot, limits: &[Limit]) {
    let lines = differences(found, expected, limits);
    assert!(lines.is_empty(), "{} differences:\n{}", lines.len(), lines.join("\n"));
}

/// A program that unpacks, and what is known of it.
struct Reader {
    command: Command,
    /// What it exits with.
    status: i32,
    /// Parts of the lines that it may print to standard error.
    complaints: &'static [&'static str],
    limits: &'static [Limit],
}

impl Reader {
    fn new(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        Reader { command, status: 0, complaints: &[], limits: &[] }
    }

    /// Unpacks into an empty directory and compares what is there then.
    fn unpacks(mut self, packed: &Packed, expected: &Snapshot) {
        let into = TempDir::new_in(packed.place.path()).unwrap();
        let run = self.command.arg("-xpf").arg(&packed.image).arg("-C").arg(into.path()).output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        let new = said.lines().filter(|line| !self.complaints.iter().any(|known| line.contains(known)));
        assert_eq!(new.collect::<Vec<_>>(), [""; 0], "{:?}", self.command);
        assert_eq!(run.status.code(), Some(self.status), "{:?}: {said}", self.command);
        equal(&of_tree(into.path()), expected, self.limits);
    }
}

/// GNU tar remarks on what it then does right.
const GNU_COMPLAINTS: &[&str] = &["in the future", "implausibly old", "unknown extended header keyword 'hdrcharset'"];

const BSDTAR_LIMITS: &[Limit] = &[
    Limit { path: "./", fact: "mtime", why: "it writes below the top after it has set its time" },
    Limit { path: "times/long-before", fact: "mtime", why: "it adds the fraction of a negative time" },
    Limit { path: "times/just-before", fact: "mtime", why: "it adds the fraction of a negative time" },
    Limit { path: "attributes/names", fact: "xattr:", why: "it does not decode %25 and %3D" },
    Limit { path: "attributes/link", fact: "xattr:trusted.a", why: "it does not decode %3D" },
    Limit { path: "lists/large-id", fact: "xattr:", why: "it reads the ids of a list as signed numbers" },
];

#[test]
fn sockets_alone_are_left_out() {
    let Some(packed) = packed() else { return };
    assert_eq!(packed.record["sockets_skipped"], 1);
    assert_eq!(packed.record["entries"], packed.expected().len());
    assert_eq!(packer::verify(&packed.image).unwrap().entries, packed.expected().len() as u64);
}

/// The tar crate splits records at newlines, and takes the first path and the first target that it finds.
#[test]
fn a_record_within_a_value_is_not_taken_for_one_of_the_headers() {
    let Some(packed) = packed() else { return };
    let tar = fs::read(&packed.image).unwrap();
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
        let entry = entry.unwrap();
        let link = entry.link_name_bytes().map(|link| link.escape_ascii().to_string());
        let path = entry.path_bytes();
        found.insert(path.strip_suffix(b"/").unwrap_or(&path).to_vec(), link);
    }
    // Of what needs a record and holds a newline itself, the crate has a part only.
    let whole = |text: &[u8]| text.len() <= 100 || !text.contains(&b'\n');
    let mut wrong = Vec::new();
    for (path, facts) in packed.expected().into_iter().filter(|(path, _)| path != b"./" && whole(path)) {
        let target = facts.get("target").filter(|target| target.len() <= 100);
        match found.get(&path) {
            None => wrong.push(format!("{}: lost", path.escape_ascii())),
            Some(link) if target.is_some() && !facts.contains_key("names") && link.as_ref() != target => {
                wrong.push(format!("{}: {link:?} instead of {target:?}", path.escape_ascii()));
            }
            Some(_) => {}
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn gnu_tar_gives_the_tree_back_as_lxd_calls_it() {
    let Some(packed) = packed() else { return };
    let mut expected = packed.expected();
    expected.remove(&b"dev/null"[..]);
    let anchored = ["--anchored", "--wildcards", "--exclude=dev/*", "--restrict", "--force-local"];
    let reader = Reader::new("tar", &[&anchored[..], &["--numeric-owner", "--xattrs-include=*"]].concat());
    Reader { complaints: GNU_COMPLAINTS, ..reader }.unpacks(&packed, &expected);
}

#[test]
fn gnu_tar_gives_the_tree_back_with_lists() {
    let Some(packed) = packed() else { return };
    let reader = Reader::new("tar", &["--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "--selinux"]);
    Reader { complaints: GNU_COMPLAINTS, ..reader }.unpacks(&packed, &packed.expected());
}

#[test]
fn bsdtar_gives_the_tree_back_in_any_locale() {
    let Some(packed) = packed() else { return };
    if !installed("bsdtar", "--version") {
        return;
    }
    // Without a locale it complains of long names in UTF-8, and writes them all the same.
    let complaints: &[_] = &["can't be converted from UTF-8 to current locale", "Error exit delayed"];
    for (locale, status, complaints) in [("C", 1, complaints), ("C.UTF-8", 0, &[])] {
        let mut reader = Reader::new("bsdtar", &["--numeric-owner", "--xattrs", "--acls"]);
        reader.command.env("LC_ALL", locale);
        Reader { status, complaints, limits: BSDTAR_LIMITS, ..reader }.unpacks(&packed, &packed.expected());
    }
}

/// The members as a program lists them, with the text of access control lists that only an archive has.
fn lists(packed: &Packed, reader: &mut Command) {
    let run = reader.arg(&packed.image).output().unwrap();
    assert!(run.status.success(), "{reader:?}: {}", String::from_utf8_lossy(&run.stderr));
    let mut expected = packed.expected();
    for node in nodes() {
        for (which, text) in node.lists {
            expected.get_mut(&node.path).unwrap().insert(format!("acl:{which}"), text);
        }
    }
    equal(&of_members(std::str::from_utf8(&run.stdout).unwrap()), &expected, &[]);
}

#[test]
fn pythons_tarfile_lists_the_tree() {
    let Some(packed) = packed() else { return };
    if installed("python3", "--version") {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/members.py");
        lists(&packed, Command::new("python3").arg(program));
    }
}

#[test]
fn gos_archive_tar_lists_the_tree() {
    let Some(packed) = packed() else { return };
    if installed("go", "version") {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/members.go");
        let mut reader = Command::new("go");
        reader.env("GOCACHE", Path::new(PLACE).join("go-cache")).env("GO111MODULE", "off").env("GOFLAGS", "");
        lists(&packed, reader.args(["run", program]));
    }
}
