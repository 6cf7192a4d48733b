//! The lock of a real tree: its packages, and the sha256 of its tar.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::cli::repository;

/// A tree that was made once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lock {
    /// The day.
    pub(super) made: String,
    /// The sha256 of the tar that `onepass pack --compression none` makes of it.
    pub(super) tar: String,
    /// The version of each package.
    pub(super) packages: BTreeMap<String, String>,
}

/// The tree that is locked: a release of Debian, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) suite: String,
    pub(super) minimal: bool,
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.suite, if self.minimal { ", minimal" } else { "" })
    }
}

/// The head of a lock file.
const HEAD: &str = "# Written by `cargo xtask rootfs --write-lock`.\n";

impl Variant {
    /// The file of its lock on this architecture.
    fn path(&self) -> PathBuf {
        let minimal = if self.minimal { "-minimal" } else { "" };
        repository().join(format!("xtask/rootfs/{}{minimal}-{}.lock", self.suite, std::env::consts::ARCH))
    }

    /// Its lock, if there is one.
    pub(super) fn locked(&self) -> Result<Option<Lock>> {
        let path = self.path();
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        toml::from_str(&text).map(Some).with_context(|| format!("`{}` is no lock", path.display()))
    }

    /// Locks a tree; gives the file.
    pub(super) fn write(&self, lock: &Lock) -> Result<PathBuf> {
        let path = self.path();
        let text = format!("{HEAD}{}", toml::to_string(lock)?);
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(path)
    }
}

impl Lock {
    /// What another tree differs in, in words; `None` if it is the same.
    pub(super) fn difference(&self, found: &Lock) -> Option<String> {
        let names = self.packages.keys().chain(found.packages.keys().filter(|name| !self.packages.contains_key(*name)));
        let version = |lock: &Lock, name: &str| lock.packages.get(name).map_or("none", String::as_str).to_owned();
        let pairs = names.map(|name| (name, version(self, name), version(found, name)));
        let other: Vec<String> = pairs
            .filter(|(_, locked, found)| locked != found)
            .map(|(name, locked, found)| format!("\n  {name}: {found} instead of {locked}"))
            .collect();
        if !other.is_empty() {
            let day = self.made.replace('-', "");
            return Some(format!(
                "the mirror has other packages; a snapshot of {}, such as --mirror https://snapshot.debian.org/archive/debian/{day}T000000Z, should have \
                 the locked ones:{}",
                self.made,
                other.concat()
            ));
        }
        let same = self.tar == found.tar;
        (!same).then(|| format!("the same packages make a tar with the sha256 {} instead of {}", found.tar, self.tar))
    }
}

/// The installed packages of a tree and their versions, from dpkg's own list.
pub(super) fn installed(root: &Path) -> Result<BTreeMap<String, String>> {
    let path = root.join("var/lib/dpkg/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(text.split("\n\n").filter_map(package).collect())
}

/// The name and the version of a package; `None` if it is not installed.
fn package(stanza: &str) -> Option<(String, String)> {
    let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let installed = field("Status")? == "install ok installed";
    installed.then_some((field("Package")?.to_owned(), field("Version")?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(tar: &str, packages: &[(&str, &str)]) -> Lock {
        let packages = packages.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect();
        Lock { made: "2026-11-28".into(), tar: tar.into(), packages }
    }

    #[test]
    fn a_lock_names_every_package_that_differs_and_then_the_tar() {
        let locked = lock("aa", &[("apt", "2.6.1"), ("bash", "5.2"), ("gone", "1")]);
        assert_eq!(locked.difference(&locked), None);
        let other = lock("bb", &[("apt", "2.6.2"), ("bash", "5.2"), ("new", "1")]);
        let words = locked.difference(&other).unwrap();
        let (reason, packages) = words.split_once(":\n").unwrap();
        assert!(reason.contains("/debian/20261128T000000Z"), "{reason}");
        let rows = ["  apt: 2.6.2 instead of 2.6.1", "  gone: none instead of 1", "  new: 1 instead of none"];
        assert_eq!(packages.lines().collect::<Vec<_>>(), rows);
        let words = locked.difference(&Lock { tar: "bb".into(), ..locked.clone() }).unwrap();
        assert!(words.contains("bb instead of aa"), "{words}");
    }

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let written = lock("aa", &[("g++-12", "12.2.0-14+deb12u1"), ("libc6", "2.36-9")]);
        let text = format!("{HEAD}{}", toml::to_string(&written).unwrap());
        assert_eq!(toml::from_str::<Lock>(&text).unwrap(), written);
    }

    #[test]
    fn packages_are_those_that_are_installed() {
        let root = tempfile::tempdir().unwrap();
        let dpkg = root.path().join("var/lib/dpkg");
        assert!(installed(root.path()).is_err());
        fs::create_dir_all(&dpkg).unwrap();
        let status = "Package: apt\nStatus: install ok installed\nVersion: 2.6.1\nDescription: a\n Version: 3\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                      Package: bash\nEssential: yes\nStatus: install ok installed\nVersion: 5.2\n";
        fs::write(dpkg.join("status"), status).unwrap();
        let found = installed(root.path()).unwrap();
        assert_eq!(found, lock("", &[("apt", "2.6.1"), ("bash", "5.2")]).packages);
    }

    /// Whoever changes the locks by hand sees that they still are some.
    #[test]
    fn committed_locks_are_read() {
        for minimal in [false, true] {
            let locked = Variant { suite: "bookworm".into(), minimal }.locked().unwrap();
            if cfg!(target_arch = "x86_64") {
                let locked = locked.unwrap();
                assert!(locked.tar.len() == 64 && locked.packages.contains_key("libc6"), "{locked:?}");
            }
        }
    }
}
