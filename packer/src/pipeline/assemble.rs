//! From packed archives to an image: its parts, its fingerprint, and how it is sealed.

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::format::Plan;
use crate::format::oci::{Document, Draft, Layer, Tag};
use crate::pipeline::context::{ArchivePlan, Context};
use crate::pipeline::encode::PieceCompressor;
use crate::pipeline::strategy::{ArchiveCounts, PackedArchive, Strategy};
use crate::publish;
use crate::segment::ExtraMembers;
use crate::sink::destination::{Destination, Role};
use crate::sink::output::Written;
use crate::sink::{Sink, SinkOptions};
use crate::tar;

/// An image that has all its bytes, and is neither sealed nor named.
pub(crate) struct Assembled<'to> {
    pub(crate) fingerprint: Fingerprint,
    /// The size of its parts together, in bytes.
    pub(crate) size: u64,
    /// Its layer, if it is an OCI image.
    pub(crate) layer: Option<Layer>,
    pub(crate) counts: ArchiveCounts,
    pub(crate) parts: UnsealedParts<'to>,
}

/// The parts of an image. Dropping them abandons the image.
pub(crate) struct UnsealedParts<'to> {
    archives: Vec<Written<'to>>,
    /// Documents that describe the archives, not uploaded yet.
    documents: Vec<(Role, Document)>,
}

impl UnsealedParts<'_> {
    /// Makes all parts last, the documents behind the archives that they describe.
    pub(crate) fn seal(self, destination: &dyn Destination) -> Result<()> {
        self.archives.into_iter().try_for_each(Written::seal)?;
        self.documents.into_iter().try_for_each(|(role, document)| {
            let mut bytes = Buffer::default();
            bytes.append(&document.bytes);
            destination.upload(role, bytes, &document.digest)
        })
    }
}

/// Packs a tree as planned. `archive` holds the tree.
pub(crate) fn assemble<'a>(
    plan: &Plan<'_>,
    strategy: Strategy,
    context: &Context<'a>,
    archive: &ArchivePlan<'_>,
) -> Result<Assembled<'a>> {
    match plan {
        Plan::File => {
            let PackedArchive { written, counts } = strategy.run(context, archive)?;
            Ok(Assembled {
                fingerprint: written.fingerprint(),
                size: written.length,
                layer: None,
                counts,
                parts: UnsealedParts { archives: vec![written], documents: Vec::new() },
            })
        }
        Plan::Split => split(strategy, context, archive),
        Plan::Oci { tag, draft } => oci(draft, *tag, strategy, context, archive),
    }
}

/// Metadata, and a rootfs whose hash continues the metadata's.
fn split<'a>(strategy: Strategy, context: &Context<'a>, archive: &ArchivePlan<'_>) -> Result<Assembled<'a>> {
    let (metadata, members) = metadata(context, archive)?;
    let sink = SinkOptions {
        hasher: Some(metadata.hasher.clone()),
        size_limit: archive.sink.size_limit.map(|limit| limit.beside(metadata.length)),
        ..archive.sink
    };
    let rootfs = ArchivePlan { role: Role::Rootfs, extras: &ExtraMembers::default(), sink, ..*archive };
    let PackedArchive { written: rootfs, mut counts } = strategy.run(context, &rootfs)?;
    counts.entries += members;
    Ok(Assembled {
        fingerprint: rootfs.fingerprint(),
        size: metadata.length + rootfs.length,
        layer: None,
        counts,
        parts: UnsealedParts { archives: vec![metadata, rootfs], documents: Vec::new() },
    })
}

/// The archive of a split image's metadata, and how many members it has.
fn metadata<'a>(context: &Context<'a>, archive: &ArchivePlan<'_>) -> Result<(Written<'a>, u64)> {
    let compression = archive.sink.compression.metadata_compression();
    let archive =
        &ArchivePlan { role: Role::Metadata, sink: SinkOptions { compression, ..archive.sink.clone() }, ..*archive };
    let mut tar = context.buffers.framed.take();
    archive.extras.iter().for_each(|framed| tar.append(&framed.bytes));
    tar.append_zeros(tar::END_OF_ARCHIVE_SIZE);
    let written = std::thread::scope(|scope| {
        let upload = context.destination.begin(archive.role)?;
        let mut sink = Sink::open(context.sink_context(scope, compression), upload, &archive.sink)?;
        let pieces = PieceCompressor::new(context, archive)?.compress(vec![tar])?;
        pieces.into_iter().try_for_each(|piece| sink.append(piece))?;
        sink.finish()
    })?;
    Ok((written, archive.extras.count()))
}

/// A layer, and the documents that describe it.
fn oci<'a>(
    draft: &Draft<'_>,
    tag: Option<&Tag>,
    strategy: Strategy,
    context: &Context<'a>,
    archive: &ArchivePlan<'_>,
) -> Result<Assembled<'a>> {
    let archive = ArchivePlan { role: Role::Layer, diff_id: true, ..archive.clone() };
    let PackedArchive { written: layer, counts } = strategy.run(context, &archive)?;
    let diff_id = counts.diff_id.ok_or_else(|| Error::unfit("a layer", "has no hash of its tar"))?;
    let compression = archive.sink.compression;
    let media_type = compression
        .layer_media_type()
        .ok_or_else(|| Error::unfit("a layer", format!("cannot be compressed with {compression}")))?;
    let description = Layer { digest: layer.fingerprint(), size: layer.length, media_type };
    let documents = draft.documents(&description, &diff_id)?;
    let described = (documents.config.bytes.len() + documents.manifest.bytes.len()) as u64;
    if let Some(limit) = archive.sink.size_limit {
        let index = publish::index_size(&documents.manifest, draft.platform(), tag)?;
        limit.beside(described + index).check(layer.length)?;
    }
    Ok(Assembled {
        fingerprint: documents.manifest.digest,
        size: layer.length + described,
        layer: Some(description),
        counts,
        parts: UnsealedParts {
            archives: vec![layer],
            documents: vec![(Role::Config, documents.config), (Role::Manifest, documents.manifest)],
        },
    })
}
