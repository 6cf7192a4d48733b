//! Resolves a path as if the tree were the root: symlinks are followed, and none leads out of the tree.
//!
//! Each component is opened by its name in the handle of its directory. `openat2` with `RESOLVE_IN_ROOT` would do the same in one call,
//! but it is missing before Linux 5.6 and refused by some sandboxes, and an image must not depend on that.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::error::{Error, Result};
use crate::tree::directory::{OPEN_FLAGS, fstat};
use crate::tree::stat::REPLACED;

/// How many symlinks are followed. Linux has the same limit: path_resolution(7).
const MAX_SYMLINKS: usize = 40;

/// Opens a component without reading it: no device acts, no fifo waits.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The regular file at `path` in the tree whose top directory is `top`. `None` if there is none: a component is missing, is not a
/// directory, or is one of too many symlinks.
///
/// # Errors
///
/// If the system refuses a look for another reason. The path in the error is `path`.
pub(crate) fn open_file(top: impl AsFd, path: &str) -> Result<Option<File>> {
    match resolve(top.as_fd(), path.as_bytes()) {
        Ok(file) => Ok(file),
        Err(Failure::Replaced) => Err(Error::changed(path.as_bytes(), REPLACED)),
        Err(Failure::Io(error)) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Ok(None),
            _ => Err(Error::io("open", OsStr::new(path), error)),
        },
    }
}

enum Failure {
    Io(io::Error),
    /// The name stood for another file at the second look.
    Replaced,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Self {
        Failure::Io(error.into())
    }
}

fn resolve(top: impl AsFd, path: &[u8]) -> std::result::Result<Option<File>, Failure> {
    // The directories below the top that lead to the current one.
    let mut directories: Vec<OwnedFd> = Vec::new();
    // The components that are left, the next one last.
    let mut components = Vec::new();
    let mut symlinks = 0;
    push(&mut components, path);
    while let Some(name) = components.pop() {
        if name == b".." {
            // The parent of the top is the top.
            directories.pop();
            continue;
        }
        let directory = directories.last().map_or(top.as_fd(), AsFd::as_fd);
        let found = retry_on_intr(|| rustix::fs::openat(directory, &*name, LOOK, Mode::empty()))?;
        let stat = fstat(&found)?;
        match stat.file_type() {
            FileType::Directory => directories.push(found),
            FileType::Symlink if symlinks == MAX_SYMLINKS => return Err(Errno::LOOP.into()),
            FileType::Symlink => {
                symlinks += 1;
                let target = rustix::fs::readlinkat(&found, c"", Vec::new())?.into_bytes();
                if target.starts_with(b"/") {
                    directories.clear();
                }
                push(&mut components, &target);
            }
            FileType::RegularFile if components.is_empty() => {
                let opened = retry_on_intr(|| rustix::fs::openat(directory, &*name, OPEN_FLAGS, Mode::empty()));
                let file = match opened {
                    Err(Errno::LOOP | Errno::NOENT) => return Err(Failure::Replaced),
                    opened => opened?,
                };
                let is_same = fstat(&file)?.is_same_file(&stat);
                return if is_same { Ok(Some(File::from(file))) } else { Err(Failure::Replaced) };
            }
            FileType::RegularFile => return Err(Errno::NOTDIR.into()),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// Puts the components of `path` before those that are left.
fn push(components: &mut Vec<Vec<u8>>, path: &[u8]) {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    components.extend(names.rev().map(<[u8]>::to_vec));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    fn read(top: &std::path::Path, path: &str) -> Option<String> {
        let mut text = String::new();
        open_file(File::open(top).unwrap(), path).unwrap()?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    /// Every path resolves to what the kernel finds for a process whose root is the tree.
    #[test]
    fn paths_are_resolved_as_the_kernel_does_within_a_root() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::write(place.path().join("file"), "outside").unwrap();
        fs::write(top.join("file"), "top").unwrap();
        fs::write(top.join("a/file"), "a").unwrap();
        fs::write(top.join("a/b/file"), "b").unwrap();
        let targets = [
            "file",
            "/file",
            "../file",
            "../../../file",
            "b",
            "./b/.",
            "b//",
            "..",
            "/",
            "/a/b",
            "one",
            "two",
            "",
            "x",
        ];
        for (number, target) in targets.iter().enumerate().filter(|(_, target)| !target.is_empty()) {
            symlink(target, top.join(format!("a/l{number}"))).unwrap();
            symlink(format!("a/l{number}"), top.join(format!("m{number}"))).unwrap();
        }
        symlink("two", top.join("a/one")).unwrap();
        symlink("one", top.join("a/two")).unwrap();
        symlink("c0", top.join("c")).unwrap();
        for number in 0..45 {
            symlink(format!("c{}", number + 1), top.join(format!("c{number}"))).unwrap();
        }
        fs::write(top.join("c45"), "chain").unwrap();
        let handle = File::open(&top).unwrap();
        let (mut files, mut missing) = (0, 0);
        let tails = ["", "/file", "/b/file", "/../file", "/../../file", "/.", "/"];
        let heads = (0..targets.len())
            .flat_map(|number| [format!("a/l{number}"), format!("/m{number}"), format!("a/../m{number}")]);
        let chain = (0..46).map(|number| format!("c{number}"));
        for path in heads.chain(chain).flat_map(|head| tails.map(|tail| format!("{head}{tail}"))) {
            // A slash after the name of a file is an error to the kernel; here it is the file. No path of ours has one.
            if path.ends_with('/') || path.ends_with("/.") {
                continue;
            }
            let resolve = rustix::fs::ResolveFlags::IN_ROOT;
            let expected =
                rustix::fs::openat2(&handle, &*path, OFlags::RDONLY, Mode::empty(), resolve).ok().and_then(|file| {
                    let mut text = String::new();
                    File::from(file).read_to_string(&mut text).ok().map(|_| text)
                });
            assert_eq!(read(&top, &path), expected, "{path}");
            *(if expected.is_some() { &mut files } else { &mut missing }) += 1;
        }
        assert!(files > 20 && missing > 20, "{files} {missing}");
    }

    #[test]
    fn other_files_are_none() {
        let tree = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, tree.path().join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        for path in ["", "/", "fifo", "missing", "fifo/x"] {
            assert_eq!(read(tree.path(), path), None, "{path}");
        }
    }
}
