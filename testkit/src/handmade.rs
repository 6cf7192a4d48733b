//! Archives that are made header by header, with anything in them.

use proptest::prelude::*;

/// An archive under construction.
#[derive(Clone, Debug, Default)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    /// A header of some kind, with fields of one's own; then content, filled up to whole blocks.
    pub fn with(mut self, flag: u8, name: &str, content: &[u8], change: impl FnOnce(&mut [u8; 512])) -> Self {
        let mut block = [0; 512];
        block[..name.len().min(100)].copy_from_slice(&name.as_bytes()[..name.len().min(100)]);
        block[257..265].copy_from_slice(b"ustar\x0000");
        for (field, value) in [(100..107, 0o644), (108..115, 0), (116..123, 0), (136..147, 0)] {
            let width = field.len();
            block[field].copy_from_slice(format!("{value:0width$o}").as_bytes());
        }
        block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        block[156] = flag;
        change(&mut block);
        checksummed(&mut block);
        self.0.extend_from_slice(&block);
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// An empty member of a type.
    pub fn member(self, flag: u8, name: &str) -> Self {
        self.with(flag, name, b"", |_| {})
    }

    /// A file with seven bytes of content.
    pub fn file(self, name: &str) -> Self {
        self.with(b'0', name, b"content", |_| {})
    }

    /// A link of a type to `target`.
    pub fn link(self, flag: u8, name: &str, target: &str) -> Self {
        self.with(flag, name, b"", |block| block[157..157 + target.len()].copy_from_slice(target.as_bytes()))
    }

    /// An extended header with these records.
    pub fn records(self, flag: u8, records: &[(&str, &str)]) -> Self {
        let text: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
        self.with(flag, "records", &text, |_| {})
    }

    /// Bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The two zero blocks that end an archive.
    pub fn end(self) -> Self {
        self.raw(&[0; 1024])
    }
}

fn checksummed(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest..).find(|length| rest + length.to_string().len() == *length).unwrap();
    format!("{length} {key}={value}\n").into_bytes()
}

/// An empty archive.
pub fn tar() -> Tar {
    Tar::default()
}

/// A member: most are as they should be, some have anything in their fields.
#[derive(Clone, Debug)]
struct Member {
    flag: u8,
    name: String,
    content: Vec<u8>,
    link: String,
    changes: Vec<(usize, u8)>,
}

fn member() -> impl Strategy<Value = Member> {
    let flag = prop_oneof![
        8 => prop::sample::select(b"0000555512xxgLKS".to_vec()),
        1 => prop::sample::select(b"\x00123467XVDMZ".to_vec()),
    ];
    let name = prop_oneof![4 => "[a-d]", 2 => "[a-d]/[a-d]", 1 => "[a./]{0,6}", 1 => "\\PC{0,20}"];
    let record = prop_oneof![
        4 => (prop::sample::select(vec!["uid", "mtime", "GNU.sparse.size", "comment"]), "[0-9]{1,5}"),
        2 => (prop::sample::select(vec!["path", "linkpath", "SCHILY.xattr.user.a", "GNU.sparse.name"]), "[a-d]"),
        1 => (prop::sample::select(vec!["path", "size", "mtime", "GNU.sparse.map", "SCHILY.acl.access"]), "[0-9a,./-]{0,8}"),
    ];
    let records = proptest::collection::vec(record, 0..3).prop_map(|records| -> Vec<u8> {
        records.into_iter().flat_map(|(key, value)| self::record(key, &value)).collect()
    });
    let content =
        prop_oneof![proptest::collection::vec(any::<u8>(), 0..600), "[0-9\n]{0,600}".prop_map(String::into_bytes)];
    let changes = prop_oneof![3 => Just(vec![]), 1 => proptest::collection::vec((0..512_usize, any::<u8>()), 1..4)];
    (flag, name, records, content, "[a-d]", changes, 0..8_u8).prop_map(
        |(flag, name, records, content, link, changes, odd)| {
            let content = match flag {
                _ if odd == 0 => content,
                b'x' | b'X' | b'g' => records,
                b'L' | b'K' => name.clone().into_bytes(),
                b'0' | b'7' | 0 => content,
                _ => Vec::new(),
            };
            Member { flag, name, content, link, changes }
        },
    )
}

/// Archives whose headers have the right checksums, and anything else in them; some are cut, or have a byte changed.
pub fn archive() -> impl Strategy<Value = Tar> {
    let damage = prop_oneof![
        4 => Just(None),
        1 => (any::<prop::sample::Index>(), any::<Option<u8>>()).prop_map(Some),
    ];
    (proptest::collection::vec(member(), 0..6), damage).prop_map(|(members, damage)| {
        let mut tar = tar();
        for Member { flag, name, content, link, changes } in members {
            tar = tar.with(flag, &name, &content, |block| {
                block[157..157 + link.len()].copy_from_slice(link.as_bytes());
                changes.iter().for_each(|(at, byte)| block[*at] = *byte);
            });
        }
        let mut tar = tar.end();
        if let Some((at, byte)) = damage {
            let at = at.index(tar.0.len());
            match byte {
                Some(byte) => tar.0[at] = byte,
                None => tar.0.truncate(at),
            }
        }
        tar
    })
}
