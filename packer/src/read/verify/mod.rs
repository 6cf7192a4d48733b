//! Verifying an image with readers that share no code with what wrote it.
//!
//! The files are hashed and compared with their names; they are [decoded](crate::read::image::decode), every header is read, and what a format
//! promises is looked for. What is *not* checked is whether an image holds any particular tree.

pub(crate) mod names;
pub(crate) mod scan;

use std::collections::HashMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::publish::directory::hash;
use crate::read::archive::error::Flaw;
use crate::read::archive::members::End;
use crate::read::image::encoding::Encoding;
use crate::read::image::format::Format;
use crate::read::image::oci::{Configuration, Descriptor, Found, Image, LayerType, Layout, Walk};
use crate::read::image::source::{Opened, Part, Source, fingerprint_in};
use crate::read::verify::names::Targets;
use crate::read::verify::scan::{Scanned, scan};

/// What a sound image holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How it is laid out.
    pub format: Format,
    /// The name that an OCI layout gives to it.
    pub tag: Option<String>,
    /// What it is called by: the sha256 of the file; of a split image, of both files one behind the other; of an OCI image, of the
    /// manifest.
    pub fingerprint: Fingerprint,
    /// The sha256 of the uncompressed tar, of a split image that of the tree. Of several layers, their chain ID as OCI defines it.
    pub diff_id: Fingerprint,
    /// The size of all its files, in bytes.
    pub size: u64,
    /// The size of all its uncompressed tars, in bytes.
    pub tar_size: u64,
    /// Members of its archives.
    pub entries: u64,
    /// Whether `metadata.yaml` is not the first member: it is found only by decompressing what is before it, which may be all.
    pub is_described_late: bool,
}

/// Checks that an image is whole: it hashes to its name, it decodes to its end, and what it decodes to is what its
/// [format](Format) promises.
///
/// What is *not* checked is whether it holds any particular tree; for that see [`Pack::compare`](crate::Pack::compare). Of an OCI
/// layout with several images only one is meant: see [`Source`].
///
/// # Errors
///
/// If it cannot be read, or is [malformed](crate::ErrorKind::Malformed): the first fault that is found.
pub fn verify(image: impl AsRef<Path>) -> Result<Verified> {
    let path = image.as_ref();
    let mut found = Source::new(path).verify()?;
    match (found.pop(), found.is_empty()) {
        (Some(verified), true) => Ok(verified),
        (None, _) => Err(Error::invalid_input(path, "holds no image")),
        (Some(_), false) => Err(Error::invalid_input(path, "holds several images, and one is asked for")),
    }
}

impl Source {
    /// Checks each image that is meant, as [`verify`] does.
    ///
    /// # Errors
    ///
    /// As [`verify`].
    pub fn verify(&self) -> Result<Vec<Verified>> {
        match self.open()? {
            Opened::File(part) => file(&part).map(|verified| vec![verified]),
            Opened::Pair { metadata, rootfs } => {
                let names = [metadata.named(), rootfs.named(), fingerprint_in(self.path())];
                pair(&metadata, &rootfs, self.path(), &names).map(|verified| vec![verified])
            }
            Opened::Layout(layout, tag) => Images { layout: &layout, layers: HashMap::new() }.verify(tag.as_deref()),
        }
    }
}

/// A tree in one archive, or a unified image.
fn file(part: &Part) -> Result<Verified> {
    let fingerprint = part.hash()?;
    named(&part.path, &[part.named()], fingerprint)?;
    let Scanned { whole, members, shape } =
        scan(part.decoded()?, End::Marked, Targets::Here).map_err(|flaw| flaw.of(&part.path))?;
    let format = shape.format();
    if format == Format::Unified {
        shape.check_unified().map_err(|flaw| flaw.of(&part.path))?;
    }
    Ok(Verified {
        format,
        tag: None,
        fingerprint,
        diff_id: whole.digest,
        size: part.size,
        tar_size: whole.length,
        entries: members,
        is_described_late: format == Format::Unified && shape.is_described_late(),
    })
}

fn pair(metadata: &Part, rootfs: &Part, path: &Path, names: &[Option<Fingerprint>]) -> Result<Verified> {
    let fingerprint = pair_fingerprint(metadata, rootfs)?;
    named(path, names, fingerprint)?;
    let scanned = |part: &Part| scan(part.decoded()?, End::Marked, Targets::Here).map_err(|flaw| flaw.of(&part.path));
    let (description, tree) = (scanned(metadata)?, scanned(rootfs)?);
    description.shape.check_metadata().map_err(|flaw| flaw.of(&metadata.path))?;
    Ok(Verified {
        format: Format::Split,
        tag: None,
        fingerprint,
        diff_id: tree.whole.digest,
        size: metadata.size + rootfs.size,
        tar_size: description.whole.length + tree.whole.length,
        entries: description.members + tree.members,
        is_described_late: description.shape.is_described_late(),
    })
}

/// The sha256 of two files, one behind the other.
pub(crate) fn pair_fingerprint(metadata: &Part, rootfs: &Part) -> Result<Fingerprint> {
    let both = std::io::Read::chain(metadata.raw()?, rootfs.raw()?);
    hash(both).map(|(fingerprint, _)| fingerprint).map_err(|error| Error::io("read", &rootfs.path, error))
}

/// Checks that there is a fingerprint among the names, and that all that are say the same.
fn named(path: &Path, names: &[Option<Fingerprint>], found: Fingerprint) -> Result<()> {
    if names.iter().all(Option::is_none) {
        return Err(Error::image(path, "its name does not begin with a fingerprint"));
    }
    if names.iter().flatten().any(|name| *name != found) {
        return Err(Error::image(path, format!("its sha256 is {found}")));
    }
    Ok(())
}

/// The images of a layout. A layer that several of them have is looked at once.
struct Images<'a> {
    layout: &'a Layout,
    layers: HashMap<(Fingerprint, Targets), Layer>,
}

/// What is known of a layer.
#[derive(Clone, Copy, Debug)]
struct Layer {
    encoding: Encoding,
    diff_id: Fingerprint,
    tar_size: u64,
    members: u64,
}

impl Images<'_> {
    fn verify(mut self, tag: Option<&str>) -> Result<Vec<Verified>> {
        let mut verified = Vec::new();
        Walk::new(self.layout, tag).run(&mut |found| {
            match found {
                Found::Image(image) => verified.push(self.image(&image)?),
                Found::Other(blobs) => {
                    for blob in blobs {
                        self.layout.checked_blob(&blob)?;
                    }
                }
            }
            Ok(())
        })?;
        if verified.is_empty() {
            let what = if tag.is_some() { "holds no image with this tag or digest" } else { "holds no image" };
            return Err(Error::invalid_input(self.layout.path(), what));
        }
        Ok(verified)
    }

    fn image(&mut self, image: &Image) -> Result<Verified> {
        let Image { digest, size, manifest, tag } = image;
        let diff_ids = configuration(self.layout, manifest.config.clone(), manifest.layers.len())?.1;
        let mut verified = Verified {
            format: Format::Oci,
            tag: tag.clone(),
            fingerprint: *digest,
            diff_id: chain_id(&diff_ids),
            size: size + manifest.config.size,
            tar_size: 0,
            entries: 0,
            is_described_late: false,
        };
        for (number, (descriptor, diff_id)) in manifest.layers.iter().zip(diff_ids).enumerate() {
            let targets = if number == 0 { Targets::Here } else { Targets::HereOrBelow };
            let layer = self.layer(descriptor, targets)?;
            check_layer(self.layout, descriptor, layer.encoding, layer.diff_id, diff_id)?;
            verified.size += descriptor.size;
            verified.tar_size += layer.tar_size;
            verified.entries += layer.members;
        }
        Ok(verified)
    }

    fn layer(&mut self, descriptor: &Descriptor, targets: Targets) -> Result<Layer> {
        let key = (descriptor.digest().map_err(|flaw| self.layout.located(flaw))?, targets);
        if let Some(layer) = self.layers.get(&key) {
            return Ok(*layer);
        }
        let part = self.layout.checked_blob(descriptor)?;
        let Scanned { whole, members, .. } =
            scan(part.decoded()?, End::Anywhere, targets).map_err(|flaw| flaw.of(&part.path))?;
        let layer = Layer { encoding: part.encoding, diff_id: whole.digest, tar_size: whole.length, members };
        self.layers.insert(key, layer);
        Ok(layer)
    }
}

/// An image's configuration, as it is and what it says of the layers.
pub(crate) fn configuration(
    layout: &Layout,
    descriptor: Descriptor,
    layers: usize,
) -> Result<(Vec<u8>, Vec<Fingerprint>)> {
    let bytes = layout.document(&descriptor)?;
    let configuration: Configuration = layout.parsed(&bytes, "the configuration")?;
    let diff_ids = configuration.diff_ids().map_err(|flaw| layout.located(flaw))?;
    if diff_ids.len() != layers {
        let what = format!("the manifest names {layers} layers, and the configuration {}", diff_ids.len());
        return Err(Error::image(layout.path(), what));
    }
    Ok((bytes, diff_ids))
}

/// Checks that a layer is what the manifest and the configuration say.
pub(crate) fn check_layer(
    layout: &Layout,
    descriptor: &Descriptor,
    encoding: Encoding,
    found: Fingerprint,
    diff_id: Fingerprint,
) -> Result<()> {
    let digest = descriptor.digest().map_err(|flaw| layout.located(flaw))?;
    let unsound = |what: String| Err(layout.located(Flaw::Unsound(format!("the layer {digest} {what}"))));
    match LayerType::of(&descriptor.media_type) {
        None => {
            let shown = descriptor.media_type.chars().take(80).flat_map(char::escape_default).collect::<String>();
            Err(layout
                .located(Flaw::Beyond(format!("has a layer of the media type `{shown}`, which is not read here"))))
        }
        Some(LayerType(told)) if told != encoding => unsound(format!("is said to be {told}, and is {encoding}")),
        Some(_) if found != diff_id => unsound(format!("decodes to {found}, and should to {diff_id}")),
        Some(_) => Ok(()),
    }
}

/// What OCI calls a stack of layers by (image-spec, "Layer ChainID"); of one layer its diffID.
pub(crate) fn chain_id(diff_ids: &[Fingerprint]) -> Fingerprint {
    let mut chain = None;
    for diff_id in diff_ids {
        chain = Some(match chain {
            None => *diff_id,
            Some(below) => Fingerprint::of(format!("sha256:{below} sha256:{diff_id}").as_bytes()),
        });
    }
    chain.unwrap_or_else(|| Fingerprint::of(b""))
}
