//! Verification by readers that share no code with the writers.
//!
//! The files are hashed and compared with their names, and decoded; every header is read; what the format promises is checked.

// Each file imports only files above it.
mod names;

mod scan;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::read::archive::reader::End;
use crate::read::context::ReadContext;
use crate::read::image::encoding::Encoding;
use crate::read::image::file::{ImageFile, fingerprint_in_name, fingerprint_of_both};
use crate::read::image::format::ImageFormat;
use crate::read::image::oci::{Descriptor, IndexItem, IndexWalk, LayoutDir, OciImage, Selection, chain_id, no_image};
use crate::read::image::source::{OpenImage, Source};

pub(crate) use names::LinkTargets;
pub(crate) use scan::{Scan, scan};

/// A sound image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The format.
    pub format: ImageFormat,
    /// The tag in the OCI layout, as it is written there.
    pub tag: Option<String>,
    /// The sha256 of the file; of a split image, of both files one behind the other; of an OCI image, of the manifest.
    pub fingerprint: Fingerprint,
    /// The sha256 of the uncompressed tar; of a split image, of the tree's. Of an OCI image the chain ID of the layers, which of a
    /// single layer is its diffID.
    pub diff_id: Fingerprint,
    /// The size of all files, in bytes.
    pub size: u64,
    /// The size of all uncompressed tars, in bytes.
    pub tar_size: u64,
    /// The number of members in all archives.
    pub entries: u64,
    /// Whether another member stands before `metadata.yaml`. An importer then has to decompress that first, which may be the whole
    /// tree.
    pub has_late_metadata: bool,
}

/// Verifies the one image at a path: short for [`Source::verify`].
///
/// # Errors
///
/// As [`Source::verify`].
pub fn verify(image: impl AsRef<Path>) -> Result<Verified> {
    Source::new(image.as_ref()).verify()
}

impl Source {
    /// Checks that the image is sound: it hashes to its name, decodes to its end, and has what its [format](ImageFormat) promises.
    ///
    /// It does *not* check that the image holds any particular tree; [`compare_with_tree`](Self::compare_with_tree) does.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, if the image is [malformed](crate::ErrorKind::Malformed), or if a layout holds several images and none was
    /// selected: see [`tag`](Self::tag) and [`verify_all`](Self::verify_all).
    pub fn verify(&self) -> Result<Verified> {
        let mut images = self.verify_all()?;
        match (images.pop(), images.is_empty()) {
            (Some(image), true) => Ok(image),
            (None, _) => Err(Error::invalid_input(self.path(), "holds no image")),
            (Some(_), false) => Err(Error::invalid_input(self.path(), "holds several images, and one is asked for")),
        }
    }

    /// Checks every selected image of a layout, as [`verify`](Self::verify) does. The result has at least one image; in any other
    /// format, exactly one.
    ///
    /// Of a layout without a selection, blobs that belong to no image are hashed as well.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, if an image is [malformed](crate::ErrorKind::Malformed), or if a layout holds no selected image.
    pub fn verify_all(&self) -> Result<Vec<Verified>> {
        self.read(self.token(), |context| self.verify_with(context))
    }

    fn verify_with(&self, context: &ReadContext<'_>) -> Result<Vec<Verified>> {
        match self.open()? {
            OpenImage::Archive(file) => verify_archive(&file, context).map(|image| vec![image]),
            OpenImage::Split { metadata, rootfs } => {
                let names =
                    [metadata.fingerprint_in_name(), rootfs.fingerprint_in_name(), fingerprint_in_name(self.path())];
                verify_split(&metadata, &rootfs, self.path(), &names, context).map(|image| vec![image])
            }
            OpenImage::Layout(layout) => {
                if context.reports() {
                    context.set_total(layout_total(&layout, self.selection(), context.cancel())?);
                }
                LayoutVerifier { layout: &layout, layers: HashMap::new(), context }.verify(self.selection())
            }
        }
    }
}

/// Verifies a plain tree or a unified image.
fn verify_archive(file: &ImageFile, context: &ReadContext<'_>) -> Result<Verified> {
    context.set_total(2 * file.size);
    let fingerprint = file.hash(context)?;
    check_names(&file.path, &[file.fingerprint_in_name()], fingerprint)?;
    let Scan { archive, members, detector } = scan_file(file, End::Marked, LinkTargets::SameArchive, context)?;
    let format = detector.format();
    if format == ImageFormat::Unified {
        detector.check_unified().map_err(|error| error.at(&file.path))?;
    }
    Ok(Verified {
        format,
        tag: None,
        fingerprint,
        diff_id: archive.digest,
        size: file.size,
        tar_size: archive.length,
        entries: members,
        has_late_metadata: format == ImageFormat::Unified && detector.has_late_metadata(),
    })
}

fn verify_split(
    metadata: &ImageFile,
    rootfs: &ImageFile,
    path: &Path,
    names: &[Option<Fingerprint>],
    context: &ReadContext<'_>,
) -> Result<Verified> {
    context.set_total((metadata.size + rootfs.size).saturating_mul(2));
    let fingerprint = fingerprint_of_both(metadata, rootfs, context)?;
    check_names(path, names, fingerprint)?;
    let scan = |file| scan_file(file, End::Marked, LinkTargets::SameArchive, context);
    let (description, tree) = (scan(metadata)?, scan(rootfs)?);
    description.detector.check_metadata().map_err(|error| error.at(&metadata.path))?;
    Ok(Verified {
        format: ImageFormat::Split,
        tag: None,
        fingerprint,
        diff_id: tree.archive.digest,
        size: metadata.size + rootfs.size,
        tar_size: description.archive.length + tree.archive.length,
        entries: description.members + tree.members,
        has_late_metadata: description.detector.has_late_metadata(),
    })
}

fn scan_file(file: &ImageFile, end: End, targets: LinkTargets, context: &ReadContext<'_>) -> Result<Scan> {
    scan(file.decoded(context)?, end, targets, context.cancel()).map_err(|error| error.at(&file.path))
}

/// Checks that at least one of the names has a fingerprint, and that no name has another one.
fn check_names(path: &Path, names: &[Option<Fingerprint>], found: Fingerprint) -> Result<()> {
    if names.iter().all(Option::is_none) {
        return Err(Error::image(path, "its name does not begin with a fingerprint"));
    }
    if names.iter().flatten().any(|name| *name != found) {
        return Err(Error::image(path, format!("its sha256 is {found}")));
    }
    Ok(())
}

/// Verifies the images of a layout. A layer of several images is read once.
struct LayoutVerifier<'a> {
    layout: &'a LayoutDir,
    layers: HashMap<(Fingerprint, LinkTargets), VerifiedLayer>,
    context: &'a ReadContext<'a>,
}

#[derive(Clone, Copy, Debug)]
struct VerifiedLayer {
    encoding: Encoding,
    diff_id: Fingerprint,
    tar_size: u64,
    members: u64,
}

impl LayoutVerifier<'_> {
    fn verify(mut self, selection: &Selection) -> Result<Vec<Verified>> {
        let mut images = Vec::new();
        IndexWalk::new(self.layout, selection, self.context.cancel()).run(&mut |item| {
            match item {
                IndexItem::Image(image) => images.push(self.verify_image(image)?),
                IndexItem::Other(blobs) => {
                    for blob in blobs {
                        self.layout.checked_blob(&blob, self.context)?;
                    }
                }
            }
            Ok(())
        })?;
        if images.is_empty() { Err(no_image(self.layout, selection)) } else { Ok(images) }
    }

    fn verify_image(&mut self, image: OciImage) -> Result<Verified> {
        let diff_ids = image.configuration(self.layout)?.1;
        let OciImage { digest, size, manifest, tag } = image;
        let mut verified = Verified {
            format: ImageFormat::Oci,
            tag,
            fingerprint: digest,
            diff_id: chain_id(&diff_ids),
            size: size + manifest.config.size,
            tar_size: 0,
            entries: 0,
            has_late_metadata: false,
        };
        for (number, (descriptor, diff_id)) in manifest.layers.iter().zip(diff_ids).enumerate() {
            let layer = self.verify_layer(descriptor, link_targets(number))?;
            self.layout.check_layer(descriptor, layer.encoding, layer.diff_id, diff_id)?;
            verified.size += descriptor.size;
            verified.tar_size += layer.tar_size;
            verified.entries += layer.members;
        }
        Ok(verified)
    }

    fn verify_layer(&mut self, descriptor: &Descriptor, targets: LinkTargets) -> Result<VerifiedLayer> {
        let key = (descriptor.digest().map_err(|error| self.layout.error(error))?, targets);
        if let Some(layer) = self.layers.get(&key) {
            return Ok(*layer);
        }
        let file = self.layout.checked_blob(descriptor, self.context)?;
        let Scan { archive, members, .. } = scan_file(&file, End::Anywhere, targets, self.context)?;
        let layer =
            VerifiedLayer { encoding: file.encoding, diff_id: archive.digest, tar_size: archive.length, members };
        self.layers.insert(key, layer);
        Ok(layer)
    }
}

/// Where the targets of hard links in a layer may be, by the layer's place in its image.
fn link_targets(number: usize) -> LinkTargets {
    if number == 0 { LinkTargets::SameArchive } else { LinkTargets::SameOrLowerLayer }
}

/// The most layers that are counted for a total.
const COUNTED_LAYERS: usize = 100_000;

/// The bytes that [`LayoutVerifier`] will read, or 0 if they are not known before it does.
fn layout_total(layout: &LayoutDir, selection: &Selection, cancel: &CancelToken) -> Result<u64> {
    let (mut layers, mut total) = (HashSet::new(), Some(0_u64));
    let mut add = |size: u64| total = total.and_then(|total| total.checked_add(size));
    let walked = IndexWalk::new(layout, selection, cancel).run(&mut |item| {
        match item {
            IndexItem::Image(image) => {
                for (number, descriptor) in image.manifest.layers.iter().enumerate() {
                    let digest = descriptor.digest().map_err(|error| layout.error(error))?;
                    if layers.len() < COUNTED_LAYERS && layers.insert((digest, link_targets(number))) {
                        add(descriptor.size.saturating_mul(2));
                    }
                }
            }
            IndexItem::Other(blobs) => blobs.iter().for_each(|blob| add(blob.size)),
        }
        Ok(())
    });
    cancel.check()?;
    // A fault in the layout is found again, and reported, where it is verified.
    Ok(total.filter(|_| walked.is_ok() && layers.len() < COUNTED_LAYERS).unwrap_or(0))
}
