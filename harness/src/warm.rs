//! A tree that is in memory when it is measured, whatever ran before.
//!
//! Kernels reclaim what nobody has asked for in a while: after a pipeline of a minute, or among trees that take turns, the next
//! run would be one of the disk. Between points of a study that took turns the same work took two to four times as long.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Looks at every entry below `root` on its filesystem, and reads every file. What cannot be read is for the run to complain about.
pub(crate) fn warm(root: &Path) {
    let Ok(top) = fs::symlink_metadata(root) else { return };
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            directories.extend(visit(&entry.path(), top.dev()));
        }
    }
}

/// Reads a file; gives back a directory, if that is what it is.
fn visit(path: &Path, device: u64) -> Option<PathBuf> {
    let metadata = fs::symlink_metadata(path).ok().filter(|metadata| metadata.dev() == device)?;
    if metadata.is_dir() {
        return Some(path.to_owned());
    }
    // Nothing but files: a fifo would wait for whoever writes to it.
    if metadata.is_file() {
        let _ = File::open(path).and_then(|mut file| io::copy(&mut file, &mut io::sink()));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// As a tree has it: what never answers, what leads away, what is in a circle, and what is not there.
    #[test]
    fn it_comes_to_its_end() {
        let tree = tempfile::tempdir().unwrap();
        let at = |name: &str| tree.path().join(name);
        fs::create_dir_all(at("directory/below")).unwrap();
        fs::write(at("directory/file"), "content").unwrap();
        std::os::unix::fs::symlink("..", at("directory/up")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("endless")).unwrap();
        assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
        warm(tree.path());
        warm(&at("nothing"));
    }
}
