//! The tar that is written: POSIX pax, one member per entry, two zero blocks at the end.
//!
//! This is the whole of the format (IEEE Std 1003.1-2017, *pax*, "ustar Interchange Format" and "pax Extended Header").
//! What goes in depends on the entry alone, so the same tree gives the same bytes whoever frames which part of it.
//!
//! | field | what is written |
//! |---|---|
//! | name | raw bytes into `name` or `prefix`/`name` if they fit; else a pax `path`, after `hdrcharset=BINARY` if not UTF-8 |
//! | link target | likewise `linkname`, or pax `linkpath` |
//! | size, uid, gid | octal; above what octal holds base-256 *and* a pax record |
//! | mtime | whole seconds; a pax `mtime` only for nanoseconds, before 1970 and after 2242 |
//! | devmajor, devminor | for devices only |
//! | files without their holes | GNU tar's sparse format 1.0: `GNU.sparse.*` records, and a map before the data |
//! | extended attributes | `SCHILY.xattr.NAME` with `%` and `=` in the name as `%25` and `%3D`; ACLs also as text, `SCHILY.acl.access` and `SCHILY.acl.default` |
//! | user and group name, atime, ctime | never: they are the host's, not the tree's |

mod pax;
mod ustar;

use crate::buffer::Buffer;
use crate::tree::entry::{Entry, Kind};
use pax::Records;
use ustar::{Block, TypeFlag};

/// The unit of the format, in bytes: headers are one of these, contents are padded to a multiple.
pub(crate) const BLOCK: usize = 512;

/// What ends an archive: two blocks of zeros.
pub(crate) const END: usize = 2 * BLOCK;

/// The longest extended header that is written, in bytes: Go's `archive/tar`, and with it most container tools, refuses
/// more.
pub(crate) const EXTENDED_LIMIT: u64 = 1 << 20;

/// Appends the header of `entry`, with the pax header before it if it needs one.
pub(crate) fn header(entry: &Entry, out: &mut Buffer) {
    let name = name(entry);
    let records = Records::of(&name, entry);
    if !records.is_empty() {
        let mut block = Block::new(TypeFlag::Extended);
        block.name(&pax::beside("PaxHeaders", &entry.path));
        block.mode(0o644);
        block.number(ustar::SIZE, i128::from(records.len()));
        block.append_to(out);
        records.append_to(out);
        pad(out, records.len());
    }
    let mut block = Block::new(type_flag(&entry.kind));
    match entry.kind {
        // Whoever does not know the format gets what it is, not a file with a map in it under the file's name.
        Kind::SparseFile { .. } => block.name(&pax::beside("GNUSparseFile.0", &entry.path)),
        _ => block.name(&name),
    }
    block.link(link(entry));
    block.mode(entry.stat.permissions());
    block.number(ustar::UID, i128::from(entry.owner.uid));
    block.number(ustar::GID, i128::from(entry.owner.gid));
    block.number(ustar::SIZE, i128::from(content(entry)));
    block.number(ustar::MTIME, i128::from(entry.modified.seconds));
    if matches!(entry.kind, Kind::CharacterDevice | Kind::BlockDevice) {
        block.device(entry.stat.device);
    }
    block.append_to(out);
}

/// Appends a whole member whose content is given.
pub(crate) fn member(entry: &Entry, content: &[u8], out: &mut Buffer) {
    header(entry, out);
    out.append(content);
    pad(out, content.len() as u64);
}

/// Appends the zeros that fill up the last block of `length` bytes of content.
pub(crate) fn pad(out: &mut Buffer, length: u64) {
    out.append_zeros(padding(length));
}

/// The bytes that a member takes in the archive: headers, content and padding.
pub(crate) fn framed_length(entry: &Entry) -> u64 {
    let extended = Records::of(&name(entry), entry).len();
    let extended = if extended == 0 { 0 } else { BLOCK as u64 + extended + padding(extended) as u64 };
    let content = content(entry);
    extended + BLOCK as u64 + content + padding(content) as u64
}

/// The length of an entry's extended header, if it is beyond [`EXTENDED_LIMIT`].
pub(crate) fn too_long(entry: &Entry) -> Option<u64> {
    let attributes: usize = entry.attributes.iter().map(|attribute| attribute.name.len() + attribute.value.len()).sum();
    // Every text at most three times (an ACL is written twice, as text a little longer), and some numbers.
    if 4 * (attributes + entry.path.len() + link(entry).len()) as u64 + 4096 < EXTENDED_LIMIT {
        return None;
    }
    Some(Records::of(&name(entry), entry).len()).filter(|length| *length > EXTENDED_LIMIT)
}

/// The bytes of content that follow an entry's header.
pub(crate) fn content(entry: &Entry) -> u64 {
    match &entry.kind {
        Kind::File => entry.stat.size,
        Kind::SparseFile { map } => map.stored(),
        _ => 0,
    }
}

fn padding(length: u64) -> usize {
    (length.next_multiple_of(BLOCK as u64) - length) as usize
}

/// The name as the archive has it: `./` for a top that has none, a slash at the end of every directory.
fn name(entry: &Entry) -> Vec<u8> {
    let directory = matches!(entry.kind, Kind::Directory);
    match (entry.prefix, &*entry.path, directory) {
        (b"", b"", _) => b"./".to_vec(),
        (prefix, b"", _) => prefix.to_vec(),
        (prefix, path, true) => [prefix, path, b"/"].concat(),
        (prefix, path, false) => [prefix, path].concat(),
    }
}

fn type_flag(kind: &Kind) -> TypeFlag {
    match kind {
        Kind::File | Kind::SparseFile { .. } => TypeFlag::Regular,
        Kind::HardLink { .. } => TypeFlag::HardLink,
        Kind::Directory => TypeFlag::Directory,
        Kind::Symlink { .. } => TypeFlag::Symlink,
        Kind::Fifo => TypeFlag::Fifo,
        Kind::CharacterDevice => TypeFlag::Character,
        Kind::BlockDevice => TypeFlag::Block,
    }
}

/// The first name of a hard link, or a symlink's target.
fn link(entry: &Entry) -> &[u8] {
    match &entry.kind {
        Kind::HardLink { target } => target,
        Kind::Symlink { target } => target,
        Kind::File
        | Kind::SparseFile { .. }
        | Kind::Directory
        | Kind::Fifo
        | Kind::CharacterDevice
        | Kind::BlockDevice => b"",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::tree::entry::Timestamp;
    use crate::tree::id_map::Owner;
    use testkit::listing;

    /// Bytes as names and targets may have them.
    fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(1..=255_u8, 1..longest),
            proptest::collection::vec(
                prop_oneof![Just(b'a'), Just(b'\n'), Just(b'='), Just(b' '), Just(b'7')],
                1..longest
            ),
        ]
    }

    /// A path: names without slashes, joined.
    fn path() -> impl Strategy<Value = Vec<u8>> {
        let name = bytes(160).prop_map(|mut name| {
            name.iter_mut().filter(|byte| **byte == b'/').for_each(|byte| *byte = b'_');
            name
        });
        proptest::collection::vec(name, 1..4).prop_map(|names| names.join(&b'/'))
    }

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![
            3 => Just(Kind::File),
            1 => Just(Kind::Directory),
            2 => bytes(300).prop_map(|target| Kind::Symlink { target: target.into() }),
            1 => path().prop_map(|target| Kind::HardLink { target: target.into() }),
            1 => Just(Kind::Fifo),
            1 => Just(Kind::BlockDevice),
        ]
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let attribute =
            (bytes(40).prop_map(|name| [b"user.", &name[..]].concat()), proptest::collection::vec(any::<u8>(), 0..90));
        let attributes = proptest::collection::vec(attribute, 0..4);
        let time = (prop_oneof![-(1_i64 << 36)..1 << 36, 0..1_i64 << 33], prop_oneof![Just(0), 0..1_000_000_000_u32]);
        (path(), kind(), 0..1_500_u64, (any::<u32>(), any::<u32>()), time, 0..0o10000_u16, attributes).prop_map(
            |(path, kind, size, (uid, gid), (seconds, nanoseconds), mode, attributes)| {
                let mut entry = Entry::made_up(&path, size);
                // The test's reader takes names as text.
                let utf8 = |name: &[u8]| std::str::from_utf8(name).is_ok();
                let attributes: BTreeMap<_, _> = attributes.into_iter().filter(|(name, _)| utf8(name)).collect();
                entry.kind = kind;
                entry.owner = Owner { uid, gid };
                entry.modified = Timestamp { seconds, nanoseconds };
                entry.stat.mode = mode;
                entry.attributes = attributes.into_iter().collect();
                entry
            },
        )
    }

    proptest! {
        #[test]
        fn a_member_is_read_back_as_it_was(entry in entry()) {
            let mut tar = Buffer::default();
            header(&entry, &mut tar);
            let content: Vec<u8> = (0..content(&entry)).map(|at| at as u8).collect();
            tar.append(&content);
            pad(&mut tar, content.len() as u64);
            prop_assert_eq!(tar.len() as u64, framed_length(&entry));
            tar.append_zeros(END);
            let [member] = &listing::of_tar(&tar)[..] else { panic!("not one member") };
            prop_assert_eq!(&member.path[..], &*entry.path);
            prop_assert_eq!(&member.link[..], link(&entry));
            prop_assert_eq!(member.mode, u32::from(entry.stat.permissions()));
            prop_assert_eq!(member.owner, (entry.owner.uid.into(), entry.owner.gid.into()));
            let time = i128::from(entry.modified.seconds) * 1_000_000_000 + i128::from(entry.modified.nanoseconds);
            prop_assert_eq!(member.mtime, time);
            prop_assert_eq!(&member.content, &content);
            let attributes: BTreeMap<_, _> = entry.attributes.iter()
                .map(|attribute| (attribute.name.to_vec(), attribute.value.to_vec()))
                .collect();
            prop_assert_eq!(&member.attributes, &attributes);
        }
    }
}
