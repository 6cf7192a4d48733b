//! The listings of a tree and of an archive, which can be compared: the packer reads neither.
//!
//! A list is kept as its length and its hash. The tree's is in the one order that an archive has – a directory before
//! what is in it, names sorted by their bytes –, so lists are equal only if the archive holds every entry, once, in
//! that order. Owners are not listed: a gate gives all entries one.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use sha2::{Digest, Sha256};

/// The members of an archive or the entries of a tree, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The number of members.
    pub members: u64,
    /// The sha256 of all of them: kind, mode, size, time, name, target.
    pub sha256: String,
    /// The first two names that stand in the wrong order.
    pub disorder: Option<String>,
}

/// A list under way.
#[derive(Default)]
struct ListingBuilder {
    members: u64,
    hasher: Sha256,
    last: Vec<u8>,
    disorder: Option<String>,
}

/// One member of a listing.
struct ListedEntry<'a> {
    kind: char,
    mode: u32,
    size: u64,
    seconds: i64,
    path: &'a [u8],
    target: &'a [u8],
}

impl ListingBuilder {
    fn add(&mut self, entry: &ListedEntry<'_>) {
        let ListedEntry { kind, mode, size, seconds, path, target } = entry;
        self.members += 1;
        self.hasher.update(format!("{kind} {mode:o} {size} {seconds} "));
        for bytes in [*path, *target] {
            self.hasher.update((bytes.len() as u64).to_le_bytes());
            self.hasher.update(bytes);
        }
        let order = |path: &[u8]| path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
        if self.disorder.is_none() && *path != b"." && order(path) <= order(&self.last) {
            let [name, last] = [path, &self.last[..]].map(String::from_utf8_lossy);
            self.disorder = Some(format!("`{}` stands behind `{}`", name.escape_debug(), last.escape_debug()));
        }
        self.last = if *path == b"." { Vec::new() } else { path.to_vec() };
    }

    fn add_member(&mut self, entry: &tar::Entry<'_, impl Read>) {
        let (header, path) = (entry.header(), entry.path_bytes());
        self.add(&ListedEntry {
            kind: char::from(header.entry_type().as_byte()),
            mode: header.mode().unwrap_or(0) & 0o7777,
            size: entry.size(),
            seconds: header.mtime().map_or(0, u64::cast_signed),
            path: path.strip_suffix(b"/").unwrap_or(&path),
            target: &entry.link_name_bytes().unwrap_or_default(),
        });
    }

    fn finish(self) -> Listing {
        Listing { members: self.members, sha256: hexadecimal(self.hasher), disorder: self.disorder }
    }
}

/// The digest as text.
pub(crate) fn hexadecimal(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Listing {
    /// The entries of a tree. Sockets and mounted filesystems are left out, as they are from archives.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn of_tree(root: &Path) -> io::Result<Self> {
        let mut builder = ListingBuilder::default();
        let device = fs::symlink_metadata(root)?.dev();
        visit(root, b"", device, &mut HashMap::new(), &mut builder)?;
        Ok(builder.finish())
    }

    /// The members of an archive that is read as a stream.
    pub(crate) fn of_archive(from: impl Read) -> io::Result<Self> {
        let mut builder = ListingBuilder::default();
        let mut archive = tar::Archive::new(from);
        for entry in archive.entries()? {
            builder.add_member(&entry?);
        }
        Ok(builder.finish())
    }
}

fn visit(
    path: &Path,
    name: &[u8],
    device: u64,
    seen: &mut HashMap<(u64, u64), Vec<u8>>,
    builder: &mut ListingBuilder,
) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let file_type = found.file_type();
    let entry = ListedEntry {
        kind: '0',
        mode: found.mode() & 0o7777,
        size: 0,
        seconds: found.mtime(),
        path: name,
        target: b"",
    };
    if file_type.is_dir() {
        builder.add(&ListedEntry { kind: '5', path: if name.is_empty() { b"." } else { name }, ..entry });
        if found.dev() != device {
            return Ok(());
        }
        let mut names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
        return names.into_iter().try_for_each(|child| {
            let below =
                if name.is_empty() { child.as_bytes().to_vec() } else { [name, b"/", child.as_bytes()].concat() };
            visit(&path.join(&child), &below, device, seen, builder)
        });
    }
    let first = seen.entry((found.dev(), found.ino())).or_insert_with(|| name.to_vec());
    if found.nlink() > 1 && first != name {
        builder.add(&ListedEntry { kind: '1', target: first, ..entry });
    } else if file_type.is_symlink() {
        builder.add(&ListedEntry { kind: '2', target: fs::read_link(path)?.as_os_str().as_bytes(), ..entry });
    } else if file_type.is_char_device() {
        builder.add(&ListedEntry { kind: '3', ..entry });
    } else if file_type.is_block_device() {
        builder.add(&ListedEntry { kind: '4', ..entry });
    } else if file_type.is_fifo() {
        builder.add(&ListedEntry { kind: '6', ..entry });
    } else if !file_type.is_socket() {
        builder.add(&ListedEntry { size: found.len(), ..entry });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn listed(paths: &[&str]) -> Listing {
        let mut builder = ListingBuilder::default();
        for path in paths {
            let path = path.as_bytes();
            builder.add(&ListedEntry { kind: '0', mode: 0o644, size: 0, seconds: 0, path, target: b"" });
        }
        builder.finish()
    }

    /// `a-b` comes before `a/b` by bytes, and behind it in an archive, where the entries of `a` follow `a`.
    #[test]
    fn the_order_is_that_of_names_in_directories() {
        assert_eq!(listed(&[".", "a", "a/b", "a/b/c", "a-b", "b"]).disorder, None);
        assert_eq!(listed(&[".", "b", "a"]).disorder.unwrap(), "`a` stands behind `b`");
        assert!(listed(&[".", "a", "a"]).disorder.is_some());
        assert_ne!(listed(&["a", "b"]).sha256, listed(&["ab"]).sha256);
    }

    #[test]
    fn every_kind_of_entry_is_listed() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let sum = || Listing::of_tree(root.path()).unwrap();
        let mut sums = vec![sum()];
        fs::write(at("file"), "content").unwrap();
        sums.push(sum());
        fs::hard_link(at("file"), at("link")).unwrap();
        sums.push(sum());
        symlink("file", at("symlink")).unwrap();
        sums.push(sum());
        fs::write(at("file"), "longer content").unwrap();
        sums.push(sum());
        drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
        assert_eq!(sum().members, sums.last().unwrap().members);
        assert_eq!(sums.iter().map(|sum| sum.members).collect::<Vec<_>>(), [1, 2, 3, 4, 4]);
        for (number, one) in sums.iter().enumerate() {
            assert!(sums[..number].iter().all(|other| one.sha256 != other.sha256));
        }
    }
}
