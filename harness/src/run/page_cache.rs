//! A tree that is in memory when it is measured, whatever ran before.
//!
//! Kernels reclaim what nobody has asked for in a while: after a pipeline of a minute, or among trees that take turns,
//! the next run would be one of the disk. Between points of a study that took turns the same work took two to four
//! times as long.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Looks at every entry below `root` on its filesystem, and reads every file; says how many bytes that was. What cannot
/// be read is for the run to complain about.
pub(crate) fn warm(root: &Path) -> u64 {
    let Ok(top) = fs::symlink_metadata(root) else { return 0 };
    let (mut directories, mut read) = (vec![root.to_owned()], 0);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let Some(metadata) = fs::symlink_metadata(&path).ok().filter(|metadata| metadata.dev() == top.dev()) else {
                continue;
            };
            // Only directories and files: reading a fifo would wait for a writer.
            if metadata.is_dir() {
                directories.push(path);
            } else if metadata.is_file() {
                read += File::open(path).and_then(|mut file| io::copy(&mut file, &mut io::sink())).unwrap_or(0);
            }
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A tree with a fifo, a link out of it, a cycle of links, and a missing root.
    #[test]
    fn all_files_are_read_and_nothing_else() {
        let tree = tempfile::tempdir().unwrap();
        let at = |name: &str| tree.path().join(name);
        fs::create_dir_all(at("directory/below")).unwrap();
        fs::write(at("directory/file"), "content").unwrap();
        fs::write(at("directory/below/large"), vec![1; 100_000]).unwrap();
        std::os::unix::fs::symlink("..", at("directory/up")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("endless")).unwrap();
        assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
        assert_eq!((warm(tree.path()), warm(&at("nothing"))), (100_007, 0));
    }
}
