//! What a tree holds, and what an archive holds, as the same kind of value, read by code that is not the packer's.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, without a slash at the end.
    pub path: Vec<u8>,
    /// Its type flag.
    pub kind: char,
    /// Its permission bits.
    pub mode: u32,
    /// User and group id.
    pub owner: (u64, u64),
    /// Nanoseconds since 1970.
    pub mtime: i128,
    /// Its bytes; empty unless it is a file.
    pub content: Vec<u8>,
    /// A symlink's target, or the first name of a hard link.
    pub link: Vec<u8>,
    /// Extended attributes that tests give to entries; not what a machine gives to its own.
    pub attributes: Attributes,
}

type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

fn is_a_tests_own(name: &[u8]) -> bool {
    name.starts_with(b"user.") || name.starts_with(b"trusted.")
}

/// The members that an archive of the tree at `root` must have, in order.
pub fn of_tree(root: &Path) -> Vec<Member> {
    let mut members = Vec::new();
    visit(root, b"", &mut HashMap::new(), &mut members);
    members
}

fn visit(path: &Path, name: &[u8], seen: &mut HashMap<(u64, u64), Vec<u8>>, members: &mut Vec<Member>) {
    let found = fs::symlink_metadata(path).unwrap();
    let file_type = found.file_type();
    if file_type.is_socket() {
        return;
    }
    let mut member = Member {
        path: if name.is_empty() { b".".to_vec() } else { name.to_vec() },
        kind: '0',
        mode: found.mode() & 0o7777,
        owner: (found.uid().into(), found.gid().into()),
        mtime: i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec()),
        content: Vec::new(),
        link: Vec::new(),
        attributes: attributes(path),
    };
    if file_type.is_dir() {
        member.kind = '5';
        members.push(member);
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
        for child in names {
            let below =
                if name.is_empty() { child.as_bytes().to_vec() } else { [name, b"/", child.as_bytes()].concat() };
            visit(&path.join(&child), &below, seen, members);
        }
        return;
    }
    let first = seen.entry((found.dev(), found.ino())).or_insert_with(|| name.to_vec());
    if found.nlink() > 1 && first != name {
        member.kind = '1';
        member.link = first.clone();
    } else if file_type.is_symlink() {
        member.kind = '2';
        member.link = fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec();
    } else if file_type.is_fifo() {
        member.kind = '6';
    } else if file_type.is_char_device() {
        member.kind = '3';
    } else if file_type.is_block_device() {
        member.kind = '4';
    } else {
        member.content = fs::read(path).unwrap();
    }
    members.push(member);
}

fn attributes(path: &Path) -> Attributes {
    let mut names = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let value = |name: &[u8]| {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
        (name.to_vec(), value[..length].to_vec())
    };
    names[..length].split(|byte| *byte == 0).filter(|name| is_a_tests_own(name)).map(value).collect()
}

/// The members of an archive, in order. The `tar` crate finds the headers; pax records are read here, since it splits them
/// at newlines.
pub fn of_tar(tar: &[u8]) -> Vec<Member> {
    let mut archive = tar::Archive::new(tar);
    let (mut members, mut records) = (Vec::new(), BTreeMap::new());
    for entry in archive.entries().unwrap().raw(true) {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        let kind = char::from(header.entry_type().as_byte());
        if kind == 'x' {
            records = pax(&content);
            continue;
        }
        let records = std::mem::take(&mut records);
        let of = |key: &str, header: Vec<u8>| records.get(key.as_bytes()).cloned().unwrap_or(header);
        let path = of("path", header.path_bytes().into_owned());
        assert_eq!(path.ends_with(b"/"), kind == '5', "{path:?}");
        members.push(Member {
            path: path.strip_suffix(b"/").unwrap_or(&path).to_vec(),
            kind,
            mode: header.mode().unwrap(),
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            mtime: records.get(&b"mtime"[..]).map_or_else(
                || i128::from(header.mtime().unwrap()) * 1_000_000_000,
                |text| nanoseconds(std::str::from_utf8(text).unwrap()),
            ),
            content,
            link: of("linkpath", header.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default()),
            attributes: records.iter().filter_map(|(key, value)| Some((attribute(key)?, value.clone()))).collect(),
        });
    }
    members
}

/// The records of an extended header: `LENGTH KEY=VALUE\n`, one behind the other.
fn pax(mut bytes: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let (record, rest) = bytes.split_at(length);
        let record = record[space + 1..].strip_suffix(b"\n").unwrap();
        let equals = record.iter().position(|byte| *byte == b'=').unwrap();
        let before = records.insert(record[..equals].to_vec(), record[equals + 1..].to_vec());
        assert_eq!(before, None, "a record that stands there twice");
        bytes = rest;
    }
    assert!(bytes.is_empty());
    records
}

/// The name of the attribute that a record holds.
fn attribute(key: &[u8]) -> Option<Vec<u8>> {
    let key = String::from_utf8_lossy(key.strip_prefix(b"SCHILY.xattr.")?).into_owned();
    let name = key.replace("%3D", "=").replace("%25", "%").into_bytes();
    is_a_tests_own(&name).then_some(name)
}

/// A pax time as nanoseconds.
fn nanoseconds(text: &str) -> i128 {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let value = whole.parse::<i128>().unwrap() * 1_000_000_000 + format!("{fraction:0<9}").parse::<i128>().unwrap();
    if negative { -value } else { value }
}
