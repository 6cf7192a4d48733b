//! What a tree holds, and what an archive holds, as the same kind of value, read by code that is not the packer's.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: char,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    /// Nanoseconds since 1970.
    pub(crate) mtime: i128,
    pub(crate) content: Vec<u8>,
    /// A symlink's target, or the first name of a hard link.
    pub(crate) link: Vec<u8>,
}

/// The members that an archive of the tree at `root` must have, in order.
pub(crate) fn of_tree(root: &Path) -> Vec<Member> {
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

/// The members of an archive, in order, as the `tar` crate reads them.
pub(crate) fn of_tar(tar: &[u8]) -> Vec<Member> {
    let mut archive = tar::Archive::new(tar);
    let mut members = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut records = HashMap::new();
        if let Some(extensions) = entry.pax_extensions().unwrap() {
            for record in extensions {
                // The crate splits records at newlines, which may stand in a name.
                let Ok(record) = record else { continue };
                records.insert(record.key_bytes().to_vec(), record.value_bytes().to_vec());
            }
        }
        let header = entry.header().clone();
        let path = entry.path_bytes().into_owned();
        let trimmed = path.strip_suffix(b"/").unwrap_or(&path).to_vec();
        let kind = char::from(header.entry_type().as_byte());
        assert_eq!(path.ends_with(b"/"), kind == '5', "{path:?}");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        members.push(Member {
            path: trimmed,
            kind,
            mode: header.mode().unwrap(),
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            mtime: records.get(&b"mtime"[..]).map_or_else(
                || i128::from(header.mtime().unwrap()) * 1_000_000_000,
                |text| nanoseconds(std::str::from_utf8(text).unwrap()),
            ),
            content,
            link: entry.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default(),
        });
    }
    members
}

/// A pax time as nanoseconds.
fn nanoseconds(text: &str) -> i128 {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let value = whole.parse::<i128>().unwrap() * 1_000_000_000 + format!("{fraction:0<9}").parse::<i128>().unwrap();
    if negative { -value } else { value }
}
