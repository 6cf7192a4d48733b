//! An OCI image layout that images are added to: `oci-layout`, `index.json`, and blobs named by their sha256.
//!
//! Blobs come first, each complete and on the disk before it has a name; then the index, at one moment. Whoever reads the
//! layout meanwhile sees it without the image or with all of it. Packs that look at one layout or add to it at the same time take
//! turns, by a lock (`flock`) on its directory. Source: the OCI image format specification 1.1, `image-layout.md` and `image-index.md`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde_json::{Map, Value, json};

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::format::oci::{Documents, MANIFEST, Tag, digest};
use crate::publish::directory::{Named, Outcome, Shelf, Staged};
use crate::publish::temp_name::{self, DIRECTORY};

/// The file that makes a directory a layout.
const MARK: &str = "oci-layout";
const INDEX: &str = "index.json";
const BLOBS: &str = "blobs";
const TAG: &str = "org.opencontainers.image.ref.name";

/// The most that is read of a document, in bytes.
const LIMIT: u64 = 16 << 20;

/// How long is waited between two attempts to lock the layout.
const BETWEEN: Duration = Duration::from_millis(20);

/// A layout, or a directory that can become one.
#[derive(Debug)]
pub(crate) struct Layout {
    top: Arc<Shelf>,
}

/// A layer without a name.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) staged: Staged,
    pub(crate) digest: Fingerprint,
}

impl Layout {
    /// Looks whether the directory is a layout, or empty, or holds what a pack left that was ended before it was one.
    pub(crate) fn open(top: &Arc<Shelf>, cancel: &CancelToken) -> Result<Self> {
        let layout = Layout { top: Arc::clone(top) };
        // While another pack makes a layout of it, it is neither.
        let _lock = layout.lock(cancel)?;
        match layout.document(MARK)? {
            Some(mark) => {
                let version = mark.get("imageLayoutVersion").and_then(Value::as_str).unwrap_or_default();
                if !version.starts_with("1.") {
                    let what = format!("is of version `{}`, and 1 is what is known", version.escape_debug());
                    return Err(Error::unfit(top.path().join(MARK), what));
                }
                layout.index()?;
            }
            None => {
                let names =
                    temp_name::names(top.handle()).map_err(|error| Error::io("read directory", top.path(), error))?;
                if names.iter().any(|name| name.to_bytes() != BLOBS.as_bytes() && !temp_name::is_temporary(name)) {
                    return Err(Error::output_exists(top.path(), "is neither an OCI image layout nor empty"));
                }
            }
        }
        Ok(layout)
    }

    /// Adds an image whose layer is on the disk. Its blobs that are there already stay if they are whole.
    pub(crate) fn add(
        &self,
        layer: Layer,
        documents: &Documents,
        tag: Option<&Tag>,
        cancel: &CancelToken,
    ) -> Result<Outcome> {
        let _lock = self.lock(cancel)?;
        let mut added = Added::default();
        let blobs = added.directory(&self.top, BLOBS)?;
        let blobs = added.directory(&blobs, "sha256")?;
        added.blob(&blobs, layer.staged, &layer.digest, cancel)?;
        for document in [&documents.config, &documents.manifest] {
            added.blob(&blobs, self.file(&document.bytes)?, &document.digest, cancel)?;
        }
        blobs.sync()?;
        if self.document(MARK)?.is_none() {
            self.file(br#"{"imageLayoutVersion":"1.0.0"}"#)?.replace(&self.top, MARK)?;
            added.names.push((Arc::clone(&self.top), MARK.to_owned(), Kind::File));
        }
        let before = self.index()?;
        let after = with(before.clone(), documents, tag);
        let known = before == after && !added.replaced && added.names.is_empty();
        if !known {
            cancel.check()?;
            let text = serde_json::to_vec(&Value::Object(after))
                .map_err(|error| Error::unfit(self.top.path().join(INDEX), error.to_string()))?;
            self.file(&text)?.replace(&self.top, INDEX)?;
        }
        added.names.clear();
        self.top.sync()?;
        Ok(if known { Outcome::AlreadyThere } else { Outcome::Published })
    }

    /// Waits until no other pack adds to the layout. Where there are no locks, nobody waits.
    fn lock(&self, cancel: &CancelToken) -> Result<Turn> {
        let handle = rustix::fs::openat(self.top.handle(), c".", DIRECTORY, Mode::empty())
            .map_err(|error| Error::io("open", self.top.path(), error))?;
        while let Err(Errno::WOULDBLOCK | Errno::INTR) =
            rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive)
        {
            cancel.check()?;
            std::thread::sleep(BETWEEN);
        }
        Ok(Turn(handle))
    }

    /// A file with these bytes, on the disk and without a name.
    fn file(&self, bytes: &[u8]) -> Result<Staged> {
        let staged = self.top.stage()?;
        staged.file().write_all(bytes).map_err(|error| Error::io("write a file in", self.top.path(), error))?;
        staged.sync()?;
        Ok(staged)
    }

    /// The index, or an empty one.
    fn index(&self) -> Result<Map<String, Value>> {
        let index = self.document(INDEX)?;
        let Some(index) = index else {
            let empty =
                json!({ "manifests": [], "mediaType": "application/vnd.oci.image.index.v1+json", "schemaVersion": 2 });
            return Ok(empty.as_object().cloned().unwrap_or_default());
        };
        let known = index.get("schemaVersion").and_then(Value::as_u64) == Some(2)
            && index.get("manifests").is_some_and(Value::is_array);
        if known { Ok(index) } else { Err(self.unfit(INDEX, "is not an OCI image index".to_owned())) }
    }

    /// A JSON object in the layout, if there is one of this name.
    fn document(&self, name: &str) -> Result<Option<Map<String, Value>>> {
        let failed = |error: std::io::Error| Error::io("read", self.top.path().join(name), error);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(self.top.handle(), name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(Error::io("open", self.top.path().join(name), error)),
        };
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(self.unfit(name, "is not a regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > LIMIT {
            return Err(self.unfit(name, format!("is larger than {} MiB", LIMIT >> 20)));
        }
        match serde_json::from_slice(&bytes) {
            Ok(document) => Ok(Some(document)),
            Err(error) => Err(self.unfit(name, format!("is not a JSON object: {error}"))),
        }
    }

    fn unfit(&self, name: &str, what: String) -> Error {
        Error::unfit(self.top.path().join(name), what)
    }
}

/// A lock on a layout's directory. It goes with this value, not with the last handle: a program that is about to start may have another.
struct Turn(OwnedFd);

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

/// The index with the image. Another image of the same name loses it, and with it its place; what else there is stays.
fn with(mut index: Map<String, Value>, documents: &Documents, tag: Option<&Tag>) -> Map<String, Value> {
    let mut image = json!({
        "digest": digest(&documents.manifest.digest),
        "mediaType": MANIFEST,
        "platform": documents.platform,
        "size": documents.manifest.bytes.len(),
    });
    if let Some(tag) = tag {
        image["annotations"] = json!({ TAG: tag.to_string() });
    }
    let name = |entry: &Value| entry.get("annotations").and_then(|annotations| annotations.get(TAG)).cloned();
    let Some(Value::Array(manifests)) = index.get_mut("manifests") else { return index };
    let same =
        |entry: &Value| entry.get("digest") == image.get("digest") && (tag.is_none() || name(entry) == name(&image));
    if !manifests.iter().any(same) {
        manifests.retain(|entry| tag.is_none() || name(entry) != name(&image));
        manifests.push(image);
    }
    index
}

/// What was added to a layout, which goes away again with this value.
#[derive(Default)]
struct Added {
    /// A blob took the place of the remains of a crash.
    replaced: bool,
    names: Vec<(Arc<Shelf>, String, Kind)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
}

impl Added {
    /// The directory `name` in `parent`, made if need be.
    fn directory(&mut self, parent: &Arc<Shelf>, name: &str) -> Result<Arc<Shelf>> {
        let path = parent.path().join(name);
        match rustix::fs::mkdirat(parent.handle(), name, Mode::RWXU) {
            Ok(()) => {
                self.names.push((Arc::clone(parent), name.to_owned(), Kind::Directory));
                parent.sync()?;
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(Error::io("create directory", path, error)),
        }
        let handle = rustix::fs::openat(parent.handle(), name, DIRECTORY, Mode::empty())
            .map_err(|error| Error::io("open", &path, error))?;
        Ok(Arc::new(Shelf::of(Arc::new(handle), path)))
    }

    fn blob(&mut self, blobs: &Arc<Shelf>, staged: Staged, digest: &Fingerprint, cancel: &CancelToken) -> Result<()> {
        let name = digest.to_string();
        match staged.publish(blobs, digest, &name, cancel)? {
            Named::New => self.names.push((Arc::clone(blobs), name, Kind::File)),
            // Somebody may refer to it.
            Named::Replaced => self.replaced = true,
            Named::Found => {}
        }
        Ok(())
    }
}

impl Drop for Added {
    fn drop(&mut self) {
        for (shelf, name, kind) in self.names.drain(..).rev() {
            let flags = if kind == Kind::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            let _ = rustix::fs::unlinkat(shelf.handle(), &*name, flags);
        }
    }
}
