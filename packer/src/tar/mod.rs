//! Stage 2: writes tar: POSIX pax, one member for each entry, two blocks of zeros at the end.
//!
//! This is all of the format that is used ([IEEE Std 1003.1-2017, *pax*][pax]). The bytes of a member depend on its entry alone, so the
//! same tree gives the same bytes however it is divided among workers.
//!
//! [pax]: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
//!
//! | field | written as |
//! |---|---|
//! | name | raw bytes in `name` or `prefix`/`name` if they fit; else a pax `path`, after `hdrcharset=BINARY` if not UTF-8 |
//! | link target | likewise `linkname`, or pax `linkpath` |
//! | size, uid, gid | octal; larger ones base-256 *and* a pax record |
//! | mtime | whole seconds; a pax `mtime` only for nanoseconds, before 1970 and after 2242 |
//! | devmajor, devminor | for devices only |
//! | sparse files | GNU tar's sparse format 1.0: `GNU.sparse.*` records, and a map before the data |
//! | extended attributes | `SCHILY.xattr.NAME`, with `%` and `=` in the name as `%25` and `%3D`; ACLs also as text, `SCHILY.acl.access` and `SCHILY.acl.default` |
//! | user and group name, atime, ctime | never: they belong to the host, not to the tree |

mod ustar;

pub(crate) mod sparse;

mod member;

mod pax;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::tar::member::{link_target, name, type_flag};
use crate::tar::pax::{Records, pax_header_name};
use crate::tar::ustar::{BLOCK_SIZE, HeaderBlock, TypeFlag};
use crate::tree::entry::{Kind, Member};

pub(crate) use crate::tar::member::content_size;

/// The size of the end-of-archive indicator, in bytes: two blocks of zeros.
pub(crate) const END_OF_ARCHIVE_SIZE: usize = 2 * BLOCK_SIZE;

/// The longest extended header that is written, in bytes. Go's `archive/tar`, and with it most container tools, refuses longer ones.
const MAX_EXTENDED_HEADER: u64 = 1 << 20;

/// Appends the header block of `member`, with an extended header before it if it needs one.
pub(crate) fn append_header(member: &Member, out: &mut Buffer) {
    let name = name(member);
    let records = Records::of(&name, member);
    if !records.is_empty() {
        let mut block = HeaderBlock::new(TypeFlag::ExtendedHeader);
        block.set_name(&pax_header_name("PaxHeaders", &member.path));
        block.set_mode(0o644);
        block.set_number(ustar::SIZE, i128::from(records.len()));
        block.append_to(out);
        records.append_to(out);
        append_padding(records.len(), out);
    }
    let mut block = HeaderBlock::new(type_flag(&member.kind));
    match member.kind {
        // A reader that does not know the format must not unpack the map and the data under the file's own name.
        Kind::SparseFile { .. } => block.set_name(&pax_header_name("GNUSparseFile.0", &member.path)),
        _ => block.set_name(&name),
    }
    block.set_linkname(link_target(member));
    block.set_mode(member.mode);
    block.set_number(ustar::UID, i128::from(member.owner.uid));
    block.set_number(ustar::GID, i128::from(member.owner.gid));
    block.set_number(ustar::SIZE, i128::from(content_size(member)));
    block.set_number(ustar::MTIME, i128::from(member.modified.seconds));
    if let Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } = member.kind {
        block.set_device(major, minor);
    }
    block.append_to(out);
}

/// Appends a whole member with this content.
#[cfg_attr(not(feature = "lxd"), expect(dead_code, reason = "only LXD images have such members"))]
pub(crate) fn append_member(member: &Member, content: &[u8], out: &mut Buffer) {
    append_header(member, out);
    out.append(content);
    append_padding(content.len() as u64, out);
}

/// Appends the zeros behind `length` bytes of content that fill up its last block.
pub(crate) fn append_padding(length: u64, out: &mut Buffer) {
    out.append_zeros(padding(length) as usize);
}

/// The bytes that a member takes in the archive: headers, content and padding.
///
/// Fails if the member needs an extended header that common readers refuse.
pub(crate) fn framed_length(member: &Member) -> Result<u64> {
    let records = Records::of(&name(member), member).len();
    if records > MAX_EXTENDED_HEADER {
        let limit = MAX_EXTENDED_HEADER;
        let what = format!("needs an extended header of {records} bytes, and common readers refuse more than {limit}");
        return Err(Error::unfit(OsStr::from_bytes(&member.path), what));
    }
    let extended_header = if records == 0 { 0 } else { BLOCK_SIZE as u64 + records + padding(records) };
    let content = content_size(member);
    Ok(extended_header + BLOCK_SIZE as u64 + content + padding(content))
}

fn padding(length: u64) -> u64 {
    length.next_multiple_of(BLOCK_SIZE as u64) - length
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::tree::id_map::Owner;
    use crate::tree::stat::Timestamp;
    use testkit::listing;

    /// Bytes that a name or target may have.
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
            3 => (0..1_500_u64).prop_map(|size| Kind::File { size }),
            1 => Just(Kind::Directory),
            2 => bytes(300).prop_map(|target| Kind::Symlink { target: target.into() }),
            1 => path().prop_map(|target| Kind::HardLink { target: target.into() }),
            1 => Just(Kind::Fifo),
            1 => any::<(u32, u32)>().prop_map(|(major, minor)| Kind::BlockDevice { major, minor }),
        ]
    }

    fn member() -> impl Strategy<Value = Member> {
        let attribute =
            (bytes(40).prop_map(|name| [b"user.", &name[..]].concat()), proptest::collection::vec(any::<u8>(), 0..90));
        let attributes = proptest::collection::vec(attribute, 0..4);
        let time = (prop_oneof![-(1_i64 << 36)..1 << 36, 0..1_i64 << 33], prop_oneof![Just(0), 0..1_000_000_000_u32]);
        (path(), kind(), (any::<u32>(), any::<u32>()), time, 0..0o10000_u16, attributes).prop_map(
            |(path, kind, (uid, gid), (seconds, nanoseconds), mode, attributes)| {
                let mut member = Member::file(&path, 0);
                // The test's reader takes names as text.
                let utf8 = |name: &[u8]| std::str::from_utf8(name).is_ok();
                let attributes: BTreeMap<_, _> = attributes.into_iter().filter(|(name, _)| utf8(name)).collect();
                member.kind = kind;
                member.owner = Owner { uid, gid };
                member.modified = Timestamp { seconds, nanoseconds };
                member.mode = mode;
                member.xattrs = attributes.into_iter().collect();
                member
            },
        )
    }

    proptest! {
        #[test]
        fn a_member_is_read_back_as_it_was(member in member()) {
            let mut tar = Buffer::default();
            append_header(&member, &mut tar);
            let content: Vec<u8> = (0..content_size(&member)).map(|at| at as u8).collect();
            tar.append(&content);
            append_padding(content.len() as u64, &mut tar);
            prop_assert_eq!(tar.len() as u64, framed_length(&member).unwrap());
            tar.append_zeros(END_OF_ARCHIVE_SIZE);
            let [read] = &listing::of_tar(&tar)[..] else { panic!("not one member") };
            prop_assert_eq!(&read.path[..], &*member.path);
            prop_assert_eq!(&read.link[..], link_target(&member));
            prop_assert_eq!(read.mode, u32::from(member.mode));
            prop_assert_eq!(read.owner, (member.owner.uid.into(), member.owner.gid.into()));
            let time = i128::from(member.modified.seconds) * 1_000_000_000 + i128::from(member.modified.nanoseconds);
            prop_assert_eq!(read.mtime, time);
            prop_assert_eq!(&read.content, &content);
            let attributes: BTreeMap<_, _> = member.xattrs.iter()
                .map(|attribute| (attribute.name.to_vec(), attribute.value.to_vec()))
                .collect();
            prop_assert_eq!(&read.attributes, &attributes);
        }
    }
}
