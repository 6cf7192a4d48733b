//! Stage 1: walks a root filesystem by directory handle and yields its entries in the archive's order.

pub(crate) mod stat;

pub(crate) mod filesystem;

pub(crate) mod changes;
pub(crate) mod placement;

pub(crate) mod glob;

pub(crate) mod xattr;

pub(crate) mod id_map;
pub(crate) mod user_namespace;

pub(crate) mod filter;
pub(crate) mod holes;

pub(crate) mod rules;

pub(crate) mod directory;

pub(crate) mod consulted;
pub(crate) mod entry;
pub(crate) mod hard_links;
pub(crate) mod hole_scans;
pub(crate) mod inside;
pub(crate) mod listed_directories;
pub(crate) mod listing;
pub(crate) mod outputs;
pub(crate) mod resolve;
pub(crate) mod second_look;

pub(crate) mod walk;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::tree::consulted::ConsultedFiles;
use crate::tree::directory::{DirHandleCache, OPEN_FLAGS, chain_capacity, fstat};
use crate::tree::filesystem::{Filesystem, Filesystems};
use crate::tree::filter::{Exclusion, ExclusionSet};
use crate::tree::hard_links::{HardLinks, LinkCounts};
use crate::tree::hole_scans::HoleScans;
use crate::tree::id_map::OwnerPolicy;
use crate::tree::outputs::Outputs;
use crate::tree::rules::Rules;
use crate::tree::stat::{Identity, Stat, Timestamp};
use crate::tree::user_namespace::UserNamespace;
use crate::tree::xattr::XattrBackend;
use crate::tree::xattr::filter::XattrFilter;

/// A root filesystem, held open by its top directory.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    path: PathBuf,
    top: OwnedFd,
    stat: Stat,
    filesystems: Filesystems,
    rules: Rules,
    exclusions: ExclusionSet,
    xattr_filter: XattrFilter,
    xattr_backend: XattrBackend,
    chain_capacity: usize,
    hole_scans: HoleScans,
    consulted: ConsultedFiles,
    outputs: Outputs,
    /// `None` if the owners on the disk do not count.
    user_namespace: Option<UserNamespace>,
    cancel: &'a CancelToken,
}

impl<'a> Tree<'a> {
    /// Opens a root filesystem.
    pub(crate) fn open(path: &Path, rules: Rules, cancel: &'a CancelToken) -> Result<Self> {
        Tree::open_as("open the root filesystem", path, rules, cancel)
    }

    /// Opens the top directory of a tree; `operation` stands in the error. A symlink is refused: its target could change between two
    /// looks at it.
    pub(crate) fn open_as(operation: &'static str, path: &Path, rules: Rules, cancel: &'a CancelToken) -> Result<Self> {
        let top = rustix::fs::open(path, OPEN_FLAGS | OFlags::DIRECTORY, Mode::empty())
            .map_err(|error| open_error(operation, path, error))?;
        let xattr_backend = XattrBackend::detect(top.as_fd()).ok_or_else(|| {
            Error::unfit(
                "/proc/self/fd",
                "is not there, and before Linux 6.13 extended attributes are read by way of it",
            )
        })?;
        let (stat, filesystem) = (fstat(&top).map_err(|error| Error::io("stat", path, error))?, Filesystem::of(&top));
        let user_namespace = match rules.owners {
            OwnerPolicy::Preserve | OwnerPolicy::Map(_) => Some(UserNamespace::read(stat.identity.mount)?),
            OwnerPolicy::Fixed(_) => None,
        };
        let (exclusions, xattr_filter) = (rules.exclusion_set()?, XattrFilter::new(&rules.xattrs)?);
        Ok(Tree {
            path: path.to_owned(),
            top,
            stat: filesystem.comparable(stat),
            filesystems: Filesystems::new(&stat.identity, filesystem),
            rules,
            exclusions,
            xattr_filter,
            xattr_backend,
            chain_capacity: chain_capacity(1),
            hole_scans: HoleScans::default(),
            consulted: ConsultedFiles::default(),
            outputs: Outputs::default(),
            user_namespace,
            cancel,
        })
    }

    /// The same tree, to be read by so many threads: they share the files that the process may open.
    pub(crate) fn for_threads(self, threads: usize) -> Self {
        Tree { chain_capacity: chain_capacity(threads), ..self }
    }

    /// The same tree, to be packed by a process that writes to these files and directories: a walk that meets one fails.
    pub(crate) fn with_outputs(self, outputs: Outputs) -> Self {
        Tree { outputs, ..self }
    }

    /// The same tree, to be walked twice at the same time.
    pub(crate) fn for_two_walks(self) -> Self {
        Tree { hole_scans: HoleScans::for_two_walks(), ..self }
    }

    /// The hard links of one walk.
    fn hard_links(&self) -> HardLinks {
        let limit = hard_links::MEMORY_LIMIT;
        if self.rules.cross_mounts { HardLinks::across_mounts(limit) } else { HardLinks::new(limit) }
    }

    /// What is known of the link counts of a file.
    pub(crate) fn link_counts(&self, identity: &Identity) -> LinkCounts {
        LinkCounts::of(self.filesystem_of(identity))
    }

    /// What is known of the filesystem of a file. Nothing is known of mounts that are left out.
    pub(crate) fn filesystem_of(&self, identity: &Identity) -> Filesystem {
        self.filesystems.known(identity).unwrap_or(Filesystem::Unknown)
    }

    /// The bytes of content that walks have read to find holes.
    pub(crate) fn bytes_searched(&self) -> u64 {
        self.hole_scans.bytes_read()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Consults the file at `path`, as [`ConsultedFiles::consult`]. The end of a walk compares it.
    pub(crate) fn consult(&self, path: &'static str, limit: u64) -> Result<Option<Vec<u8>>> {
        self.consulted.consult(&self.top, path, limit)
    }

    /// The exclusions that have matched nothing in the walks so far.
    pub(crate) fn unmatched_exclusions(&self) -> Vec<Exclusion> {
        self.exclusions.unmatched()
    }

    /// The modification time of the top directory in the archive.
    pub(crate) fn modified(&self) -> Timestamp {
        self.rules.clamp(self.stat.modified)
    }

    /// Directory handles for one thread that reads this tree.
    pub(crate) fn handles(&self) -> Result<DirHandleCache<'a>> {
        DirHandleCache::new(&self.top, self.chain_capacity, self.cancel)
    }
}

/// The error of opening the top directory: what stands there instead of a directory, or else the system's cause.
fn open_error(operation: &'static str, path: &Path, error: Errno) -> Error {
    let found = Stat::look(rustix::fs::CWD, path.as_os_str().as_bytes());
    match found.map(|stat| stat.file_type()) {
        Ok(FileType::Symlink) => Error::invalid_input(path, "is a symbolic link, not a directory"),
        Ok(FileType::Directory) | Err(_) => Error::io(operation, path, error),
        Ok(_) => Error::invalid_input(path, "is not a directory"),
    }
}
