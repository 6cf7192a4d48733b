//! The tree of corners: everything about an entry that a root filesystem may hold, as a table, made as root.
//!
//! Times, owners, contents and attributes are fixed, so the archive of this tree is the same everywhere.

use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

/// One entry; a path is relative to the top, and empty for the top itself.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) path: Vec<u8>,
    kind: Kind,
    mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) time: (i64, i64),
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// `access` or `default`, and the text form of the list with numeric ids.
    pub(crate) lists: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug)]
enum Kind {
    File(Vec<u8>),
    Directory,
    Symlink(Vec<u8>),
    /// A fifo, a socket or a device.
    Special(FileType, u64),
    HardLink(Vec<u8>),
}

impl Node {
    /// The name that it is a further name of.
    pub(crate) fn first_name(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::HardLink(first) => Some(first),
            _ => None,
        }
    }
}

/// The order in which siblings and attributes are created; the archive must not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Forwards,
    Backwards,
}

const ACCESS: &str = "user::rwx,user:1000:r-x,group::r-x,mask::rwx,other::r--";
const DEFAULT: &str = "user::rwx,user:0:-wx,user:2097152:--x,group::r-x,group:1000:rw-,mask::rwx,other::---";
const LARGE: &str = "user::rwx,user:2147483648:r--,group::r-x,group:4294967294:rw-,mask::rwx,other::---";

/// Attributes of `attributes/machine` that an image leaves out.
pub(crate) const OF_THE_HOST: [(&str, &[u8]); 4] = [
    ("security.selinux", b"system_u:object_r:etc_t:s0\0"),
    ("security.ima", b"\x04\x04hash"),
    ("security.evm", b"\x03machine"),
    ("trusted.overlay.origin", b"\0\xfb\x1d"),
];

/// Capabilities as the kernel keeps them: `cap_net_bind_service=ep`, for everyone and for one user namespace.
const CAPABILITY_2: &[u8] = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const CAPABILITY_3: &[u8] = b"\x01\0\0\x03\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\x42\x0f\0";

/// Times around every limit, of those that every filesystem can hold.
const TIMES: [(&str, (i64, i64)); 8] = [
    ("epoch", (0, 0)),
    ("before", (-1, 0)),
    ("long-before", (-2, 500_000_000)),
    ("just-before", (-1, 999_999_999)),
    ("half", (1, 500_000_000)),
    ("nanosecond", (1_700_000_000, 1)),
    ("above-octal", (1 << 33, 0)),
    ("after-2242", (9_000_000_000, 250_000_000)),
];

const OWNERS: [(u32, u32); 6] = [
    (0, 0),
    (1_000, 1_000),
    (2_097_151, 2_097_152),
    (2_097_152, 2_097_151),
    (4_294_967_294, 0),
    (1_000, 4_294_967_294),
];

/// The whole tree, parents before what is in them.
pub(crate) fn nodes() -> Vec<Node> {
    let mut nodes = vec![
        directory("").mode(0o751).owner(2_097_152, 1_000).time((1_500_000_000, 123_456_789)).attribute("user.top", "t"),
    ];
    sizes(&mut nodes);
    modes(&mut nodes);
    owners_and_times(&mut nodes);
    names(&mut nodes);
    symlinks(&mut nodes);
    specials(&mut nodes);
    hard_links(&mut nodes);
    attributes(&mut nodes);
    lists(&mut nodes);
    nodes
}

fn sizes(nodes: &mut Vec<Node>) {
    nodes.push(directory("sizes"));
    for size in [0, 1, 511, 512, 513, 70_000] {
        nodes.push(file(format!("sizes/{size}"), (0..size).map(|at| (at % 251) as u8).collect()));
    }
}

/// Every bit alone and all together, on files and on directories.
fn modes(nodes: &mut Vec<Node>) {
    nodes.push(directory("modes"));
    let single = (0..12).map(|bit| 1 << bit);
    for mode in single.chain([0, 0o644, 0o755, 0o1777, 0o2755, 0o4755, 0o6711, 0o7777]) {
        nodes.push(file(format!("modes/file-{mode:04o}"), b"mode".to_vec()).mode(mode));
        nodes.push(directory(format!("modes/directory-{mode:04o}")).mode(mode));
        nodes.push(file(format!("modes/directory-{mode:04o}/below"), Vec::new()));
    }
}

fn owners_and_times(nodes: &mut Vec<Node>) {
    nodes.push(directory("owners"));
    for (uid, gid) in OWNERS {
        let path = format!("owners/{uid}-{gid}");
        nodes.push(directory(&path).owner(uid, gid));
        nodes.push(file(format!("{path}/file"), b"owned".to_vec()).mode(0o6755).owner(uid, gid));
        nodes.push(link(format!("{path}/link"), "file").owner(uid, gid));
        nodes.push(special(format!("{path}/fifo"), FileType::Fifo).owner(uid, gid));
    }
    nodes.push(directory("times"));
    for (name, time) in TIMES {
        nodes.push(directory(format!("times/{name}")).time(time));
        nodes.push(file(format!("times/{name}/file"), Vec::new()).time(time));
        nodes.push(link(format!("times/{name}/link"), "file").time(time));
        nodes.push(special(format!("times/{name}/fifo"), FileType::Fifo).time(time));
    }
}

/// Names around the limits of the header's fields, and of any bytes.
fn names(nodes: &mut Vec<Node>) {
    nodes.push(directory("names"));
    for length in [94, 95, 100, 101, 155, 156, 255] {
        nodes.push(file(format!("names/{}", "n".repeat(length)), vec![b'n'; length]));
        nodes.push(directory(format!("names/{}", "d".repeat(length))));
        nodes.push(file(format!("names/{}/{}", "d".repeat(length), "f".repeat(length)), vec![b'f'; length]));
    }
    let odd: [&[u8]; 9] = [
        "\u{fc}n\u{ef}c\u{f6}de \u{65e5}\u{672c}".as_bytes(),
        b"\xff\xfe invalid",
        b"new\nline",
        b"back\\slash\\",
        b"-leading",
        b" spaces ",
        b"tab\t, bell \x07, delete \x7f",
        b"*?[glob]",
        b"a=b 12 path=c",
    ];
    for name in odd {
        nodes.push(file([b"names/", name].concat(), name.to_vec()));
        let long = [b"names/", name, &b"l".repeat(200)[..], name].concat();
        nodes.push(directory(&long));
        nodes.push(file([&long[..], b"/", name].concat(), name.to_vec()));
    }
}

fn symlinks(nodes: &mut Vec<Node>) {
    nodes.push(directory("symlinks"));
    for length in [1, 100, 101, 255, 256, 4_095] {
        nodes.push(link(format!("symlinks/{length}"), "x/".repeat(length).split_at(length).0));
    }
    nodes.push(link("symlinks/invalid", b"\xff\xfe/\n\xc3"));
    nodes.push(link("symlinks/long-invalid", [&b"t".repeat(150)[..], b"\xff\n\xfe"].concat()));
    nodes.push(link("symlinks/record", [&b"t".repeat(150)[..], b"\n18 path=elsewhere\n"].concat()));
    nodes.push(link("symlinks/here", "there"));
    nodes.push(link("symlinks/there", "here"));
    nodes.push(link("symlinks/self", "self"));
    nodes.push(link("symlinks/absolute", "/etc/passwd"));
    nodes.push(link("symlinks/up", "../../../.."));
    nodes.push(link("symlinks/directory", "../sizes"));
}

fn specials(nodes: &mut Vec<Node>) {
    nodes.push(directory("specials"));
    nodes.push(special("specials/fifo", FileType::Fifo).mode(0o620).owner(1_000, 5));
    nodes.push(special("specials/socket", FileType::Socket));
    for (number, (major, minor)) in [(0, 0), (1, 3), (8, 255), (4_095, 1_048_575)].into_iter().enumerate() {
        nodes.push(device(format!("specials/character-{number}"), FileType::CharacterDevice, major, minor));
        nodes.push(device(format!("specials/block-{number}"), FileType::BlockDevice, major, minor).mode(0o4660));
    }
    nodes.push(directory("dev"));
    nodes.push(device("dev/null", FileType::CharacterDevice, 1, 3).mode(0o666));
}

/// Further names of one entry of each kind, before and after it and elsewhere.
fn hard_links(nodes: &mut Vec<Node>) {
    nodes.push(directory("links"));
    nodes.push(directory("links/below"));
    nodes.push(file("links/m-file", b"shared".to_vec()).attribute("user.shared", "yes").time((5, 5)));
    nodes.push(file("links/m-empty", Vec::new()));
    nodes.push(link("links/m-symlink", "m-file").attribute("trusted.shared", "yes").owner(7, 8));
    nodes.push(special("links/m-fifo", FileType::Fifo));
    nodes.push(device("links/m-device", FileType::CharacterDevice, 1, 5));
    for kind in ["file", "empty", "symlink", "fifo", "device"] {
        let long = format!("links/below/{}", "z".repeat(120));
        for name in [format!("links/a-{kind}"), format!("links/z-{kind}"), format!("{long}-{kind}")] {
            nodes.push(node(name, Kind::HardLink(format!("links/m-{kind}").into_bytes())));
        }
    }
    nodes.push(node(b"links/\xff", Kind::HardLink(b"links/m-file".to_vec())));
}

/// Names and values of extended attributes, on every kind of entry that can have them.
fn attributes(nodes: &mut Vec<Node>) {
    let all: Vec<u8> = (0..=255).collect();
    nodes.push(directory("attributes").attribute("user.directory", "d").attribute("trusted.directory", &all));
    type Attributes<'a> = &'a [(&'a str, &'a [u8])];
    let cases: [(&str, Attributes<'_>); 9] = [
        (
            "names",
            &[("user.a=b", b"1"), ("user.100%", b"2"), ("user.%3D", b"3"), ("user.\u{fc}", b"4"), ("user.=", b"")],
        ),
        ("newlines", &[("user.newline", b"\n"), ("user.record", b"one\n18 path=elsewhere\n"), ("user.z", b"z")]),
        ("empty", &[("user.empty", b"")]),
        ("zeros", &[("user.zero", b"\0"), ("user.zeros", b"a\0b\0\0")]),
        ("all", &[("user.all", &all), ("trusted.all", &all)]),
        ("order", &[("user.b", b"2"), ("user.a", b"1"), ("trusted.c", b"3"), ("user.B", b"4"), ("user.a.a", b"5")]),
        ("signed", &[("security.ima", b"\x03\x04\xff\n"), ("security.evm", b"\x05\x02\xff\n")]),
        ("capability-2", &[("security.capability", CAPABILITY_2)]),
        ("capability-3", &[("security.capability", CAPABILITY_3), ("user.other", b"o")]),
    ];
    for (name, attributes) in cases {
        let file = file(format!("attributes/{name}"), name.into()).mode(0o755).owner(1_000, 1_000);
        nodes.push(attributes.iter().fold(file, |file, (name, value)| file.attribute(*name, value)));
    }
    nodes.push(file("attributes/large", Vec::new()).attribute("user.large", vec![b'\n'; 3_000]));
    let long = "n".repeat(120);
    nodes.push(file(format!("attributes/{long}"), Vec::new()).attribute("user.long\u{fc}", "a\nb"));
    nodes.push(directory("attributes/newlines-below").attribute("user.newline", "\n").attribute("user.empty", ""));
    nodes.push(directory("attributes/opaque").attribute("trusted.overlay.opaque", "y"));
    nodes.push(link("attributes/link", "nowhere").attribute("trusted.a=b", "link\n").attribute("trusted.empty", ""));
    nodes.push(link("attributes/link-record", "nowhere").attribute("trusted.r", "\n22 linkpath=elsewhere\n"));
    nodes.push(file("attributes/name-record", Vec::new()).attribute("user.r\n18 path", "elsewhere"));
    nodes.push(special("attributes/fifo", FileType::Fifo).attribute("trusted.fifo", &all));
    for (name, kind) in [("character", FileType::CharacterDevice), ("block", FileType::BlockDevice)] {
        nodes.push(device(format!("attributes/{name}"), kind, 7, 7).attribute("trusted.device", "d%\n"));
    }
    let machine = file("attributes/machine", b"m".to_vec()).attribute("user.m", "");
    nodes.push(OF_THE_HOST.iter().fold(machine, |file, (name, value)| file.attribute(*name, value)));
}

/// Access and default lists, with entries below a directory that hands its list down.
fn lists(nodes: &mut Vec<Node>) {
    nodes.push(directory("lists"));
    nodes.push(file("lists/file", b"list".to_vec()).mode(0o774).list("access", ACCESS));
    nodes.push(file("lists/with-attributes", Vec::new()).mode(0o774).list("access", ACCESS).attribute("user.l", "\n"));
    nodes.push(special("lists/fifo", FileType::Fifo).mode(0o774).list("access", ACCESS));
    nodes.push(directory("lists/access").mode(0o774).list("access", ACCESS));
    nodes.push(directory("lists/default").list("default", DEFAULT));
    nodes.push(file("lists/default/plain", b"no list".to_vec()));
    nodes.push(directory("lists/default/plain-directory"));
    nodes.push(file("lists/default/plain-directory/below", Vec::new()).mode(0o600));
    nodes.push(directory("lists/large-id").mode(0o770).list("access", LARGE).list("default", LARGE));
    nodes.push(directory("lists/both").mode(0o2774).list("access", ACCESS).list("default", DEFAULT));
    nodes.push(file("lists/both/below", Vec::new()).mode(0o774).list("access", ACCESS));
}

fn node(path: impl AsRef<[u8]>, kind: Kind) -> Node {
    let (path, time) = (path.as_ref().to_vec(), (1_700_000_000, 0));
    Node { path, kind, mode: 0o644, owner: (0, 0), time, attributes: Vec::new(), lists: Vec::new() }
}

fn file(path: impl AsRef<[u8]>, content: Vec<u8>) -> Node {
    node(path, Kind::File(content))
}

fn directory(path: impl AsRef<[u8]>) -> Node {
    node(path, Kind::Directory).mode(0o755)
}

fn link(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Node {
    node(path, Kind::Symlink(target.as_ref().to_vec()))
}

fn special(path: impl AsRef<[u8]>, kind: FileType) -> Node {
    node(path, Kind::Special(kind, 0))
}

fn device(path: impl AsRef<[u8]>, kind: FileType, major: u32, minor: u32) -> Node {
    node(path, Kind::Special(kind, rustix::fs::makedev(major, minor)))
}

impl Node {
    fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    fn owner(mut self, uid: u32, gid: u32) -> Self {
        self.owner = (uid, gid);
        self
    }

    fn time(mut self, time: (i64, i64)) -> Self {
        self.time = time;
        self
    }

    fn attribute(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.attributes.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    fn list(mut self, which: &'static str, text: &str) -> Self {
        self.lists.push((which, text.to_owned()));
        self
    }
}

/// Makes the tree in `top`, an empty directory. Whatever the filesystem refuses ends the test.
pub(crate) fn create(top: &Path, nodes: &[Node], order: Order) {
    let (directories, mut others): (Vec<&Node>, Vec<&Node>) =
        nodes.iter().partition(|node| matches!(node.kind, Kind::Directory));
    if order == Order::Backwards {
        others.reverse();
    }
    let (links, others): (Vec<&Node>, Vec<&Node>) =
        others.into_iter().partition(|node| matches!(node.kind, Kind::HardLink(_)));
    for node in directories.iter().chain(&others).chain(&links) {
        make(&under(top, &node.path), node, top);
    }
    for node in others.iter().chain(&directories) {
        dress(&under(top, &node.path), node, order);
    }
    // Times last, because everything else changes those of directories, and links those of nothing.
    for node in others.iter().chain(&directories) {
        let time = Timespec { tv_sec: node.time.0, tv_nsec: node.time.1 };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, under(top, &node.path), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

fn under(top: &Path, path: &[u8]) -> std::path::PathBuf {
    if path.is_empty() { top.to_owned() } else { top.join(OsStr::from_bytes(path)) }
}

fn make(path: &Path, node: &Node, top: &Path) {
    match &node.kind {
        Kind::Directory if node.path.is_empty() => {}
        Kind::Directory => fs::create_dir(path).unwrap(),
        Kind::File(content) => fs::write(path, content).unwrap(),
        Kind::Symlink(target) => symlink(OsStr::from_bytes(target), path).unwrap(),
        Kind::Special(kind, device) => rustix::fs::mknodat(CWD, path, *kind, Mode::RUSR, *device).unwrap(),
        Kind::HardLink(target) => fs::hard_link(under(top, target), path).unwrap(),
    }
}

/// Owner, mode and attributes, in the order in which none undoes another.
fn dress(path: &Path, node: &Node, order: Order) {
    lchown(path, Some(node.owner.0), Some(node.owner.1)).unwrap();
    if !matches!(node.kind, Kind::Symlink(_)) {
        fs::set_permissions(path, fs::Permissions::from_mode(node.mode)).unwrap();
    }
    let lists = node.lists.iter().map(|(which, text)| (format!("system.posix_acl_{which}").into_bytes(), binary(text)));
    let mut attributes: Vec<(Vec<u8>, Vec<u8>)> = node.attributes.iter().cloned().chain(lists).collect();
    if order == Order::Backwards {
        attributes.reverse();
    }
    for (name, value) in attributes {
        let set = rustix::fs::lsetxattr(path, CString::new(name.clone()).unwrap(), &value, XattrFlags::empty());
        set.unwrap_or_else(|error| panic!("{path:?}: {}: {error}", name.escape_ascii()));
    }
}

/// An access control list as the kernel takes it: version 2, then tag, permissions and id of each entry.
fn binary(text: &str) -> Vec<u8> {
    let mut list = 2_u32.to_le_bytes().to_vec();
    for entry in text.split(',') {
        let fields: Vec<&str> = entry.split(':').collect();
        let tag = match (fields[0], fields[1]) {
            ("user", "") => 1_u16,
            ("user", _) => 2,
            ("group", "") => 4,
            ("group", _) => 8,
            ("mask", _) => 0x10,
            _ => 0x20,
        };
        let permissions = fields[2].bytes().fold(0_u16, |bits, letter| bits * 2 + u16::from(letter != b'-'));
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(fields[1].parse::<u32>().unwrap_or(u32::MAX).to_le_bytes());
    }
    list
}
