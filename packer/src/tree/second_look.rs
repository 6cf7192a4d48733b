//! Second looks at the directories of a walk, when everything has been read.
//!
//! Exclusions may name what comes and goes meanwhile. A directory from which they leave out a name is compared by its other names,
//! its type, mode and owner; one from which they leave out nothing, by its times as well.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::fs::SeekFrom;

use crate::error::{Error, Result};
use crate::tree::Tree;
use crate::tree::changes::Changes;
use crate::tree::directory::{DirHandleCache, Directory, child_path, fstat};
use crate::tree::listed_directories::{self, KeptNames, KeptNamesHasher, ListedDirectories, ListedDirectory};
use crate::tree::listing::{self, Names};
use crate::tree::stat::{DirectoryChange, Stat};

/// The directories of a walk that are looked at again.
#[derive(Debug)]
pub(crate) struct SecondLooks<'a> {
    tree: &'a Tree<'a>,
    changes: &'a Changes,
    listed: ListedDirectories,
}

/// A directory whose names are being taken.
#[derive(Debug)]
pub(crate) struct OpenLook {
    directory: Arc<Directory>,
    /// The look that a later one is compared with.
    stat: Stat,
    /// `None` without exclusions.
    kept: Option<KeptNamesHasher>,
}

impl OpenLook {
    /// Counts a name that is kept.
    pub(crate) fn keep(&mut self, name: &[u8]) {
        self.kept.iter_mut().for_each(|kept| kept.keep(name));
    }

    /// Counts a name that is excluded.
    pub(crate) fn exclude(&mut self) {
        self.kept.iter_mut().for_each(KeptNamesHasher::exclude);
    }
}

impl<'a> SecondLooks<'a> {
    pub(crate) fn new(tree: &'a Tree<'a>, changes: &'a Changes) -> Self {
        SecondLooks { tree, changes, listed: ListedDirectories::new(listed_directories::MEMORY_LIMIT) }
    }

    /// Begins with a directory whose names have just been read. `stat` is the look before.
    pub(crate) fn begin(
        &self,
        directory: &Arc<Directory>,
        stat: &Stat,
        handle: BorrowedFd<'_>,
        names: &Names,
    ) -> Result<OpenLook> {
        let found = if self.tree.is_listed_quietly(&stat.identity) {
            *stat
        } else {
            self.behind(directory, stat, handle, names)?
        };
        let has_exclusions = !self.tree.exclusions.is_empty();
        let kept = has_exclusions.then(|| self.listed.kept_names_hasher(&found));
        Ok(OpenLook { directory: Arc::clone(directory), stat: found, kept })
    }

    /// The look behind the listing. To list a directory may change its ctime: an overlay filesystem removes a mark of its own.
    fn behind(&self, directory: &Arc<Directory>, stat: &Stat, handle: BorrowedFd<'_>, names: &Names) -> Result<Stat> {
        let found = fstat(handle).map_err(|error| Error::io("stat", OsStr::from_bytes(&directory.path()), error))?;
        let expected = Stat { changed: found.changed, ..*stat };
        if let Some(change) = expected.directory_change(&found) {
            let (path, mut names) = (directory.path(), names.clone());
            if change != DirectoryChange::Relisted || !names.any(|name| self.is_excluded(&path, &name)) {
                self.changes.tolerate(Error::changed(&path, change.what()))?;
            }
        }
        Ok(found)
    }

    /// Remembers a directory whose last name has been taken.
    pub(crate) fn end(&mut self, look: OpenLook) -> Result<()> {
        let OpenLook { directory, stat, kept } = look;
        let kept = kept.map(|kept| kept.finish());
        self.listed.add(directory.name(), directory.depth(), &stat, kept).map_err(|_| {
            let limit = listed_directories::MEMORY_LIMIT >> 20;
            let what = format!("is one of more directories than fit {limit} MiB, which is the limit");
            Error::unfit(OsStr::from_bytes(&directory.path()), what)
        })
    }

    /// Looks at all directories.
    pub(crate) fn finish(&mut self, handles: &mut DirHandleCache<'_>) -> Result<()> {
        // The directories on the way down to the current one.
        let mut way: Vec<Arc<Directory>> = Vec::new();
        let mut gone = usize::MAX;
        while let Some(listed) = self.listed.pop() {
            // What was in a directory that is gone is gone with it.
            if listed.depth > gone {
                continue;
            }
            gone = usize::MAX;
            way.truncate(listed.depth);
            match self.look(&listed, way.last(), handles) {
                Ok(directory) => way.push(directory),
                Err(error) => {
                    self.changes.tolerate(error)?;
                    gone = listed.depth;
                }
            }
        }
        Ok(())
    }

    /// Looks at a directory in its parent. Fails if it is another one, whatever is done with changes.
    fn look(
        &self,
        listed: &ListedDirectory,
        parent: Option<&Arc<Directory>>,
        handles: &mut DirHandleCache<'_>,
    ) -> Result<Arc<Directory>> {
        let (directory, found) = if let Some(parent) = parent {
            let found = handles.stat(parent, &listed.name)?;
            (parent.child(&listed.name, found.identity), found)
        } else {
            let top = Directory::top(self.tree.stat.identity);
            let found = handles.stat(&top, b"")?;
            (top, found)
        };
        let change = self.listed.change(listed, &found);
        if let Some(change) = change.filter(|change| *change != DirectoryChange::Relisted) {
            return Err(Error::changed(&directory.path(), change.what()));
        }
        let compared = self.unless_excused(change, listed.kept, &directory, handles);
        compared.or_else(|error| self.changes.tolerate(error)).map(|()| directory)
    }

    /// Fails for a change, unless only excluded names came and went.
    fn unless_excused(
        &self,
        change: Option<DirectoryChange>,
        kept: Option<KeptNames>,
        directory: &Arc<Directory>,
        handles: &mut DirHandleCache<'_>,
    ) -> Result<()> {
        let Some(change) = change else { return Ok(()) };
        if let (DirectoryChange::Relisted, Some(kept)) = (change, kept)
            && kept.excuse(self.kept_names(directory, handles)?)
        {
            return Ok(());
        }
        Err(Error::changed(&directory.path(), change.what()))
    }

    /// The names in a directory now.
    fn kept_names(&self, directory: &Arc<Directory>, handles: &mut DirHandleCache<'_>) -> Result<KeptNames> {
        let path = directory.path();
        let failed = |error: std::io::Error| Error::io("read directory", OsStr::from_bytes(&path), error);
        let handle = handles.enter(directory)?;
        // It may have been read before.
        rustix::fs::seek(handle, SeekFrom::Start(0)).map_err(|error| failed(error.into()))?;
        let names =
            Names::read(handle.as_fd(), listing::MEMORY_LIMIT, self.tree.cancel).map_err(|cause| cause.at(&path))?;
        let mut kept = self.listed.kept_names_hasher(&fstat(handle).map_err(failed)?);
        for name in names {
            if self.is_excluded(&path, &name) { kept.exclude() } else { kept.keep(&name) }
        }
        Ok(kept.finish())
    }

    fn is_excluded(&self, path: &[u8], name: &[u8]) -> bool {
        self.tree.exclusions.matches(&child_path(path, name))
    }
}
