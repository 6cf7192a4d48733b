//! Random trees: a model that can be drawn by proptest and created on a disk, in any order.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

use testkit::cases::Noise;

/// A tree: directories by path, then everything else by path. All names are relative to the top.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: BTreeMap<String, Node>,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    kind: Kind,
    mode: u32,
    seconds: i64,
    nanoseconds: i64,
    /// Only root can give them; for anybody else entries have none, and their own owner.
    attributes: BTreeMap<String, Vec<u8>>,
    owner: (u32, u32),
}

#[derive(Clone, Debug)]
enum Kind {
    Directory,
    File { size: usize, texture: Texture },
    Symlink(String),
    Fifo,
    Socket,
    HardLink(Index),
}

/// What a file is filled with.
#[derive(Clone, Copy, Debug)]
enum Texture {
    Zeros,
    Words(u8),
    Noise(u64),
}

/// Trees of up to about 40 entries, with files from nothing to several segments.
pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    proptest::collection::vec((proptest::collection::vec(name(), 1..5), node()), 0..40).prop_map(|drawn| {
        let mut nodes: BTreeMap<String, Node> = BTreeMap::new();
        for (names, node) in drawn {
            let parents = (1..names.len()).map(|count| names[..count].join("/"));
            let blocked = |path: &String| nodes.get(path).is_some_and(|node| !matches!(node.kind, Kind::Directory));
            let path = names.join("/");
            if parents.clone().any(|parent| blocked(&parent)) || nodes.contains_key(&path) {
                continue;
            }
            for parent in parents {
                nodes.entry(parent).or_insert_with(|| Node { kind: Kind::Directory, ..node.clone() });
            }
            nodes.insert(path, node);
        }
        Plan { nodes }
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-c]{1,2}",
        2 => "[ -.0-~]{1,12}".prop_filter("no special names", |name| name != "." && name != ".."),
        1 => "\\PC{1,20}".prop_filter("no slash, not too long", |name| !name.contains('/') && name != "." && name != ".."),
        1 => (95..200_usize).prop_map(|length| "n".repeat(length)),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let texture =
        prop_oneof![Just(Texture::Zeros), any::<u8>().prop_map(Texture::Words), any::<u64>().prop_map(Texture::Noise)];
    let size = prop_oneof![
        10 => 0..3_000_usize,
        4 => prop::sample::select(vec![0, 1, 511, 512, 513, 1 << 20, (1 << 20) - 1, (4 << 20) + 1]),
        2 => 0..400_000_usize,
        1 => (1_usize << 20)..(9 << 20),
    ];
    let kind = prop_oneof![
        10 => (size, texture).prop_map(|(size, texture)| Kind::File { size, texture }),
        2 => Just(Kind::Directory),
        2 => prop_oneof!["[a-z./]{1,30}", (90..300_usize).prop_map(|length| "t/".repeat(length))].prop_map(Kind::Symlink),
        1 => Just(Kind::Fifo),
        1 => Just(Kind::Socket),
        2 => any::<Index>().prop_map(Kind::HardLink),
    ];
    let mode = prop::sample::select(vec![0o644, 0o755, 0o600, 0o4755, 0o2755, 0o1777, 0o700, 0o444]);
    let seconds = prop::sample::select(vec![0, 1, 1_700_000_000, -1, -86_400, 0x7fff_ffff, 1 << 33]);
    let nanoseconds = prop_oneof![3 => Just(0), 1 => 0..1_000_000_000_i64];
    // Names with every letter that means something in a record; values of any bytes. An ext4 has room for about 4 KiB of both.
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        Just(b"\n21 path=elsewhere\n".to_vec()),
        Just(b"\0\n=%".to_vec()),
    ];
    let attributes = prop_oneof![
        3 => Just(BTreeMap::new()),
        1 => proptest::collection::btree_map("trusted\\.[a-c=%.3D5]{1,12}", value, 1..4),
    ];
    let id = prop::sample::select(vec![0, 1, 1000, 65_534, 2_097_151, 2_097_152, 4_294_967_294]);
    let owner = prop_oneof![3 => Just((0, 0)), 1 => (id.clone(), id)];
    (kind, mode, seconds, nanoseconds, attributes, owner).prop_map(
        |(kind, mode, seconds, nanoseconds, attributes, owner)| Node {
            kind,
            mode,
            seconds,
            nanoseconds,
            attributes,
            owner,
        },
    )
}

impl Node {
    fn plain(kind: Kind, mode: u32, seconds: i64) -> Self {
        Node { kind, mode, seconds, nanoseconds: 0, attributes: BTreeMap::new(), owner: (0, 0) }
    }
}

/// A tree that is always the same, for tests that are about something else.
pub(crate) fn some() -> Plan {
    let file = |size, texture| Node::plain(Kind::File { size, texture }, 0o644, 1_700_000_000);
    let nodes = (0..60).map(|number| {
        let texture = if number % 3 == 0 { Texture::Noise(number) } else { Texture::Words(number as u8) };
        (format!("file-{number}"), file(number as usize * 9_000, texture))
    });
    Plan { nodes: nodes.collect() }
}

/// A part of it, of 1.3 MB.
pub(crate) fn fewer() -> Plan {
    let mut plan = some();
    plan.nodes.retain(|name, _| name.as_str() < "file-2");
    plan
}

/// A tree that is always the same, of few files: none, small, and of one segment and several.
pub(crate) fn sizes() -> Plan {
    let files = [
        ("empty", 0, Texture::Zeros),
        ("noise", 300_000, Texture::Noise(1)),
        ("small", 700, Texture::Words(3)),
        ("words", (5 << 20) + 3, Texture::Words(60)),
        ("zeros", 1 << 20, Texture::Zeros),
    ];
    let node =
        |(name, size, texture)| (String::from(name), Node::plain(Kind::File { size, texture }, 0o644, 1_700_000_000));
    Plan { nodes: files.map(node).into() }
}

impl Plan {
    /// The entries of this one that are kept, and those of another that fit in between.
    pub(crate) fn mixed(&self, other: &Plan, kept: &[bool]) -> Plan {
        let mut nodes: BTreeMap<String, Node> = BTreeMap::new();
        let ours = self.nodes.iter().zip(kept.iter().cycle()).filter(|(_, kept)| **kept).map(|(ours, _)| ours);
        for (path, node) in ours.chain(&other.nodes) {
            let above = path
                .rsplit_once('/')
                .is_none_or(|(above, _)| nodes.get(above).is_some_and(|node| matches!(node.kind, Kind::Directory)));
            if above && !nodes.contains_key(path) {
                nodes.insert(path.clone(), node.clone());
            }
        }
        Plan { nodes }
    }

    /// Creates the tree in `root`, an empty directory or none yet; `turned` creates siblings in the opposite order.
    pub(crate) fn create(&self, root: &Path, turned: bool) {
        fs::create_dir_all(root).unwrap();
        for (path, node) in &self.nodes {
            if matches!(node.kind, Kind::Directory) {
                fs::create_dir(root.join(path)).unwrap();
            }
        }
        let mut others: Vec<_> = self.nodes.iter().filter(|(_, node)| !matches!(node.kind, Kind::Directory)).collect();
        if turned {
            others.reverse();
        }
        let (links, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, node)| node.is_link());
        others.iter().for_each(|(path, node)| node.create(&root.join(path)));
        let files: Vec<_> = self.nodes.iter().filter(|(_, node)| matches!(node.kind, Kind::File { .. })).collect();
        for (path, node) in links {
            if let Kind::HardLink(index) = &node.kind
                && !files.is_empty()
            {
                fs::hard_link(root.join(index.get(&files).0), root.join(path)).unwrap();
            }
        }
        // Depth first: a directory's time changes with its content, and its mode may forbid changes.
        for (path, node) in self.nodes.iter().rev() {
            node.dress(&root.join(path), turned);
        }
        Node::plain(Kind::Directory, 0o755, 1_600_000_000).dress(root, turned);
    }
}

impl Node {
    fn is_link(&self) -> bool {
        matches!(self.kind, Kind::HardLink(_))
    }

    fn create(&self, path: &Path) {
        match &self.kind {
            Kind::File { size, texture } => fs::write(path, texture.bytes(*size)).unwrap(),
            Kind::Symlink(target) => symlink(target, path).unwrap(),
            Kind::Fifo => rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
            Kind::Socket => {
                // A socket's path has room for 107 bytes only, wherever the tree is.
                let (parent, name) = (fs::File::open(path.parent().unwrap()).unwrap(), path.file_name().unwrap());
                let short = Path::new("/proc/self/fd").join(parent.as_raw_fd().to_string()).join(name);
                if name.len() < 80 {
                    drop(UnixListener::bind(short).unwrap());
                } else {
                    fs::write(path, b"no socket").unwrap();
                }
            }
            Kind::Directory | Kind::HardLink(_) => {}
        }
    }

    fn dress(&self, path: &Path, turned: bool) {
        if self.is_link() {
            return;
        }
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(path, Some(self.owner.0), Some(self.owner.1)).unwrap();
            let mut attributes: Vec<_> = self.attributes.iter().collect();
            if turned {
                attributes.reverse();
            }
            for (name, value) in attributes {
                rustix::fs::lsetxattr(path, name.as_str(), value, XattrFlags::empty()).unwrap();
            }
        }
        if !matches!(self.kind, Kind::Symlink(_)) {
            fs::set_permissions(path, fs::Permissions::from_mode(self.mode)).unwrap();
        }
        let time = Timespec { tv_sec: self.seconds, tv_nsec: self.nanoseconds };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

impl Texture {
    fn bytes(self, size: usize) -> Vec<u8> {
        match self {
            Texture::Zeros => vec![0; size],
            Texture::Words(seed) => {
                let word: Vec<u8> = (0..=seed % 61).map(|letter| b'a' + (letter ^ seed) % 26).collect();
                word.iter().copied().cycle().take(size).collect()
            }
            Texture::Noise(seed) => Noise(seed).bytes(size),
        }
    }
}
