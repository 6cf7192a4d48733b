//! What an archive says of one member.

use crate::read::archive::error::{Flaw, quoted};
use crate::read::archive::header::{self, Block};
use crate::read::archive::pax::Extended;
use crate::read::archive::xattr::Attributes;
use crate::tree::entry::Timestamp;

/// A member of an archive, without its content.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The name as it is written.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    /// The permission bits with set-id and sticky.
    pub(crate) mode: u16,
    /// User and group.
    pub(crate) owner: (u32, u32),
    pub(crate) modified: Timestamp,
    pub(crate) attributes: Attributes,
}

/// What kind of member it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file of this many bytes, holes included.
    File {
        size: u64,
    },
    /// Another name of the member that is called so.
    HardLink {
        target: Vec<u8>,
    },
    Directory,
    Symlink {
        target: Vec<u8>,
    },
    Fifo,
    /// With major and minor number.
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
}

impl Member {
    /// Puts together what the header and the records before it say; `size` is that of the file with its holes.
    pub(crate) fn of(block: &Block, extended: Extended, size: u64) -> Result<Self, Flaw> {
        let name = extended.sparse.name.or(extended.path).unwrap_or_else(|| block.name());
        let link = extended.link.unwrap_or_else(|| block.link().to_vec());
        let named = |flaw: Flaw| flaw.within(&quoted(&name));
        let id = |told: Option<u64>, field| match told {
            Some(id) => Ok(i128::from(id)),
            None => block.number(field),
        };
        let small = |number: Result<i128, Flaw>, what: &str| {
            u32::try_from(number?).map_err(|_| Flaw::Unsound(format!("its {what} is beyond what Linux knows")))
        };
        let told = || -> Result<_, Flaw> {
            let numbers = block.device()?;
            let number = |told: Option<u64>, header| small(Ok(told.map_or(header, i128::from)), "device number");
            let device = || Ok((number(extended.device_major, numbers.0)?, number(extended.device_minor, numbers.1)?));
            let kind = kind(block.flag(), &name, size, link, device)?;
            let mode = (block.number(header::MODE)? & 0o7777) as u16;
            let uid = small(id(extended.uid, header::UID), "user")?;
            let gid = small(id(extended.gid, header::GID), "group")?;
            let modified = match extended.modified {
                Some(time) => time,
                None => {
                    let seconds = i64::try_from(block.number(header::MTIME)?);
                    let seconds = seconds.map_err(|_| Flaw::Unsound("its time is beyond all times".into()))?;
                    Timestamp { seconds, nanoseconds: 0 }
                }
            };
            Ok((kind, mode, (uid, gid), modified))
        };
        let (kind, mode, owner, modified) = told().map_err(named)?;
        Ok(Member { name, kind, mode, owner, modified, attributes: extended.attributes.attributes() })
    }
}

fn kind(
    flag: u8,
    name: &[u8],
    size: u64,
    link: Vec<u8>,
    device: impl FnOnce() -> Result<(u32, u32), Flaw>,
) -> Result<Kind, Flaw> {
    let slash = name.ends_with(b"/");
    let kind = match flag {
        // Before there was a flag for directories, they were files with such names.
        0 if slash => Kind::Directory,
        b'0' | b'7' | b'S' if slash => return Err(Flaw::Unsound("its name is a directory's, and it is a file".into())),
        0 | b'0' | b'7' | b'S' => return Ok(Kind::File { size }),
        b'1' => Kind::HardLink { target: link },
        b'2' => Kind::Symlink { target: link },
        b'3' => device().map(|(major, minor)| Kind::CharacterDevice(major, minor))?,
        b'4' => device().map(|(major, minor)| Kind::BlockDevice(major, minor))?,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        b'M' | b'N' | b'D' => {
            return Err(Flaw::Beyond("holds a member of an incremental or multi-volume archive".into()));
        }
        flag => return Err(Flaw::Beyond(format!("holds a member of the unknown type `{}`", flag.escape_ascii()))),
    };
    // Some readers take such bytes for content, others for the next header.
    if size > 0 {
        return Err(Flaw::Unsound("it is no file, and has a size".into()));
    }
    Ok(kind)
}
