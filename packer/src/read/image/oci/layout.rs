//! The directory of an OCI image layout. A blob is given out only if it has the size, and where it says so the digest, of its
//! descriptor.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::read::archive::error::ReadError;
use crate::read::context::ReadContext;
use crate::read::image::file::{ImageFile, open_error, open_in};
use crate::read::image::oci::document::{Descriptor, Index, LayoutFile};

/// The largest document, in bytes: registries may refuse larger ones (OCI distribution-spec).
const DOCUMENT_LIMIT: u64 = 4 << 20;

/// An open layout.
#[derive(Debug)]
pub(crate) struct LayoutDir {
    path: PathBuf,
    directory: OwnedFd,
}

impl LayoutDir {
    /// Opens the layout in a directory. `None` without a file `oci-layout`.
    pub(crate) fn open(path: &Path, directory: impl AsFd) -> Result<Option<Self>> {
        let failed = |error| Error::io("open", path, error);
        let directory = open_in(directory, ".", OFlags::DIRECTORY).map_err(failed)?;
        let layout = LayoutDir { path: path.to_owned(), directory };
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

    /// The public error, about the whole layout.
    pub(crate) fn error(&self, error: ReadError) -> Error {
        error.at(&self.path)
    }

    /// `index.json`.
    pub(crate) fn index(&self) -> Result<Index> {
        let file = self.file(&["index.json"])?;
        let file = file.ok_or_else(|| Error::image(&self.path, "it has no index.json"))?;
        self.parsed(&self.bytes(&file)?, "index.json")
    }

    /// The blob of a descriptor, of the right size. Its digest is not checked.
    fn blob(&self, descriptor: &Descriptor) -> Result<ImageFile> {
        let name = descriptor.digest().map_err(|error| self.error(error))?.to_string();
        let file = self.file(&["blobs", "sha256", &name])?;
        let file = file.ok_or_else(|| Error::image(&self.path, format!("the blob {name} is missing")))?;
        if file.size != descriptor.size {
            let what = format!("it has {} bytes, and should have {}", file.size, descriptor.size);
            return Err(Error::image(&file.path, what));
        }
        Ok(file)
    }

    /// The blob of a descriptor, of the right size and digest.
    pub(crate) fn checked_blob(&self, descriptor: &Descriptor, context: &ReadContext<'_>) -> Result<ImageFile> {
        let file = self.blob(descriptor)?;
        let (expected, found) = (descriptor.digest().map_err(|error| self.error(error))?, file.hash(context)?);
        if found != expected {
            return Err(Error::image(&file.path, format!("its sha256 is {found}")));
        }
        Ok(file)
    }

    /// The bytes of a document, of the right size and digest.
    pub(crate) fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let file = self.blob(descriptor)?;
        let bytes = self.bytes(&file)?;
        let expected = descriptor.digest().map_err(|error| self.error(error))?;
        let found = Fingerprint::of(&bytes);
        if found != expected {
            return Err(Error::image(&file.path, format!("its sha256 is {found}")));
        }
        Ok(bytes)
    }

    /// Parses a document; `name` is for messages.
    pub(crate) fn parsed<Document: DeserializeOwned>(&self, bytes: &[u8], name: &str) -> Result<Document> {
        serde_json::from_slice(bytes).map_err(|error| Error::image(&self.path, format!("{name}: {error}")))
    }

    fn bytes(&self, file: &ImageFile) -> Result<Vec<u8>> {
        if file.size > DOCUMENT_LIMIT {
            let what = format!("has {} bytes, and documents are read up to {DOCUMENT_LIMIT}", file.size);
            return Err(Error::unfit(&file.path, what));
        }
        let mut bytes = Vec::new();
        let read = file.bytes()?.take(DOCUMENT_LIMIT).read_to_end(&mut bytes);
        read.map_err(|error| Error::io("read", &file.path, error))?;
        Ok(bytes)
    }

    /// The file with this path in the layout. `None` if it does not exist.
    fn file(&self, names: &[&str]) -> Result<Option<ImageFile>> {
        let (mut path, mut handle) = (self.path.clone(), None);
        for (number, name) in names.iter().enumerate() {
            path.push(name);
            let flags = if number + 1 < names.len() { OFlags::DIRECTORY } else { OFlags::empty() };
            match open_in(handle.as_ref().unwrap_or(&self.directory), name, flags) {
                Ok(found) => handle = Some(found),
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(open_error(&path, error)),
            }
        }
        handle.map(|handle| ImageFile::in_image(&path, handle)).transpose()
    }
}
