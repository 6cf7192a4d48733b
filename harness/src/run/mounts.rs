//! The mount that a directory is on, from the kernel's table of mounts.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, iter, str};

/// A mount, as `/proc/self/mountinfo` describes it (proc_pid_mountinfo(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// The directory of the filesystem that is at its top.
    pub(super) root: PathBuf,
    /// Where it is mounted.
    pub(super) place: PathBuf,
    /// The kind of filesystem.
    pub(super) filesystem: String,
    /// The options of the mount and of its filesystem, each once, in order.
    pub(super) options: Vec<String>,
    /// The device, as the user named it.
    source: String,
}

impl Mount {
    /// All mounts that this process sees.
    pub(super) fn all() -> Vec<Self> {
        fs::read_to_string("/proc/self/mountinfo").map_or_else(|_| Vec::new(), |table| Mount::parse_table(&table))
    }

    /// The mount that holds a directory; `None` if the kernel's table does not tell.
    pub(super) fn of(directory: &Path) -> Option<Self> {
        Mount::find(Mount::all(), &directory.canonicalize().ok()?)
    }

    /// The kind of filesystem and its options. Paths and addresses in options are left out: they are of this machine.
    pub(super) fn told(&self) -> Vec<String> {
        let without_place = |option: &String| match option.split_once('=') {
            Some((name, value)) if value.contains('/') || name.ends_with("addr") => name.to_owned(),
            _ => option.clone(),
        };
        iter::once(self.filesystem.clone()).chain(self.options.iter().map(without_place)).collect()
    }

    /// The mount with the longest path above `directory`; of several at one place the last, which hides the others.
    fn find(mounts: Vec<Self>, directory: &Path) -> Option<Self> {
        let above = mounts.into_iter().filter(|mount| directory.starts_with(&mount.place));
        above.max_by_key(|mount| mount.place.as_os_str().len())
    }

    /// The rows of a table of mounts.
    pub(super) fn parse_table(table: &str) -> Vec<Self> {
        table.lines().filter_map(Mount::parse).collect()
    }

    fn parse(row: &str) -> Option<Self> {
        let (before, after) = row.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, place, of_mount) = (unescaped(before.next()?), unescaped(before.next()?), before.next()?);
        let mut after = after.split(' ');
        let (filesystem, source, of_filesystem) = (after.next()?.to_owned(), after.next()?, after.next()?);
        let mut options: Vec<String> = Vec::new();
        for option in of_mount.split(',').chain(of_filesystem.split(',')) {
            if !options.iter().any(|known| known == option) {
                options.push(option.to_owned());
            }
        }
        Some(Mount { root: root.into(), place: place.into(), filesystem, options, source: unescaped(source) })
    }

    /// The number of the block device that holds the files of `directory`, as `8:1`; `None` if there is none, as of a
    /// tmpfs.
    pub(super) fn block_device(directory: &Path) -> Option<String> {
        let number = |device| format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
        let known = |number: &String| Path::new("/sys/dev/block").join(number).exists();
        let own = number(fs::metadata(directory).ok()?.dev());
        // btrfs gives its files a number of its own; the mount names the device.
        let of_mount = || Some(number(fs::metadata(Mount::of(directory)?.source).ok()?.rdev()));
        Some(own).filter(known).or_else(of_mount).filter(known)
    }
}

/// The table writes spaces, tabs, newlines and backslashes in octal, as `\040`.
fn unescaped(text: &str) -> String {
    let mut pieces = text.split('\\');
    let mut found = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let octal = piece.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(letter) => {
                found.push(char::from(letter));
                found.push_str(&piece[3..]);
            }
            None => {
                found.push('\\');
                found.push_str(piece);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
28 27 0:25 / /mnt/a\\040b ro,nosuid shared:1 - tmpfs none rw,size=4k
30 27 8:1 / /mnt/disk rw,noatime - xfs /dev/sda1 rw,attr2
31 30 8:2 / /mnt/disk rw - btrfs /dev/sdb rw,subvol=/
a row that is none
";

    #[test]
    fn the_nearest_mount_holds_a_directory_and_the_last_one_hides_others() {
        let of = |directory: &str| {
            let mount = Mount::find(Mount::parse_table(TABLE), Path::new(directory)).unwrap();
            (mount.filesystem, mount.options.join(","), mount.source)
        };
        let told = |filesystem: &str, options: &str, source: &str| (filesystem.into(), options.into(), source.into());
        assert_eq!(of("/srv"), told("ext4", "rw,relatime,discard", "/dev/vda"));
        assert_eq!(of("/mnt/a b/c"), told("tmpfs", "ro,nosuid,rw,size=4k", "none"));
        assert_eq!(of("/mnt/disk"), told("btrfs", "rw,subvol=/", "/dev/sdb"));
        assert_eq!(of("/mnt/diskette"), told("ext4", "rw,relatime,discard", "/dev/vda"));
    }

    #[test]
    fn options_are_told_without_places() {
        let row =
            "1 2 0:3 / / rw - overlay overlay rw,lowerdir=/home/me,compress=zstd:3,clientaddr=10.0.0.1,errors=panic";
        assert_eq!(
            Mount::parse(row).unwrap().told(),
            ["overlay", "rw", "lowerdir", "compress=zstd:3", "clientaddr", "errors=panic"]
        );
    }

    #[test]
    fn what_is_in_memory_has_no_block_device() {
        assert_eq!(Mount::block_device(Path::new("/dev/shm")), None);
        assert_eq!(Mount::of(Path::new("/proc")).unwrap().filesystem, "proc");
        assert_eq!(Mount::of(Path::new("/no such place")), None);
    }
}
