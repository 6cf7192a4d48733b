//! The permissions of an image: of its files, and of the directories that are made for them.

use std::os::fd::AsFd;

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;

/// Permissions that files and directories get once they are complete. Until then they are their owner's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permissions(u32);

impl Permissions {
    /// Every bit that permits something; set-id bits and the sticky bit are not for images.
    pub(crate) const ALL: u32 = 0o777;

    /// For files with this mode.
    pub(crate) fn from_file_mode(mode: u32) -> Self {
        Permissions(mode & Permissions::ALL)
    }

    /// Sets the permissions of a file.
    pub(crate) fn set_on_file(self, file: impl AsFd) -> rustix::io::Result<()> {
        set(file, self.0)
    }

    /// Sets the permissions of a directory.
    pub(crate) fn set_on_directory(self, directory: impl AsFd) -> rustix::io::Result<()> {
        set(directory, self.directory_mode())
    }

    /// Everyone who can read the directory can search it, and its owner can use it.
    fn directory_mode(self) -> u32 {
        self.0 | (self.0 & 0o444) >> 2 | 0o700
    }
}

fn set(handle: impl AsFd, mode: u32) -> rustix::io::Result<()> {
    match fchmod(handle, Mode::from_raw_mode(mode)) {
        // The answers of filesystems without permissions (FAT) to the owner.
        Err(Errno::PERM | Errno::OPNOTSUPP) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_can_be_searched_by_their_readers() {
        for (file, directory) in
            [(0o600, 0o700), (0o644, 0o755), (0o640, 0o750), (0o664, 0o775), (0o666, 0o777), (0o400, 0o700), (0, 0o700)]
        {
            assert_eq!(Permissions::from_file_mode(file).directory_mode(), directory, "{file:o}");
        }
    }
}
