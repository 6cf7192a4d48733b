//! The files of an OCI image layout. A blob has the size and the digest that it is named by, or it is not given out.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::read::archive::error::Flaw;
use crate::read::image::oci::document::{Descriptor, Index, LayoutFile};
use crate::read::image::source::{Part, not_opened, within};

/// The largest document that is read, in bytes: what the OCI distribution specification lets registries refuse beyond.
const LIMIT: u64 = 4 << 20;

/// A directory that holds images.
#[derive(Debug)]
pub(crate) struct Layout {
    path: PathBuf,
    directory: OwnedFd,
}

impl Layout {
    /// Opens the layout in a directory; nothing if there is none.
    pub(crate) fn open(path: &Path, directory: impl AsFd) -> Result<Option<Self>> {
        let failed = |error| Error::io("open", path, error);
        let directory = within(directory, ".", OFlags::DIRECTORY).map_err(failed)?;
        let layout = Layout { path: path.to_owned(), directory };
        let Some(file) = layout.file(&["oci-layout"])? else { return Ok(None) };
        let LayoutFile { version } = layout.parsed(&layout.bytes(&file)?, "oci-layout")?;
        let (major, minor) = version.split_once('.').unwrap_or((&version, ""));
        if major != "1" || minor.is_empty() {
            let shown = version.chars().take(20).flat_map(char::escape_default).collect::<String>();
            return Err(Error::unfit(path, format!("is an OCI image layout of version `{shown}`, and 1 is read here")));
        }
        Ok(Some(layout))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is told of all of it.
    pub(crate) fn located(&self, flaw: Flaw) -> Error {
        flaw.of(&self.path)
    }

    /// `index.json`.
    pub(crate) fn index(&self) -> Result<Index> {
        let file = self.file(&["index.json"])?;
        let file = file.ok_or_else(|| Error::image(&self.path, "it has no index.json"))?;
        self.parsed(&self.bytes(&file)?, "index.json")
    }

    /// A blob that is there and has its size; whoever reads it checks the digest.
    pub(crate) fn blob(&self, descriptor: &Descriptor) -> Result<Part> {
        let name = descriptor.digest().map_err(|flaw| self.located(flaw))?.to_string();
        let part = self.file(&["blobs", "sha256", &name])?;
        let part = part.ok_or_else(|| Error::image(&self.path, format!("the blob {name} is missing")))?;
        if part.size != descriptor.size {
            let what = format!("it has {} bytes, and should have {}", part.size, descriptor.size);
            return Err(Error::image(&part.path, what));
        }
        Ok(part)
    }

    /// A blob that has its size and its digest.
    pub(crate) fn checked_blob(&self, descriptor: &Descriptor) -> Result<Part> {
        let part = self.blob(descriptor)?;
        let (expected, found) = (descriptor.digest().map_err(|flaw| self.located(flaw))?, part.hash()?);
        if found != expected {
            return Err(Error::image(&part.path, format!("its sha256 is {found}")));
        }
        Ok(part)
    }

    /// The bytes of a document that has its size and its digest.
    pub(crate) fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let part = self.blob(descriptor)?;
        let bytes = self.bytes(&part)?;
        let expected = descriptor.digest().map_err(|flaw| self.located(flaw))?;
        let found = Fingerprint::of(&bytes);
        if found != expected {
            return Err(Error::image(&part.path, format!("its sha256 is {found}")));
        }
        Ok(bytes)
    }

    /// A document as what it should be.
    pub(crate) fn parsed<Document: DeserializeOwned>(&self, bytes: &[u8], name: &str) -> Result<Document> {
        serde_json::from_slice(bytes).map_err(|error| Error::image(&self.path, format!("{name}: {error}")))
    }

    fn bytes(&self, part: &Part) -> Result<Vec<u8>> {
        if part.size > LIMIT {
            let what = format!("has {} bytes, and documents are read up to {LIMIT}", part.size);
            return Err(Error::unfit(&part.path, what));
        }
        let mut bytes = Vec::new();
        let read = part.raw()?.take(LIMIT).read_to_end(&mut bytes);
        read.map_err(|error| Error::io("read", &part.path, error))?;
        Ok(bytes)
    }

    /// The file with this path in the layout; nothing if it is not there.
    fn file(&self, names: &[&str]) -> Result<Option<Part>> {
        let (mut path, mut handle) = (self.path.clone(), None);
        for (number, name) in names.iter().enumerate() {
            path.push(name);
            let flags = if number + 1 < names.len() { OFlags::DIRECTORY } else { OFlags::empty() };
            match within(handle.as_ref().unwrap_or(&self.directory), name, flags) {
                Ok(found) => handle = Some(found),
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(not_opened(&path, error)),
            }
        }
        handle.map(|handle| Part::inside(&path, handle)).transpose()
    }
}
