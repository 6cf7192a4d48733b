//! Extended attributes of an entry, and ACLs, which archives have as text as well.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use rustix::io::Errno;

/// Names and values, by name. The text of an ACL, which is no attribute on a disk, stands under its key in archives as
/// the value that it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes(BTreeMap<Box<[u8]>, Box<[u8]>>);

/// The longest list of names, and the longest value, that Linux returns.
const LONGEST: usize = 64 << 10;

/// The attributes that are ACLs, and the keys of their texts.
const ACLS: [(&[u8], &[u8]); 2] =
    [(b"system.posix_acl_access", b"SCHILY.acl.access"), (b"system.posix_acl_default", b"SCHILY.acl.default")];

impl Attributes {
    /// The attributes of an entry on a disk, as an archive of it should have them: ACLs twice, and none that are of this
    /// machine or filesystem only.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let (mut names, mut value) = (vec![0; LONGEST], vec![0; LONGEST]);
        let length = match rustix::fs::llistxattr(path, &mut names[..]) {
            // A filesystem without them has none.
            Err(Errno::NOTSUP) => 0,
            length => length?,
        };
        let mut attributes = Attributes::default();
        let names = names[..length].split(|byte| *byte == 0);
        for name in names.filter(|name| !name.is_empty() && !is_of_this_machine(name)) {
            let length = rustix::fs::lgetxattr(path, name, &mut value[..])?;
            if is_unsigned(name, &value[..length]) {
                continue;
            }
            attributes.insert(name, &value[..length]);
            if let Some((_, key)) = ACLS.iter().find(|(acl, _)| *acl == name) {
                attributes.insert(key, &value[..length]);
            }
        }
        Ok(attributes)
    }

    pub(crate) fn insert(&mut self, name: &[u8], value: &[u8]) {
        self.0.insert(name.into(), value.into());
    }

    /// Takes over what a record of an extended header says; `false` if it is about something else.
    ///
    /// # Errors
    ///
    /// If it is the text of an ACL that cannot be understood.
    pub(crate) fn take_record(&mut self, key: &[u8], value: &[u8]) -> Result<bool, String> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            self.insert(&unescaped(name), value);
            return Ok(true);
        }
        let is_acl = ACLS.iter().any(|(_, text)| *text == key);
        if is_acl {
            let acl = acl(value).ok_or_else(|| format!("an ACL is `{}`", String::from_utf8_lossy(value).trim()))?;
            self.insert(key, &acl);
        }
        Ok(is_acl)
    }

    /// What any tool's image is compared by: it is enough that an ACL stands there once, and what is of this machine only may be there.
    pub(crate) fn comparable(&self) -> Self {
        let mut comparable = self.clone();
        for (name, key) in ACLS {
            if let Some(value) = comparable.0.remove(key) {
                comparable.0.entry(name.into()).or_insert(value);
            }
        }
        comparable.0.retain(|name, value| !is_of_this_machine(name) && !is_unsigned(name, value));
        comparable
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is an ACL among them.
    pub(crate) fn has_acls(&self) -> bool {
        self.0.keys().any(|name| is_acl(name))
    }

    /// The others.
    pub(crate) fn without_acls(mut self) -> Self {
        self.0.retain(|name, _| !is_acl(name));
        self
    }

    /// The first name whose value differs.
    pub(crate) fn difference<'a>(&'a self, other: &'a Self) -> Option<AttributeDifference<'a>> {
        let all = |name: &'a [u8]| {
            let value = |of: &'a Self| of.0.get(name).map(|value| &**value);
            AttributeDifference { name, one: value(self), other: value(other) }
        };
        let names = self.0.keys().chain(other.0.keys()).map(|name| all(name));
        names.filter(|found| found.one != found.other).min_by_key(|found| found.name)
    }
}

/// An attribute with its two values, one of which may be missing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttributeDifference<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) one: Option<&'a [u8]>,
    pub(crate) other: Option<&'a [u8]>,
}

fn is_acl(name: &[u8]) -> bool {
    ACLS.iter().any(|(acl, text)| [acl, text].contains(&&name))
}

/// Whether an attribute says something about an inode that is true on this machine or this filesystem only.
fn is_of_this_machine(name: &[u8]) -> bool {
    const STARTS: [&[u8]; 4] = [b"btrfs.", b"trusted.SGI_ACL_", b"security.SMACK64", b"system.nfs4_"];
    const OVERLAY: [&[u8]; 5] = [b"origin", b"upper", b"uuid", b"impure", b"nlink"];
    let overlay = name.strip_prefix(b"trusted.overlay.").or_else(|| name.strip_prefix(b"user.overlay."));
    name == b"security.selinux"
        || name == b"security.csm"
        || STARTS.iter().any(|start| name.starts_with(start))
        || overlay.is_some_and(|name| OVERLAY.contains(&name))
}

/// Whether a value of IMA or EVM is no signature that comes with the file: a hash, or bound to the inode.
fn is_unsigned(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"security.ima" => !matches!(value, [3 | 6, ..]),
        b"security.evm" => !matches!(value, [5, ..]),
        _ => false,
    }
}

/// The name in a key, in which `=` and `%` are escaped.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((byte, behind)) = rest.split_first() {
        let (byte, behind) = match rest {
            [b'%', b'3', b'D', behind @ ..] => (b'=', behind),
            [b'%', b'2', b'5', behind @ ..] => (b'%', behind),
            _ => (*byte, behind),
        };
        plain.push(byte);
        rest = behind;
    }
    plain
}

/// The attribute's value that the text of an ACL means (`acl(5)`, `linux/posix_acl_xattr.h`); `None` if the text names
/// users or groups without their numbers.
fn acl(text: &[u8]) -> Option<Vec<u8>> {
    const VERSION: u32 = 2;
    const NO_ID: u32 = u32::MAX;
    let mut entries = Vec::new();
    let lines = std::str::from_utf8(text).ok()?.split([',', '\n']);
    for line in lines.map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty()) {
        let mut fields = line.split(':');
        let (kind, name, permissions) = (fields.next()?, fields.next()?, fields.next()?);
        // libarchive writes the number behind.
        let mut id = || fields.next().unwrap_or(name).parse::<u32>().ok();
        let (tag, id) = match (kind, name) {
            ("user" | "u", "") => (0x01_u16, NO_ID),
            ("user" | "u", _) => (0x02, id()?),
            ("group" | "g", "") => (0x04, NO_ID),
            ("group" | "g", _) => (0x08, id()?),
            ("mask" | "m", "") => (0x10, NO_ID),
            ("other" | "o", "") => (0x20, NO_ID),
            _ => return None,
        };
        let bit = |letter: char, bit: u16| if permissions.contains(letter) { bit } else { 0 };
        entries.push((tag, id, bit('r', 4) | bit('w', 2) | bit('x', 1)));
    }
    // The order of the kernel. Texts may have another.
    entries.sort_unstable();
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        value.extend([tag, permissions].map(u16::to_le_bytes).concat());
        value.extend(id.to_le_bytes());
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_were_escaped() {
        for (escaped, name) in [("user.a%3Db", "user.a=b"), ("user.%253D", "user.%3D"), ("user.a%", "user.a%")] {
            assert_eq!(unescaped(escaped.as_bytes()), name.as_bytes());
        }
    }

    /// The kernel's form is what `getfattr -e hex -n system.posix_acl_access` prints after
    /// `setfacl -m u:1000:r-x,m::rwx`.
    #[test]
    fn the_text_of_an_acl_means_its_attribute() {
        let value = "0200000001000600ffffffff02000500e80300000400\
                     0400ffffffff10000700ffffffff20000400ffffffff";
        for text in [
            "user::rw-,user:1000:r-x,group::r--,mask::rwx,other::r--",
            "u::rw-,u:1000:r-x,g::r--,m::rwx,o::r--",
            "user::rw-,group::r--,other::r--,user:somebody:r-x:1000,mask::rwx",
            "user::rw-\nuser:1000:r-x\t#effective:r-x\ngroup::r--\nmask::rwx\nother::r--\n",
        ] {
            let acl = acl(text.as_bytes()).map(|acl| super::super::entry::hexadecimal(&acl));
            assert_eq!(acl.as_deref(), Some(value), "{text}");
        }
        for text in ["user:somebody:r-x", "user", "wheel::rwx", "mask:1:rwx"] {
            assert_eq!(acl(text.as_bytes()), None, "{text}");
        }
    }
}
