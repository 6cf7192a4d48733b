//! The mount that a directory is on, from the kernel's table of mounts.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{fs, str};

/// A mount, as `/proc/self/mountinfo` describes it (proc_pid_mountinfo(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The kind of filesystem.
    pub(crate) filesystem: String,
    /// The options of the mount and of its filesystem, each once, in order.
    pub(crate) options: Vec<String>,
    /// The device, as the user named it.
    source: String,
}

impl Mount {
    /// The mount that holds a directory; `None` if the kernel's table does not tell.
    pub(crate) fn of(directory: &Path) -> Option<Self> {
        let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Mount::find(&table, &directory.canonicalize().ok()?)
    }

    /// The mount with the longest path above `directory`; of several at one place the last, which hides the others.
    fn find(table: &str, directory: &Path) -> Option<Self> {
        let rows = table.lines().filter_map(Mount::parse);
        let above = rows.filter(|(place, _)| directory.starts_with(place));
        above.max_by_key(|(place, _)| place.len()).map(|(_, mount)| mount)
    }

    /// The mount point and the mount of a row.
    fn parse(row: &str) -> Option<(String, Self)> {
        let (before, after) = row.split_once(" - ")?;
        let mut before = before.split(' ').skip(4);
        let (place, of_mount) = (unescaped(before.next()?), before.next()?);
        let mut after = after.split(' ');
        let (filesystem, source, of_filesystem) = (after.next()?.to_owned(), after.next()?, after.next()?);
        let mut options: Vec<String> = Vec::new();
        for option in of_mount.split(',').chain(of_filesystem.split(',')) {
            if !options.iter().any(|known| known == option) {
                options.push(option.to_owned());
            }
        }
        Some((place, Mount { filesystem, options, source: unescaped(source) }))
    }

    /// The number of the block device that holds the files of `directory`, as `8:1`; `None` if there is none, as of a
    /// tmpfs.
    pub(crate) fn block_device(directory: &Path) -> Option<String> {
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
            let mount = Mount::find(TABLE, Path::new(directory)).unwrap();
            (mount.filesystem, mount.options.join(","), mount.source)
        };
        let told = |filesystem: &str, options: &str, source: &str| (filesystem.into(), options.into(), source.into());
        assert_eq!(of("/srv"), told("ext4", "rw,relatime,discard", "/dev/vda"));
        assert_eq!(of("/mnt/a b/c"), told("tmpfs", "ro,nosuid,rw,size=4k", "none"));
        assert_eq!(of("/mnt/disk"), told("btrfs", "rw,subvol=/", "/dev/sdb"));
        assert_eq!(of("/mnt/diskette"), told("ext4", "rw,relatime,discard", "/dev/vda"));
    }

    #[test]
    fn what_is_in_memory_has_no_block_device() {
        assert_eq!(Mount::block_device(Path::new("/dev/shm")), None);
        assert_eq!(Mount::of(Path::new("/proc")).unwrap().filesystem, "proc");
        assert_eq!(Mount::of(Path::new("/no such place")), None);
    }
}
