//! An image in memory: its tree, the entries beside it, and its description.

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::read::compare::contents::{Contents, Node, NodeKind, SideFiles};
use crate::read::compare::digest::ContentHasher;
use crate::read::compare::unpack::{ArchiveRole, Unpacked, unpack};
use crate::read::context::ReadContext;
use crate::read::image::encoding::Encoding;
use crate::read::image::file::{ImageFile, fingerprint_of_both};
use crate::read::image::format::{ImageFormat, ROOTFS};
use crate::read::image::oci::{IndexWalk, LayoutDir, Selection, chain_id};
use crate::read::image::source::{OpenImage, Source};
use crate::tree::stat::Timestamp;

/// The content of an image.
#[derive(Debug)]
pub(crate) struct LoadedImage {
    pub(crate) format: ImageFormat,
    pub(crate) fingerprint: Fingerprint,
    /// Of the tree; of several layers their chain ID.
    pub(crate) diff_id: Fingerprint,
    /// Of all files, in bytes.
    pub(crate) size: u64,
    pub(crate) tree: Contents,
    pub(crate) side_files: SideFiles,
    /// `metadata.yaml`, or the configuration of an OCI image.
    pub(crate) description: Option<Vec<u8>>,
    pub(crate) archives: Vec<ArchiveSummary>,
}

/// An archive of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveSummary {
    /// The name of the file.
    pub name: String,
    /// The size of the file, in bytes.
    pub size: u64,
    /// The compression.
    pub encoding: Encoding,
    /// The size of the uncompressed tar, in bytes.
    pub tar_size: u64,
    /// The sha256 of the uncompressed tar.
    pub diff_id: Fingerprint,
}

impl ArchiveSummary {
    fn new(file: &ImageFile, unpacked: &Unpacked) -> Self {
        ArchiveSummary {
            name: file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            size: file.size,
            encoding: file.encoding,
            tar_size: unpacked.archive.length,
            diff_id: unpacked.archive.digest,
        }
    }
}

impl Source {
    /// Reads the one selected image into memory.
    pub(crate) fn load(&self, cancel: &CancelToken) -> Result<LoadedImage> {
        self.read(cancel, |context| match self.open()? {
            OpenImage::Archive(file) => load_archive(&file, context),
            OpenImage::Split { metadata, rootfs } => load_split(&metadata, &rootfs, context),
            OpenImage::Layout(layout) => load_oci(&layout, self.selection(), context),
        })
    }
}

fn load_archive(file: &ImageFile, context: &ReadContext<'_>) -> Result<LoadedImage> {
    context.set_total(2 * file.size);
    let fingerprint = file.hash(context)?;
    let mut contents = Contents::new(context.cancel());
    let unpacked = unpack_file(file, ArchiveRole::Whole, &mut contents, context)?;
    let archives = vec![ArchiveSummary::new(file, &unpacked)];
    let format = unpacked.detector.format();
    let (tree, side_files) = match format {
        ImageFormat::Unified => contents.split_at_directory(ROOTFS)?,
        ImageFormat::Tar | ImageFormat::Split | ImageFormat::Oci => (contents, SideFiles::new()),
    };
    let description = unpacked.metadata.filter(|_| format == ImageFormat::Unified);
    let (diff_id, size) = (unpacked.archive.digest, file.size);
    Ok(LoadedImage { format, fingerprint, diff_id, size, tree, side_files, description, archives })
}

fn load_split(metadata: &ImageFile, rootfs: &ImageFile, context: &ReadContext<'_>) -> Result<LoadedImage> {
    context.set_total((metadata.size + rootfs.size).saturating_mul(2));
    let fingerprint = fingerprint_of_both(metadata, rootfs, context)?;
    let (mut side_files, mut tree) = (Contents::new(context.cancel()), Contents::new(context.cancel()));
    let described = unpack_file(metadata, ArchiveRole::Whole, &mut side_files, context)?;
    described.detector.check_metadata().map_err(|error| error.at(&metadata.path))?;
    let unpacked = unpack_file(rootfs, ArchiveRole::Whole, &mut tree, context)?;
    Ok(LoadedImage {
        format: ImageFormat::Split,
        fingerprint,
        diff_id: unpacked.archive.digest,
        size: metadata.size + rootfs.size,
        tree,
        side_files: side_files.into_side_files()?,
        archives: vec![ArchiveSummary::new(metadata, &described), ArchiveSummary::new(rootfs, &unpacked)],
        description: described.metadata,
    })
}

fn unpack_file(
    file: &ImageFile,
    role: ArchiveRole,
    contents: &mut Contents,
    context: &ReadContext<'_>,
) -> Result<Unpacked> {
    unpack(file.decoded(context)?, role, contents, context.cancel()).map_err(|error| error.at(&file.path))
}

fn load_oci(layout: &LayoutDir, selection: &Selection, context: &ReadContext<'_>) -> Result<LoadedImage> {
    let image = IndexWalk::new(layout, selection, context.cancel()).only()?;
    let layers = &image.manifest.layers;
    let mut size = image.size + image.manifest.config.size;
    let (description, diff_ids) = image.configuration(layout)?;
    let sizes = layers.iter().try_fold(0_u64, |sum, layer| sum.checked_add(layer.size.checked_mul(2)?));
    context.set_total(sizes.unwrap_or(0));
    let (mut tree, mut archives) = (Contents::new(context.cancel()), Vec::new());
    for (descriptor, diff_id) in layers.iter().zip(&diff_ids) {
        let file = layout.checked_blob(descriptor, context)?;
        tree.begin_layer()?;
        let unpacked = unpack_file(&file, ArchiveRole::Layer, &mut tree, context)?;
        layout.check_layer(descriptor, file.encoding, unpacked.archive.digest, *diff_id)?;
        size += file.size;
        archives.push(ArchiveSummary::new(&file, &unpacked));
    }
    tree.end_layers()?;
    Ok(LoadedImage {
        format: ImageFormat::Oci,
        fingerprint: image.digest,
        diff_id: chain_id(&diff_ids),
        size,
        tree,
        side_files: configuration_as_side_file(layout, &description)?,
        description: Some(description),
        archives,
    })
}

/// The configuration of an OCI image as an entry beside the tree, without its layers and their history.
fn configuration_as_side_file(layout: &LayoutDir, configuration: &[u8]) -> Result<SideFiles> {
    let mut document: serde_json::Value = layout.parsed(configuration, "the configuration")?;
    let Some(fields) = document.as_object_mut() else {
        return Err(Error::image(layout.path(), "the configuration is no object"));
    };
    for layers in ["rootfs", "history", "created"] {
        fields.remove(layers);
    }
    // The size of this form is meaningless, so its hash, which always has the same size, stands for it.
    let mut hasher = ContentHasher::default();
    hasher.data(Fingerprint::of(document.to_string().as_bytes()).bytes());
    let modified = Timestamp { seconds: 0, nanoseconds: 0 };
    let kind = NodeKind::File(hasher.finish());
    let node = Node { kind, mode: 0, owner: (0, 0), modified, xattrs: Default::default() };
    Ok([(b"config"[..].into(), node)].into())
}
