//! Two trees on a disk, compared entry by entry.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Properties that a client is known to lose.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    /// Everything below `dev`.
    pub(crate) dev: bool,
    /// Extended attributes.
    pub(crate) attributes: bool,
    /// The part of a time that is less than a second.
    pub(crate) fractions: bool,
    /// The times of symlinks and directories.
    pub(crate) other_times: bool,
    /// Times before 1970.
    pub(crate) early_times: bool,
}

impl Losses {
    /// A client that keeps everything.
    pub(crate) const NONE: Losses =
        Losses { dev: false, attributes: false, fractions: false, other_times: false, early_times: false };
}

/// All that is compared of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    kind: char,
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    device: u64,
    /// The target of a symlink, the hash of a file.
    content: Vec<u8>,
    /// The first name of the same inode.
    first: PathBuf,
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The entries of a tree, by path.
pub(crate) struct TreeSnapshot(BTreeMap<PathBuf, Entry>);

impl TreeSnapshot {
    /// Reads the tree at `top`.
    pub(crate) fn of(top: &Path) -> io::Result<Self> {
        let (mut entries, mut waiting) = (BTreeMap::new(), vec![PathBuf::new()]);
        while let Some(path) = waiting.pop() {
            let full = if path.as_os_str().is_empty() { top.to_owned() } else { top.join(&path) };
            let found = fs::symlink_metadata(&full)?;
            if found.file_type().is_socket() {
                continue;
            }
            if found.is_dir() {
                for child in fs::read_dir(&full)? {
                    waiting.push(path.join(child?.file_name()));
                }
            }
            entries.insert(path.clone(), Entry::of(&full, path, &found)?);
        }
        let mut listing = TreeSnapshot(entries);
        listing.link(top)?;
        Ok(listing)
    }

    /// Finds names of the same inode: the first in order stands for all.
    fn link(&mut self, top: &Path) -> io::Result<()> {
        let mut seen: HashMap<(u64, u64), PathBuf> = HashMap::new();
        for (path, entry) in self.0.iter_mut().filter(|(_, entry)| entry.kind != 'd') {
            let found = fs::symlink_metadata(top.join(path))?;
            entry.first = seen.entry((found.dev(), found.ino())).or_insert_with(|| path.clone()).clone();
        }
        Ok(())
    }

    /// The character devices 0:0, which an overlay filesystem takes for the absence of their names.
    pub(crate) fn overlay_whiteouts(&self) -> impl Iterator<Item = &Path> {
        let found = self.0.iter().filter(|(_, entry)| entry.kind == 'c' && entry.device == 0);
        found.map(|(path, _)| &**path)
    }

    /// The same without what a layer takes for a whiteout: files whose names begin so, and character devices 0:0.
    pub(crate) fn without_whiteouts(mut self, beginning: &str) -> Self {
        let begins =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.as_bytes().starts_with(beginning.as_bytes()));
        self.0.retain(|path, entry| !(begins(path) || entry.kind == 'c' && entry.device == 0));
        self
    }

    /// Whether the header of 1988 can express every entry: short names and targets, small numbers.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.iter().all(|(path, entry)| {
            let lengths = [path.as_os_str().len(), if entry.kind == 'l' { entry.content.len() } else { 0 }];
            let numbers = [entry.owner.0, entry.owner.1];
            lengths.iter().all(|length| *length < 100)
                && numbers.iter().all(|number| *number < 1 << 21)
                && (0..1 << 33).contains(&entry.modified.0)
        })
    }

    /// The first differences between this tree and the one that was expected, as one line.
    pub(crate) fn compare(&self, expected: &TreeSnapshot, losses: Losses) -> std::result::Result<(), String> {
        let counts = |path: &PathBuf| !(losses.dev && path.starts_with("dev") && path != Path::new("dev"));
        let paths = self.0.keys().chain(expected.0.keys()).filter(|path| counts(path));
        let mut told: Vec<String> = paths.filter_map(|path| self.difference(expected, path, losses)).collect();
        told.sort();
        told.dedup();
        match told.len() {
            0 => Ok(()),
            count => Err(format!("{count} differences: {}", told[..count.min(5)].join("; "))),
        }
    }

    fn difference(&self, expected: &TreeSnapshot, path: &PathBuf, losses: Losses) -> Option<String> {
        let (found, expected) = match (self.0.get(path), expected.0.get(path)) {
            (Some(found), Some(expected)) => (found.within(losses), expected.within(losses)),
            (None, _) => return Some(format!("{} is missing", path.display())),
            (_, None) => return Some(format!("{} is not in the tree", path.display())),
        };
        found.differs(&expected).map(|what| format!("{}: {what}", path.display()))
    }
}

impl Entry {
    fn of(full: &Path, path: PathBuf, found: &fs::Metadata) -> io::Result<Self> {
        let file_type = found.file_type();
        let (kind, content) = if file_type.is_symlink() {
            ('l', fs::read_link(full)?.as_os_str().as_bytes().to_vec())
        } else if file_type.is_dir() {
            ('d', Vec::new())
        } else if file_type.is_fifo() {
            ('p', Vec::new())
        } else if file_type.is_char_device() {
            ('c', Vec::new())
        } else if file_type.is_block_device() {
            ('b', Vec::new())
        } else {
            let mut hasher = HashWriter(Sha256::new());
            io::copy(&mut File::open(full)?, &mut hasher)?;
            ('f', hasher.0.finalize().to_vec())
        };
        Ok(Entry {
            kind,
            mode: if kind == 'l' { 0o777 } else { found.mode() & 0o7777 },
            owner: (found.uid(), found.gid()),
            modified: (found.mtime(), found.mtime_nsec()),
            device: if matches!(kind, 'c' | 'b') { found.rdev() } else { 0 },
            content,
            first: path,
            attributes: attributes(full)?,
        })
    }

    /// The first difference from the expected entry.
    fn differs(&self, expected: &Entry) -> Option<String> {
        let told = |what: &str, found: String, expected: String| {
            (found != expected).then(|| format!("{what} {found} instead of {expected}"))
        };
        told("kind", self.kind.to_string(), expected.kind.to_string())
            .or_else(|| told("mode", format!("{:o}", self.mode), format!("{:o}", expected.mode)))
            .or_else(|| told("owner", format!("{:?}", self.owner), format!("{:?}", expected.owner)))
            .or_else(|| told("time", format!("{:?}", self.modified), format!("{:?}", expected.modified)))
            .or_else(|| told("device", self.device.to_string(), expected.device.to_string()))
            .or_else(|| told("first name", self.first.display().to_string(), expected.first.display().to_string()))
            .or_else(|| told("attributes", format!("{:?}", self.attributes), format!("{:?}", expected.attributes)))
            .or_else(|| (self.content != expected.content).then(|| "other content".to_owned()))
    }

    /// The entry without the properties that a client loses.
    fn within(&self, losses: Losses) -> Self {
        let mut entry = self.clone();
        if losses.attributes {
            entry.attributes.clear();
        }
        if losses.fractions {
            entry.modified.1 = 0;
        }
        let early = losses.early_times && entry.modified.0 < 1;
        let other = losses.other_times && matches!(entry.kind, 'l' | 'd');
        // The client's caller makes the top directory.
        if early || other || entry.first.as_os_str().is_empty() {
            entry.modified = (0, 0);
        }
        // The first name may be one of the entries that are left out.
        if losses.dev {
            entry.first = PathBuf::new();
        }
        entry
    }
}

/// Whether a directory holds the tree.
pub(crate) fn check_tree(found: &Path, expected: &TreeSnapshot, losses: Losses) -> std::result::Result<(), String> {
    let found = TreeSnapshot::of(found).map_err(|error| format!("cannot read `{}`: {error}", found.display()))?;
    found.compare(expected, losses)
}

/// Removes a directory with all that is in it.
pub(crate) fn remove(directory: &Path) -> Result<()> {
    fs::remove_dir_all(directory).map_err(|error| Error::io("remove", directory, error))
}

struct HashWriter(Sha256);

impl io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The extended attributes of an entry, but for those that a machine gives to its own files.
fn attributes(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut names = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut names[..])?;
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let kept = names.filter(|name| !name.starts_with(b"btrfs.") && *name != b"security.selinux");
    let value = |name: &[u8]| {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..])?;
        Ok((name.to_vec(), value[..length].to_vec()))
    };
    kept.map(value).collect()
}
