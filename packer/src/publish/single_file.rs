//! The destination of a single-file image: a directory, in which the file is named by its fingerprint.

use std::sync::Arc;

use crate::cancel::CancelToken;
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::publish::local_upload::SealedParts;
use crate::publish::output_dir::OutputDir;
use crate::publish::pending_file::PendingFile;
use crate::sink::destination::{Committed, Destination, Role, ScratchFile, Upload};

/// An image that becomes the file `<fingerprint><extension>`.
#[derive(Debug)]
pub(crate) struct SingleFile {
    directory: Arc<OutputDir>,
    extension: &'static str,
    sealed: SealedParts,
}

impl SingleFile {
    pub(crate) fn new(directory: Arc<OutputDir>, extension: &'static str) -> Self {
        SingleFile { directory, extension, sealed: SealedParts::default() }
    }
}

impl Destination for SingleFile {
    fn begin(&self, role: Role) -> Result<Box<dyn Upload + '_>> {
        self.sealed.begin(&self.directory, role)
    }

    fn scratch_file(&self) -> Result<ScratchFile> {
        Ok(PendingFile::create(&self.directory)?.into_scratch())
    }

    fn commit(&self, fingerprint: &Fingerprint, cancel: &CancelToken) -> Result<Committed> {
        let name = format!("{fingerprint}{}", self.extension);
        let image = self.sealed.take(Role::Image)?;
        let naming = image.file.publish(&self.directory, fingerprint, &name, cancel)?;
        let path = self.directory.path().join(name);
        self.directory.sync_published(&path)?;
        Ok(Committed { outcome: naming.into(), path: Some(path) })
    }
}
