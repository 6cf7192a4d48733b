//! An OCI image layout that images are added to: `oci-layout`, `index.json`, and blobs named by their sha256.
//!
//! Blobs come first, each complete and on the disk before it has a name; then the index, atomically. A reader of the layout sees it
//! without the image or with all of it. Packs that look at one layout or add to it at the same time take turns, by a lock.
//! Source: the OCI image format specification 1.1, `image-layout.md` and `image-index.md`.

mod index;
mod lock;
mod rollback;

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde_json::{Map, Value};

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::format::oci::{Document, Platform, Tag};
use crate::publish::local_upload::SealedParts;
use crate::publish::output_dir::OutputDir;
use crate::publish::pending_file::PendingFile;
use crate::publish::temp_name;
use crate::sink::destination::{Committed, Destination, Outcome, Role, ScratchFile, Upload};
use index::Manifest;
use lock::LayoutLock;
use rollback::Rollback;

/// The file that makes a directory a layout.
const MARKER: &str = "oci-layout";
const INDEX: &str = "index.json";
const BLOBS: &str = "blobs";

/// The most that is read of a document, in bytes.
const DOCUMENT_LIMIT: u64 = 16 << 20;

/// An image that is added to the layout in a directory, or to an empty directory that becomes one.
#[derive(Debug)]
pub(crate) struct OciLayout {
    top: Arc<OutputDir>,
    /// The name of the image.
    tag: Option<String>,
    platform: Platform,
    sealed: SealedParts,
}

/// The size of the index of a layout that has this image alone, in bytes.
pub(crate) fn index_size(manifest: &Document, platform: Platform, tag: Option<&Tag>) -> Result<u64> {
    let Document { digest, bytes } = manifest;
    let tag = tag.map(Tag::to_string);
    let manifest = Manifest { digest: *digest, size: bytes.len() as u64, platform, tag: tag.as_deref() };
    let index = serde_json::to_vec(&Value::Object(index::with(index::empty(), &manifest)));
    index.map(|index| index.len() as u64).map_err(|error| Error::unfit(INDEX, error.to_string()))
}

impl OciLayout {
    /// Fails if the directory is neither a layout nor empty. The remains of a pack that ended before it had made a layout do not count.
    pub(crate) fn open(
        top: Arc<OutputDir>,
        tag: Option<&Tag>,
        platform: Platform,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let layout = OciLayout { top, tag: tag.map(Tag::to_string), platform, sealed: SealedParts::default() };
        // Another pack may be making a layout of it just now.
        let _lock = LayoutLock::take(&layout.top, cancel)?;
        match layout.document(MARKER)? {
            Some(marker) => {
                let version = marker.get("imageLayoutVersion").and_then(Value::as_str).unwrap_or_default();
                if !version.starts_with("1.") {
                    let what = format!("is of version `{}`, and 1 is what is known", version.escape_debug());
                    return Err(layout.unfit(MARKER, what));
                }
                layout.index()?;
            }
            None => {
                let path = layout.top.path();
                let names =
                    temp_name::names(layout.top.handle()).map_err(|error| Error::io("read directory", path, error))?;
                if names.iter().any(|name| name.to_bytes() != BLOBS.as_bytes() && !temp_name::is_temporary(name)) {
                    return Err(Error::output_exists(path, "is neither an OCI image layout nor empty"));
                }
            }
        }
        Ok(layout)
    }

    /// Names the sealed blobs and lists the manifest. Whole blobs that are there already stay. All of the image is on the disk then.
    fn add(&self, fingerprint: &Fingerprint, cancel: &CancelToken) -> Result<Outcome> {
        let _lock = LayoutLock::take(&self.top, cancel)?;
        let mut added = Rollback::default();
        let blobs = added.directory(&self.top, BLOBS)?;
        let blobs = added.directory(&blobs, "sha256")?;
        let mut manifest_size = 0;
        for role in [Role::Layer, Role::Config, Role::Manifest] {
            let blob = self.sealed.take(role)?;
            manifest_size = blob.size;
            added.blob(&blobs, blob, cancel)?;
        }
        blobs.sync()?;
        if self.document(MARKER)?.is_some() {
            self.top.sync_file(MARKER)?;
        } else {
            self.file(br#"{"imageLayoutVersion":"1.0.0"}"#)?.replace(&self.top, MARKER)?;
            added.track_file(&self.top, MARKER);
        }
        let before = self.index()?;
        let Self { tag, platform, .. } = self;
        let manifest = Manifest { digest: *fingerprint, size: manifest_size, platform: *platform, tag: tag.as_deref() };
        let after = index::with(before.clone(), &manifest);
        let known = before == after && added.is_empty();
        if known {
            self.top.sync_file(INDEX)?;
        } else {
            cancel.check()?;
            let text =
                serde_json::to_vec(&Value::Object(after)).map_err(|error| self.unfit(INDEX, error.to_string()))?;
            self.file(&text)?.replace(&self.top, INDEX)?;
        }
        added.keep();
        self.top.sync_published(self.top.path())?;
        Ok(if known { Outcome::AlreadyThere } else { Outcome::Published })
    }

    /// A file with these bytes, on the disk and without a name.
    fn file(&self, bytes: &[u8]) -> Result<PendingFile> {
        let pending = PendingFile::create(&self.top)?;
        pending.file().write_all(bytes).map_err(|error| Error::io("write a file in", self.top.path(), error))?;
        pending.seal()?;
        Ok(pending)
    }

    /// The index, or an empty one.
    fn index(&self) -> Result<Map<String, Value>> {
        match self.document(INDEX)? {
            None => Ok(index::empty()),
            Some(index) if index::is_known(&index) => Ok(index),
            Some(_) => Err(self.unfit(INDEX, "is not an OCI image index".to_owned())),
        }
    }

    /// The JSON object in the layout that has this name, if there is one.
    fn document(&self, name: &str) -> Result<Option<Map<String, Value>>> {
        let failed = |error: std::io::Error| Error::io("read", self.path_of(name), error);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(self.top.handle(), name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(Error::io("open", self.path_of(name), error)),
        };
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(self.unfit(name, "is not a regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        file.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > DOCUMENT_LIMIT {
            return Err(self.unfit(name, format!("is larger than {} MiB", DOCUMENT_LIMIT >> 20)));
        }
        match serde_json::from_slice(&bytes) {
            Ok(document) => Ok(Some(document)),
            Err(error) => Err(self.unfit(name, format!("is not a JSON object: {error}"))),
        }
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    fn unfit(&self, name: &str, what: String) -> Error {
        Error::unfit(self.path_of(name), what)
    }
}

impl Destination for OciLayout {
    fn begin(&self, role: Role) -> Result<Box<dyn Upload + '_>> {
        self.sealed.begin(&self.top, role)
    }

    fn scratch_file(&self) -> Result<ScratchFile> {
        Ok(PendingFile::create(&self.top)?.into_scratch())
    }

    fn commit(&self, fingerprint: &Fingerprint, cancel: &CancelToken) -> Result<Committed> {
        let outcome = self.add(fingerprint, cancel)?;
        Ok(Committed { outcome, path: Some(self.top.path().to_owned()) })
    }
}
