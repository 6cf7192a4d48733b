//! Removes from an installed tree what differs from one installation to the next, and sets the times of the rest.

use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

/// No file is younger: 2026-01-01, in seconds since 1970. What packages bring is older; what the installation makes is of
/// the day of the installation.
const LATEST: i64 = 1_767_225_600;

/// Files that tell of the installation, or that programs make anew: a directory, and the beginning and the end of their
/// names.
const VOLATILE: [(&str, &str, &str); 12] = [
    // Packages, and lists of what the mirror has.
    ("var/cache/apt", "", ""),
    ("var/cache/apt/archives", "", ""),
    ("var/lib/apt/lists", "", ""),
    ("var/lib/dpkg", "available", ""),
    // Earlier versions of files.
    ("var/lib/dpkg", "", "-old"),
    ("var/cache/debconf", "", "-old"),
    ("etc", "", "-"),
    // Logs.
    ("var/log", "", ".log"),
    ("var/log/apt", "", ""),
    // A cache with times and inodes in it.
    ("var/cache/ldconfig", "aux-cache", ""),
    // Names and secrets of one machine.
    ("var/lib/dbus", "machine-id", ""),
    ("var/lib/systemd", "random-seed", ""),
];

/// Files that are taken from the machine, and what they hold instead.
const CONSTANT: [(&str, &str); 3] = [("etc/hostname", "debian\n"), ("etc/resolv.conf", ""), ("etc/machine-id", "")];

/// Makes a tree that was installed now the same as one that was installed another day, from another mirror.
pub(super) fn normalise(root: &Path, suite: &str) -> Result<()> {
    for (directory, begin, end) in VOLATILE {
        remove_files(&root.join(directory), begin, end)?;
    }
    for (name, text) in CONSTANT {
        replace(&root.join(name), |_| text.to_owned())?;
    }
    let sources = format!("deb http://deb.debian.org/debian {suite} main\n");
    replace(&root.join("etc/apt/sources.list"), |_| sources.clone())?;
    replace(&root.join("etc/shadow"), |accounts| without_days(&accounts))?;
    clamp_times(root)
}

/// Removes the files in a directory with names that begin and end so.
fn remove_files(directory: &Path, begin: &str, end: &str) -> Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    for entry in entries(directory)? {
        let name = entry.file_name();
        let wanted = name.to_str().is_some_and(|name| name.starts_with(begin) && name.ends_with(end));
        if wanted && !entry.path().symlink_metadata()?.is_dir() {
            fs::remove_file(entry.path()).with_context(|| failed("remove", &entry.path()))?;
        }
    }
    Ok(())
}

/// Replaces the text of a file, if there is one. Symbolic links stay.
fn replace(path: &Path, text: impl Fn(String) -> String) -> Result<()> {
    if path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        let now = fs::read_to_string(path).with_context(|| failed("read", path))?;
        fs::write(path, text(now)).with_context(|| failed("write", path))?;
    }
    Ok(())
}

/// The accounts of `shadow`, whose third field is the day of the last change, with one day.
fn without_days(accounts: &str) -> String {
    let account = |line: &str| {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        if let Some(day) = fields.get_mut(2).filter(|day| !day.is_empty()) {
            *day = (LATEST / 86_400).to_string();
        }
        fields.join(":") + "\n"
    };
    accounts.lines().map(account).collect()
}

/// Sets every later time of modification to [`LATEST`], that of the top as well.
fn clamp_times(top: &Path) -> Result<()> {
    let mut waiting = vec![top.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = path.symlink_metadata().with_context(|| failed("stat", &path))?;
        if metadata.is_dir() {
            waiting.extend(entries(&path)?.iter().map(DirEntry::path));
        }
        if (metadata.mtime(), metadata.mtime_nsec()) > (LATEST, 0) {
            let time = Timespec { tv_sec: LATEST, tv_nsec: 0 };
            let times = Timestamps { last_access: time, last_modification: time };
            utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW)
                .with_context(|| failed("set the time of", &path))?;
        }
    }
    Ok(())
}

/// What could not be done with a file.
fn failed(operation: &str, path: &Path) -> String {
    format!("cannot {operation} `{}`", path.display())
}

fn entries(directory: &Path) -> Result<Vec<DirEntry>> {
    let read = || fs::read_dir(directory)?.collect();
    let entries: std::io::Result<Vec<DirEntry>> = read();
    entries.with_context(|| failed("read", directory))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    /// What an archive has of each entry.
    fn listing(root: &Path) -> BTreeMap<PathBuf, (i64, Vec<u8>)> {
        let (mut found, mut waiting) = (BTreeMap::new(), vec![root.to_owned()]);
        while let Some(path) = waiting.pop() {
            let metadata = path.symlink_metadata().unwrap();
            let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            if metadata.is_dir() {
                waiting.extend(entries(&path).unwrap().iter().map(DirEntry::path));
            }
            found.insert(path.strip_prefix(root).unwrap().to_owned(), (metadata.mtime(), content));
        }
        found
    }

    /// A tree as installed on a day, of which the words are.
    fn installed(day: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for name in [
            "var/log/dpkg.log",
            "var/log/apt/term.log",
            "var/cache/apt/archives/a.deb",
            "var/cache/apt/pkgcache.bin",
            "var/lib/apt/lists/mirror_Packages",
            "var/lib/dpkg/status-old",
            "var/lib/dpkg/available",
            "var/cache/debconf/config.dat-old",
            "var/cache/ldconfig/aux-cache",
            "var/lib/systemd/random-seed",
            "etc/shadow-",
            "etc/hostname",
            "etc/resolv.conf",
            "etc/machine-id",
            "etc/apt/sources.list",
        ] {
            write(name, day);
        }
        write("etc/shadow", &format!("root:*:{day}:0:99999:7:::\n_apt:!::0::::\n"));
        write("etc/kept", "kept");
        write("var/log/wtmp", "");
        write("var/lib/dpkg/status", "status");
        write("var/lib/dpkg/lock", "");
        symlink("kept", root.path().join("etc/link")).unwrap();
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        fs::File::open(root.path().join("etc/kept")).unwrap().set_modified(old).unwrap();
        root
    }

    #[test]
    fn two_installations_are_one_tree() {
        let trees = ["20785", "20815"].map(installed);
        assert_ne!(listing(trees[0].path()), listing(trees[1].path()));
        let [one, other] = trees.map(|tree| {
            normalise(tree.path(), "bookworm").unwrap();
            listing(tree.path())
        });
        assert_eq!(one, other);
        let of = |name: &str| one.get(Path::new(name));
        assert_eq!(of("etc/kept"), Some(&(1_000_000_000, b"kept".to_vec())), "what is older stays as it is");
        assert_eq!(of("etc/link").unwrap().0, LATEST);
        assert_eq!(of("").unwrap().0, LATEST);
        assert_eq!(of("etc/shadow").unwrap().1, b"root:*:20454:0:99999:7:::\n_apt:!::0::::\n");
        assert_eq!(of("etc/apt/sources.list").unwrap().1, b"deb http://deb.debian.org/debian bookworm main\n");
        assert_eq!(of("etc/machine-id").unwrap().1, b"");
        for (name, stays) in [
            ("var/log/dpkg.log", false),
            ("var/log/wtmp", true),
            ("var/lib/dpkg/status", true),
            ("var/lib/dpkg/status-old", false),
            ("var/lib/dpkg/lock", true),
            ("etc/shadow-", false),
            ("var/cache/apt/archives", true),
        ] {
            assert_eq!(of(name).is_some(), stays, "{name}");
        }
    }
}
