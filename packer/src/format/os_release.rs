//! The architecture of a tree's shell, and its os-release(5).
//!
//! These few small files are consulted by path, symlinks followed, as they are when the tree runs. A file that is missing is no error; one
//! that cannot be read is, because the image would depend on it.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::format::architecture::{self, Architecture};
use crate::tree::Tree;

/// The paths of the shell, then of other programs that every system has.
const PROGRAMS: [&str; 7] =
    ["bin/sh", "usr/bin/sh", "bin/bash", "bin/busybox", "usr/bin/env", "sbin/init", "usr/lib/systemd/systemd"];

/// The paths of os-release(5).
const RELEASES: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// The most bytes that are read of os-release.
const LIMIT: u64 = 64 << 10;

/// The architecture that the tree's programs were built for; `None` if there is no program of a known one.
pub(super) fn architecture(tree: &Tree<'_>) -> Result<Option<Architecture>> {
    for path in PROGRAMS {
        let header = tree.consult(path, architecture::HEADER as u64)?;
        if let Some(found) = header.and_then(|header| Architecture::of_program(&header)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The assignments in the tree's os-release; empty if the file is missing or not UTF-8.
#[cfg_attr(not(feature = "lxd"), expect(dead_code, reason = "only LXD images describe the system"))]
pub(super) fn release(tree: &Tree<'_>) -> Result<BTreeMap<String, String>> {
    for path in RELEASES {
        let text = tree.consult(path, LIMIT)?.and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(text) = text {
            return Ok(assignments(&text));
        }
    }
    Ok(BTreeMap::new())
}

/// The `NAME=VALUE` lines, with a shell's quotes and escapes removed. Other lines are ignored.
fn assignments(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), unquoted(value))).collect()
}

fn unquoted(value: &str) -> String {
    if let Some(value) = value.strip_prefix('\'') {
        return value.strip_suffix('\'').unwrap_or(value).to_owned();
    }
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let (mut text, mut characters) = (String::new(), inner.chars());
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use rustix::fs::Mode;

    use super::*;
    use crate::cancel::CancelToken;
    use crate::tree::rules::Rules;

    fn open(top: &Path) -> Tree<'static> {
        Tree::open(top, Rules::default(), &CancelToken::NEVER).unwrap()
    }

    #[test]
    fn assignments_are_read_as_a_shell_would() {
        let found = assignments(
            "NAME=\"Debian GNU/Linux\"\n# NO=1\n\nID=debian\nPRETTY_NAME='Q$x'\nODD=\"a\\\"b\\\\c\\$d\"\n  LAST=x=y  \nnothing\n",
        );
        let found: Vec<_> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found, ["ID=debian", "LAST=x=y", "NAME=Debian GNU/Linux", "ODD=a\"b\\c$d", "PRETTY_NAME=Q$x"]);
    }

    /// Links lead where they would if the tree were the root, however they are written.
    #[test]
    fn links_are_resolved_within_the_tree() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("secret"), "ID=outside\n").unwrap();
        let at = |name: &str| place.path().join("tree").join(name);
        for directory in ["etc", "usr/lib", "usr/bin"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        let tree = open(&at(""));
        for outside in ["../../secret", "../../../../../../secret", place.path().join("secret").to_str().unwrap()] {
            symlink(outside, at("etc/os-release")).unwrap();
            assert_eq!(release(&tree).unwrap().get("ID"), None, "{outside}");
            fs::remove_file(at("etc/os-release")).unwrap();
        }
        fs::write(at("usr/lib/os-release"), "ID=inside\n").unwrap();
        for inside in ["../usr/lib/os-release", "/usr/lib/os-release", "../../../usr/lib/os-release"] {
            symlink(inside, at("etc/os-release")).unwrap();
            assert_eq!(release(&tree).unwrap().get("ID").map(String::as_str), Some("inside"), "{inside}");
            fs::remove_file(at("etc/os-release")).unwrap();
        }
        assert_eq!(architecture(&tree).unwrap(), None);
        fs::copy("/proc/self/exe", at("usr/bin/dash")).unwrap();
        symlink("/usr/bin", at("bin")).unwrap();
        symlink("dash", at("usr/bin/sh")).unwrap();
        assert_eq!(architecture(&tree).unwrap().map(Architecture::lxd), Some(std::env::consts::ARCH));
    }

    #[test]
    fn directories_and_fifos_are_ignored() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("etc/os-release")).unwrap();
        fs::create_dir_all(tree.path().join("bin")).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        let (kind, name) = (rustix::fs::FileType::Fifo, tree.path().join("bin/sh"));
        rustix::fs::mknodat(rustix::fs::CWD, name, kind, mode, 0).unwrap();
        let tree = open(tree.path());
        assert_eq!((release(&tree).unwrap(), architecture(&tree).unwrap()), (BTreeMap::new(), None));
    }
}
