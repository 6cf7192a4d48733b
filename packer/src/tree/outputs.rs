//! What this process writes to, which must not be in the tree: the next image would hold it, or its new time.
//!
//! A path does not tell, since mounts and redirections lead to the same file. Device and inode number do, whatever the mount.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::FileType;

use crate::error::{Error, Result};
use crate::tree::filter::escaped;
use crate::tree::stat::{Identity, Stat};

/// Open files that are written to, and open directories in which names are made. They stay open: a number may then be another's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outputs(Vec<Identity>);

impl Outputs {
    /// Adds a file or directory. Pipes, sockets and devices do not count: an archive has nothing of what is written to them.
    pub(crate) fn add(&mut self, output: impl AsFd) -> io::Result<()> {
        // Not `statx`: of a standard stream, a time or an owner may be missing.
        let found = rustix::fs::fstat(output)?;
        if matches!(FileType::from_raw_mode(found.st_mode), FileType::RegularFile | FileType::Directory) {
            let device = (rustix::fs::major(found.st_dev), rustix::fs::minor(found.st_dev));
            self.0.push(Identity { device, inode: found.st_ino, mount: None, is_persistent: true });
        }
        Ok(())
    }

    /// Fails for an entry that is one of them.
    pub(crate) fn check_absent(&self, path: &[u8], stat: &Stat) -> Result<()> {
        if !self.0.iter().any(|output| output.is_same_inode(&stat.identity)) {
            return Ok(());
        }
        let path = OsStr::from_bytes(path);
        let remedy = if path.is_empty() {
            "write outside of the tree".to_owned()
        } else {
            format!("exclude `{}`", escaped(&path.to_string_lossy()))
        };
        Err(Error::invalid_input(path, format!("is written to by this pack, so the next image would differ: {remedy}")))
    }
}
