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
//! | user and group name, atime, ctime | never: they are the host's, not the tree's |

mod pax;
mod ustar;

use crate::buffer::Buffer;
use crate::entry::{Entry, Kind, Stat};
use pax::Records;
use ustar::{Block, TypeFlag};

/// The unit of the format, in bytes: headers are one of these, contents are padded to a multiple.
pub(crate) const BLOCK: usize = 512;

/// What ends an archive: two blocks of zeros.
pub(crate) const END: usize = 2 * BLOCK;

/// Appends the header of `entry`, with the pax header before it if it needs one. `target` is a symlink's target.
pub(crate) fn header(entry: &Entry, target: &[u8], out: &mut Buffer) {
    let link: &[u8] = match &entry.kind {
        Kind::HardLink { target } => target,
        Kind::Symlink => target,
        Kind::File | Kind::Directory | Kind::Fifo | Kind::CharacterDevice | Kind::BlockDevice => b"",
    };
    let name = name(entry);
    let stat = &entry.stat;
    let records = Records::of(&name, link, content(entry), stat);
    if !records.is_empty() {
        let mut block = Block::new(TypeFlag::Extended);
        block.name(&pax::header_name(&entry.path));
        block.mode(0o644);
        block.number(ustar::SIZE, i128::from(records.len()));
        block.append_to(out);
        records.append_to(out);
        pad(out, records.len());
    }
    let mut block = Block::new(type_flag(&entry.kind));
    block.name(&name);
    block.link(link);
    block.mode(stat.permissions());
    block.number(ustar::UID, i128::from(stat.uid));
    block.number(ustar::GID, i128::from(stat.gid));
    block.number(ustar::SIZE, i128::from(content(entry)));
    block.number(ustar::MTIME, i128::from(stat.modified.seconds));
    if matches!(entry.kind, Kind::CharacterDevice | Kind::BlockDevice) {
        block.device(stat.device);
    }
    block.append_to(out);
}

/// Appends the zeros that fill up the last block of `length` bytes of content.
pub(crate) fn pad(out: &mut Buffer, length: u64) {
    out.append_zeros(padding(length));
}

/// The bytes that a member takes in the archive: headers, content and padding.
pub(crate) fn framed_length(entry: &Entry) -> u64 {
    let (target, link_length) = match &entry.kind {
        Kind::HardLink { target } => (&**target, target.len()),
        // Only the target's length matters, unless it needs a record; then whether it is UTF-8 matters, too.
        Kind::Symlink => (&b""[..], usize::try_from(entry.stat.size).unwrap_or(usize::MAX)),
        _ => (&b""[..], 0),
    };
    let name = name(entry);
    let records = Records::of(&name, target, content(entry), &entry.stat);
    let mut extended = records.len();
    if matches!(entry.kind, Kind::Symlink) && link_length > ustar::LINK_LENGTH {
        extended += pax::record_length("linkpath", link_length);
    }
    let extended = if extended == 0 { 0 } else { BLOCK as u64 + extended + padding(extended) as u64 };
    let content = content(entry);
    extended + BLOCK as u64 + content + padding(content) as u64
}

/// The bytes of content that follow an entry's header.
pub(crate) fn content(entry: &Entry) -> u64 {
    match entry.kind {
        Kind::File => entry.stat.size,
        _ => 0,
    }
}

fn padding(length: u64) -> usize {
    (length.next_multiple_of(BLOCK as u64) - length) as usize
}

/// The name as the archive has it: `./` for the top, a slash at the end of every directory.
fn name(entry: &Entry) -> Vec<u8> {
    let directory = matches!(entry.kind, Kind::Directory);
    match (&*entry.path, directory) {
        (b"", _) => b"./".to_vec(),
        (path, true) => [path, b"/"].concat(),
        (path, false) => path.to_vec(),
    }
}

fn type_flag(kind: &Kind) -> TypeFlag {
    match kind {
        Kind::File => TypeFlag::Regular,
        Kind::HardLink { .. } => TypeFlag::HardLink,
        Kind::Directory => TypeFlag::Directory,
        Kind::Symlink => TypeFlag::Symlink,
        Kind::Fifo => TypeFlag::Fifo,
        Kind::CharacterDevice => TypeFlag::Character,
        Kind::BlockDevice => TypeFlag::Block,
    }
}

/// Whether ustar's octal fields hold the value; shared by header and records so that they agree.
fn fits_octal(stat: &Stat, content: u64) -> Fits {
    Fits {
        size: ustar::SIZE.holds(i128::from(content)),
        uid: ustar::UID.holds(i128::from(stat.uid)),
        gid: ustar::GID.holds(i128::from(stat.gid)),
        mtime: ustar::MTIME.holds(i128::from(stat.modified.seconds)) && stat.modified.nanoseconds == 0,
    }
}

struct Fits {
    size: bool,
    uid: bool,
    gid: bool,
    mtime: bool,
}
