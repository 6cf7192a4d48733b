//! Second looks at the directories of a walk, when everything has been read.
//!
//! Exclusions may name what comes and goes meanwhile. If one could match a name in a directory, the directory's times may change: then
//! its other names, with their inode numbers if those are persistent, its type, mode and owner have to be the same.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::fs::SeekFrom;

use crate::error::{Error, Result};
use crate::tree::Tree;
use crate::tree::changes::Changes;
use crate::tree::directory::{DirHandleCache, Directory, child_path, fstat};
use crate::tree::listed_directories::{self, KeptNames, KeptNamesHasher, ListedDirectories, ListedDirectory};
use crate::tree::listing::{self, Fields, Name, Names};
use crate::tree::stat::{DirectoryChange, Identity, Stat};

/// How many names one look goes down. Their path fits the 4,095 bytes that Linux takes, and few directories have to be opened for the
/// looks. A symlink on the way leads to no directory with the inode and the times that were listed.
const LEVELS: usize = 15;

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
    /// `None` if no exclusion can match a name in it.
    kept: Option<KeptNamesHasher>,
}

impl OpenLook {
    /// Counts a name that no exclusion matches.
    pub(crate) fn keep(&mut self, name: &Name) {
        self.kept.iter_mut().for_each(|kept| kept.keep(name));
    }
}

impl<'a> SecondLooks<'a> {
    pub(crate) fn new(tree: &'a Tree<'a>, changes: &'a Changes) -> Self {
        SecondLooks { tree, changes, listed: ListedDirectories::new(listed_directories::MEMORY_LIMIT) }
    }

    /// Begins with the directory at `path`. `stat` is the look before its names were read.
    pub(crate) fn begin(&self, directory: &Arc<Directory>, path: &[u8], stat: &Stat) -> OpenLook {
        let kept = self.tree.exclusions.may_match_in(path).then(|| self.listed.kept_names_hasher(stat));
        OpenLook { directory: Arc::clone(directory), stat: *stat, kept }
    }

    /// Remembers a directory whose last name has been taken.
    pub(crate) fn end(&mut self, look: OpenLook, handles: &mut DirHandleCache<'_>) -> Result<()> {
        let OpenLook { directory, mut stat, kept } = look;
        let filesystem = self.tree.filesystem_of(&stat.identity);
        if !filesystem.is_listed_quietly() {
            match self.behind(&directory, &stat, handles) {
                Ok(found) => stat = filesystem.comparable(found),
                // The directory is remembered all the same: others below it are.
                Err(error) => self.changes.tolerate(error)?,
            }
        }
        let kept = kept.map(|kept| kept.finish());
        self.listed.add(directory.name(), directory.depth(), &stat, kept).map_err(|_| {
            let limit = listed_directories::MEMORY_LIMIT >> 20;
            let what = format!("is one of more directories than fit {limit} MiB, which is the limit");
            Error::unfit(OsStr::from_bytes(&directory.path()), what)
        })
    }

    /// The look behind the last name. To list a directory, or to look at what is in it, may change its ctime: an overlay filesystem
    /// removes marks of its own then, or sets them.
    fn behind(&self, directory: &Arc<Directory>, stat: &Stat, handles: &mut DirHandleCache<'_>) -> Result<Stat> {
        let handle = handles.enter(directory)?;
        let found = fstat(handle).map_err(|error| Error::io("stat", OsStr::from_bytes(&directory.path()), error))?;
        let expected = Stat { changed: found.changed, ..*stat };
        if let Some(change) = expected.directory_change(&found)
            && (change != DirectoryChange::Relisted || !self.tree.exclusions.may_match_in(&directory.path()))
        {
            self.changes.tolerate(Error::changed(&directory.path(), change.what()))?;
        }
        Ok(found)
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
            match self.look(&listed, &way, handles) {
                Ok(directory) => way.push(directory),
                Err(error) => {
                    self.changes.tolerate(error)?;
                    gone = listed.depth;
                }
            }
        }
        Ok(())
    }

    /// Looks at a directory below those on the way down to it. Fails if it is another one, whatever is done with changes.
    fn look(
        &self,
        listed: &ListedDirectory,
        way: &[Arc<Directory>],
        handles: &mut DirHandleCache<'_>,
    ) -> Result<Arc<Directory>> {
        let comparable = |found: Stat| self.tree.filesystem_of(&found.identity).comparable(found);
        let (directory, found) = if let Some(parent) = way.last() {
            let from = (way.len() - 1) / LEVELS * LEVELS;
            let mut path: Vec<u8> = Vec::new();
            way[from + 1..].iter().for_each(|above| path.extend(above.name().iter().chain(b"/")));
            path.extend(&listed.name);
            let found = comparable(handles.stat_again(&way[from], &path)?);
            (parent.child(&listed.name, found.identity), found)
        } else {
            let top = Directory::top(self.tree.stat.identity);
            let found = comparable(handles.stat_again(&top, b"")?);
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
            && kept == self.kept_names(directory, handles)?
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
        let found = fstat(handle).map_err(failed)?;
        let fields = self.tree.compared_fields(&path, &found.identity);
        let names = Names::read(handle.as_fd(), fields, listing::MEMORY_LIMIT, self.tree.cancel);
        let mut kept = self.listed.kept_names_hasher(&found);
        for name in names.map_err(|cause| cause.at(&path))? {
            if !self.tree.exclusions.matches(&child_path(&path, &name.bytes)) {
                kept.keep(&name);
            }
        }
        Ok(kept.finish())
    }
}

impl Tree<'_> {
    /// What is compared of the names in the directory at `path`.
    pub(crate) fn compared_fields(&self, path: &[u8], identity: &Identity) -> Fields {
        let has_numbers = self.filesystem_of(identity).has_persistent_numbers();
        if has_numbers && self.exclusions.may_match_in(path) { Fields::NameAndInode } else { Fields::Name }
    }
}
