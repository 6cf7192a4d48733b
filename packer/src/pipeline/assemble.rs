//! From packed archives to an image: its fingerprint, its files, and how they get their names.

use std::path::PathBuf;
use std::sync::Arc;

use crate::cancel::CancelToken;
use crate::codec::{Compression, Encoder};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::format::oci::{Documents, Layer};
use crate::format::{Format, Oci};
use crate::pipeline::context::Job;
use crate::pipeline::strategy::{Facts, Packed, Strategy};
use crate::publish::directory::{Outcome, Shelf};
use crate::publish::oci_layout::{self, Layout};
use crate::publish::split::{self, Page};
use crate::segment::ExtraMembers;
use crate::sink::Sink;
use crate::sink::output::Written;
use crate::tar;

/// An image that has all its bytes and no name.
pub(crate) enum Assembled<'a> {
    /// One file.
    File { image: Written, compression: Compression },
    /// Two files.
    Split { metadata: Written, rootfs: Written, compression: Compression },
    /// A layer and its documents, and the layout that they go to.
    Oci { layer: Written, documents: Box<Documents>, layout: Layout, oci: &'a Oci },
}

/// Packs a tree in a format.
pub(crate) fn assemble<'a>(format: &'a Format, strategy: Strategy, job: &Job<'_>) -> Result<(Assembled<'a>, Facts)> {
    let compression = job.compression;
    match format {
        Format::Tar | Format::Unified(_) => {
            let Packed { written: image, facts } = strategy.run(job)?;
            Ok((Assembled::File { image, compression }, facts))
        }
        Format::Split(_) => {
            let (metadata, members) = beside(job)?;
            let left = |most: u64| most.checked_sub(metadata.length).ok_or_else(|| Error::too_large(most));
            let (nothing, max_size) = (ExtraMembers::default(), job.max_size.map(left).transpose()?);
            let hasher = metadata.hasher.clone();
            let rest = Job { extras: &nothing, hasher: Some(&hasher), max_size, ..*job };
            let Packed { written: rootfs, mut facts } = strategy.run(&rest)?;
            facts.entries += members;
            Ok((Assembled::Split { metadata, rootfs, compression }, facts))
        }
        Format::Oci(oci) => {
            let (layout, draft) = (Layout::open(job.destination.shelf()?, job.cancel)?, oci.draft(job.tree)?);
            let Packed { written: layer, facts } = strategy.run(&Job { diff_id: true, ..*job })?;
            let diff_id = facts.diff_id.ok_or_else(|| Error::unfit("a layer", "has no hash of its tar"))?;
            let media_type = compression
                .layer_media_type()
                .ok_or_else(|| Error::unfit("a layer", format!("cannot be compressed with {compression}")))?;
            let description = Layer { digest: layer.fingerprint(), size: layer.length, media_type };
            let documents = Box::new(draft.documents(description, &diff_id)?);
            Ok((Assembled::Oci { layer, documents, layout, oci }, facts))
        }
    }
}

/// The archive beside a split image's rootfs, and how many members it has.
fn beside(job: &Job<'_>) -> Result<(Written, u64)> {
    let job = &Job { compression: job.compression.beside(), ..*job };
    let mut tar = job.framed.take();
    job.extras.iter().for_each(|framed| tar.append(&framed.bytes));
    tar.append_zeros(tar::END_OF_ARCHIVE_SIZE);
    let written = std::thread::scope(|scope| {
        let mut sink = Sink::open(job, job.workshop(scope))?;
        sink.append(job.encode(&mut Encoder::new(job.compression)?, tar)?)?;
        sink.finish()
    })?;
    Ok((written, job.extras.count()))
}

impl Assembled<'_> {
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        match self {
            Assembled::File { image, .. } => image.fingerprint(),
            // Its hash went on from that of the metadata.
            Assembled::Split { rootfs, .. } => rootfs.fingerprint(),
            Assembled::Oci { documents, .. } => documents.manifest.digest,
        }
    }

    /// The size of its files together, in bytes.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Assembled::File { image, .. } => image.length,
            Assembled::Split { metadata, rootfs, .. } => metadata.length + rootfs.length,
            Assembled::Oci { layer, documents, .. } => {
                layer.length + (documents.config.bytes.len() + documents.manifest.bytes.len()) as u64
            }
        }
    }

    /// Its layer, if it is an OCI image.
    pub(crate) fn layer(&self) -> Option<Layer> {
        match self {
            Assembled::Oci { documents, .. } => Some(documents.layer),
            Assembled::File { .. } | Assembled::Split { .. } => None,
        }
    }

    /// Brings what was packed to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        match self {
            Assembled::File { image, .. } => image.sync(),
            Assembled::Split { metadata, rootfs, .. } => metadata.sync().and_then(|()| rootfs.sync()),
            Assembled::Oci { layer, .. } => layer.sync(),
        }
    }

    /// Gives the synced image its name in `shelf`, or adds it to the layout there; says where it stands.
    pub(crate) fn publish(self, shelf: &Arc<Shelf>, cancel: &CancelToken) -> Result<(Outcome, PathBuf)> {
        let fingerprint = self.fingerprint();
        match self {
            Assembled::File { image, compression } => {
                let name = format!("{fingerprint}{}", compression.extension());
                let outcome = image.staged()?.publish(shelf, &fingerprint, &name, cancel)?;
                shelf.sync()?;
                Ok((outcome.into(), shelf.path().join(name)))
            }
            Assembled::Split { metadata, rootfs, compression } => {
                let page = |what: &str, written: Written, compression: Compression| {
                    let name = format!("{what}{}", compression.extension());
                    written.staged().map(|staged| Page { name, staged })
                };
                let name = format!("{fingerprint}.split");
                let pages =
                    vec![page("metadata", metadata, compression.beside())?, page("rootfs", rootfs, compression)?];
                let outcome = split::publish(shelf, &name, pages, &fingerprint, cancel)?;
                Ok((outcome, shelf.path().join(name)))
            }
            Assembled::Oci { layer, documents, layout, oci } => {
                let layer = oci_layout::Layer { digest: layer.fingerprint(), staged: layer.staged()? };
                let outcome = layout.add(layer, &documents, oci.ref_name(), cancel)?;
                Ok((outcome, shelf.path().to_owned()))
            }
        }
    }
}
