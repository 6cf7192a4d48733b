//! One member of an archive: name, type and metadata.

use crate::read::archive::error::{ReadError, quoted};
use crate::read::archive::header::{self, Block};
use crate::read::archive::pax::ExtendedHeader;
use crate::read::archive::xattr::Xattrs;
use crate::tree::stat::Timestamp;

/// A member of an archive, without its content.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The name as the archive has it.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: MemberKind,
    /// The permission bits with set-id and sticky.
    pub(crate) mode: u16,
    /// User and group.
    pub(crate) owner: (u32, u32),
    pub(crate) modified: Timestamp,
    pub(crate) xattrs: Xattrs,
}

/// The type of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberKind {
    /// A regular file; the size includes holes.
    File {
        size: u64,
    },
    /// A further name of an earlier member.
    HardLink {
        target: Vec<u8>,
    },
    Directory,
    Symlink {
        target: Vec<u8>,
    },
    Fifo,
    /// Major and minor number.
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
}

impl Member {
    /// Joins a header with the extended headers before it. `size` is that of the file with its holes.
    pub(crate) fn new(block: &Block, extended: ExtendedHeader, size: u64) -> Result<Self, ReadError> {
        let name = extended.sparse.name.or(extended.path).unwrap_or_else(|| block.name());
        let link = extended.link.unwrap_or_else(|| block.link().to_vec());
        let named = |error: ReadError| error.in_part(&quoted(&name));
        let id = |record: Option<u64>, field| match record {
            Some(id) => Ok(i128::from(id)),
            None => block.number(field),
        };
        let small = |number: Result<i128, ReadError>, what: &str| {
            u32::try_from(number?).map_err(|_| ReadError::Malformed(format!("its {what} is beyond what Linux knows")))
        };
        let fields = || -> Result<_, ReadError> {
            let numbers = block.device()?;
            let number = |record: Option<u64>, header| small(Ok(record.map_or(header, i128::from)), "device number");
            let device = || Ok((number(extended.device_major, numbers.0)?, number(extended.device_minor, numbers.1)?));
            let kind = kind(block.flag(), &name, size, link, device)?;
            let mode = (block.number(header::MODE)? & 0o7777) as u16;
            let uid = small(id(extended.uid, header::UID), "user")?;
            let gid = small(id(extended.gid, header::GID), "group")?;
            let modified = match extended.modified {
                Some(time) => time,
                None => {
                    let seconds = i64::try_from(block.number(header::MTIME)?);
                    let seconds = seconds.map_err(|_| ReadError::Malformed("its time is beyond all times".into()))?;
                    Timestamp { seconds, nanoseconds: 0 }
                }
            };
            Ok((kind, mode, (uid, gid), modified))
        };
        let (kind, mode, owner, modified) = fields().map_err(named)?;
        Ok(Member { name, kind, mode, owner, modified, xattrs: extended.xattrs.into_xattrs() })
    }
}

fn kind(
    flag: u8,
    name: &[u8],
    size: u64,
    link: Vec<u8>,
    device: impl FnOnce() -> Result<(u32, u32), ReadError>,
) -> Result<MemberKind, ReadError> {
    let slash = name.ends_with(b"/");
    let kind = match flag {
        // Before there was a flag for directories, a slash at the end marked them.
        0 if slash => MemberKind::Directory,
        b'0' | b'7' | b'S' if slash => {
            return Err(ReadError::Malformed("its name is a directory's, and it is a file".into()));
        }
        0 | b'0' | b'7' | b'S' => return Ok(MemberKind::File { size }),
        b'1' => MemberKind::HardLink { target: link },
        b'2' => MemberKind::Symlink { target: link },
        b'3' => device().map(|(major, minor)| MemberKind::CharacterDevice(major, minor))?,
        b'4' => device().map(|(major, minor)| MemberKind::BlockDevice(major, minor))?,
        b'5' => MemberKind::Directory,
        b'6' => MemberKind::Fifo,
        b'M' | b'N' | b'D' => {
            return Err(ReadError::Unsupported("holds a member of an incremental or multi-volume archive".into()));
        }
        flag => {
            return Err(ReadError::Unsupported(format!(
                "holds a member of the unknown type `{}`",
                flag.escape_ascii()
            )));
        }
    };
    // Some readers skip such bytes as content, others read them as the next header.
    if size > 0 {
        return Err(ReadError::Malformed("it is no file, and has a size".into()));
    }
    Ok(kind)
}
