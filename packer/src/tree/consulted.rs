//! Files that tell what an image says of itself: they are read before the walk, and again behind it, so that the image and what it says
//! are of one moment.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::tree::changes::Changes;
use crate::tree::resolve;
use crate::tree::stat::VANISHED;

/// The files that were consulted, with what was found.
#[derive(Debug, Default)]
pub(crate) struct ConsultedFiles(Mutex<Vec<ConsultedFile>>);

#[derive(Debug)]
struct ConsultedFile {
    path: &'static str,
    limit: u64,
    content: Option<Vec<u8>>,
}

impl ConsultedFiles {
    /// The first `limit` bytes of the regular file at `path` in the tree at `top`, symlinks followed as if the tree were the root; `None`
    /// if there is none.
    pub(crate) fn consult(&self, top: impl AsFd, path: &'static str, limit: u64) -> Result<Option<Vec<u8>>> {
        let content = beginning(top, path, limit)?;
        let consulted = ConsultedFile { path, limit, content: content.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(consulted);
        Ok(content)
    }

    /// Consults the same files again. One that is another now goes to `changes`.
    pub(crate) fn check(&self, top: impl AsFd, changes: &Changes) -> Result<()> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().try_for_each(|file| file.check(&top).or_else(|error| changes.tolerate(error)))
    }
}

impl ConsultedFile {
    fn check(&self, top: impl AsFd) -> Result<()> {
        let what = match (&self.content, beginning(top, self.path, self.limit)?) {
            (Some(before), Some(now)) if *before != now => "it has other content",
            (Some(_), None) => VANISHED,
            (None, Some(_)) => "it appeared",
            (Some(_), Some(_)) | (None, None) => return Ok(()),
        };
        Err(Error::changed(self.path.as_bytes(), what))
    }
}

fn beginning(top: impl AsFd, path: &'static str, limit: u64) -> Result<Option<Vec<u8>>> {
    let Some(file) = resolve::open_file(top, path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = file.take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Error::io("read", OsStr::new(path), error))?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use super::*;

    /// How the tree changed for who consulted `etc/file`, a link to `lib/file`.
    fn change(make: impl FnOnce(&Path)) -> Option<(PathBuf, &'static str)> {
        let top = tempfile::tempdir().unwrap();
        for directory in ["etc", "lib", "other"] {
            fs::create_dir(top.path().join(directory)).unwrap();
        }
        fs::write(top.path().join("lib/file"), "content").unwrap();
        fs::write(top.path().join("other/file"), "other").unwrap();
        symlink("../lib/file", top.path().join("etc/file")).unwrap();
        let (files, handle) = (ConsultedFiles::default(), File::open(top.path()).unwrap());
        assert_eq!(files.consult(&handle, "etc/file", 7).unwrap().as_deref(), Some(&b"content"[..]));
        assert_eq!(files.consult(&handle, "etc/none", 7).unwrap(), None);
        make(top.path());
        let error = files.check(&handle, &Changes::Fatal).err()?;
        error.change().map(|(path, what)| (path.to_owned(), what))
    }

    #[test]
    fn what_a_path_leads_to_is_compared() {
        let named = |path: &str, what| Some((PathBuf::from(path), what));
        let other = named("etc/file", "it has other content");
        assert_eq!(change(|_| {}), None);
        assert_eq!(change(|top| fs::write(top.join("lib/file"), "another").unwrap()), other);
        assert_eq!(change(|top| fs::rename(top.join("other/file"), top.join("lib/file")).unwrap()), other);
        // Every component of the way counts: a directory, a link.
        let exchanged = |top: &Path| {
            fs::rename(top.join("lib"), top.join("old")).unwrap();
            fs::rename(top.join("other"), top.join("lib")).unwrap();
        };
        assert_eq!(change(exchanged), other);
        let relinked = |top: &Path| {
            fs::remove_file(top.join("etc/file")).unwrap();
            symlink("/other/file", top.join("etc/file")).unwrap();
        };
        assert_eq!(change(relinked), other);
        assert_eq!(change(|top| fs::remove_file(top.join("lib/file")).unwrap()), named("etc/file", VANISHED));
        assert_eq!(change(|top| fs::write(top.join("etc/none"), "").unwrap()), named("etc/none", "it appeared"));
        // Nothing that was read is another.
        assert_eq!(change(|top| fs::write(top.join("lib/file"), "content, and more").unwrap()), None);
    }
}
