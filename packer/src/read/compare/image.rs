//! All that is in an image, whatever its format: the tree, what is beside it, and what the image says of itself.

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::read::compare::contents::{Contents, Kind, Node, Rest};
use crate::read::compare::digest::Digester;
use crate::read::compare::unpack::{Role, Unpacked, unpack};
use crate::read::image::encoding::Encoding;
use crate::read::image::format::{Format, ROOTFS};
use crate::read::image::oci::{Layout, Walk};
use crate::read::image::source::{Opened, Part, Source};
use crate::read::verify::{chain_id, check_layer, configuration, pair_fingerprint};
use crate::tree::entry::Timestamp;

/// What an image holds.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) format: Format,
    pub(crate) fingerprint: Fingerprint,
    /// Of the tree; of several layers their chain ID.
    pub(crate) diff_id: Fingerprint,
    /// Of all files, in bytes.
    pub(crate) size: u64,
    pub(crate) tree: Contents,
    /// What importers find beside the tree.
    pub(crate) beside: Rest,
    /// `metadata.yaml`, or the configuration of an OCI image.
    pub(crate) description: Option<Vec<u8>>,
    pub(crate) archives: Vec<Archive>,
}

/// One of the archives that an image is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// What it is called in the image: the name of the file.
    pub name: String,
    /// Its size, in bytes.
    pub size: u64,
    /// What hides the tar in it.
    pub encoding: Encoding,
    /// The size of the tar, in bytes.
    pub tar_size: u64,
    /// The sha256 of the tar.
    pub diff_id: Fingerprint,
}

impl Archive {
    fn of(part: &Part, unpacked: &Unpacked) -> Self {
        let name = part.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Part { size, encoding, .. } = *part;
        Archive { name, size, encoding, tar_size: unpacked.whole.length, diff_id: unpacked.whole.digest }
    }
}

impl Source {
    /// Reads the one image that is meant.
    pub(crate) fn read(&self) -> Result<Reading> {
        match self.open()? {
            Opened::File(part) => file(&part),
            Opened::Pair { metadata, rootfs } => pair(&metadata, &rootfs),
            Opened::Layout(layout, tag) => image(&layout, tag.as_deref()),
        }
    }
}

fn file(part: &Part) -> Result<Reading> {
    let fingerprint = part.hash()?;
    let mut contents = Contents::new();
    let unpacked = unpacked(part, Role::Whole, &mut contents)?;
    let archives = vec![Archive::of(part, &unpacked)];
    let format = unpacked.shape.format();
    let (tree, beside) = match format {
        Format::Unified => contents.part(ROOTFS),
        Format::Tar | Format::Split | Format::Oci => (contents, Rest::new()),
    };
    let description = unpacked.metadata.filter(|_| format == Format::Unified);
    let (diff_id, size) = (unpacked.whole.digest, part.size);
    Ok(Reading { format, fingerprint, diff_id, size, tree, beside, description, archives })
}

fn pair(metadata: &Part, rootfs: &Part) -> Result<Reading> {
    let fingerprint = pair_fingerprint(metadata, rootfs)?;
    let (mut beside, mut tree) = (Contents::new(), Contents::new());
    let described = unpacked(metadata, Role::Whole, &mut beside)?;
    described.shape.check_metadata().map_err(|flaw| flaw.of(&metadata.path))?;
    let packed = unpacked(rootfs, Role::Whole, &mut tree)?;
    Ok(Reading {
        format: Format::Split,
        fingerprint,
        diff_id: packed.whole.digest,
        size: metadata.size + rootfs.size,
        tree,
        beside: beside.into_rest(),
        archives: vec![Archive::of(metadata, &described), Archive::of(rootfs, &packed)],
        description: described.metadata,
    })
}

fn unpacked(part: &Part, role: Role, contents: &mut Contents) -> Result<Unpacked> {
    unpack(part.decoded()?, role, contents).map_err(|flaw| flaw.of(&part.path))
}

fn image(layout: &Layout, tag: Option<&str>) -> Result<Reading> {
    let found = Walk::new(layout, tag).only()?;
    let layers = found.manifest.layers;
    let mut size = found.size + found.manifest.config.size;
    let (description, diff_ids) = configuration(layout, found.manifest.config, layers.len())?;
    let (mut tree, mut archives) = (Contents::new(), Vec::new());
    for (descriptor, diff_id) in layers.iter().zip(&diff_ids) {
        let part = layout.checked_blob(descriptor)?;
        tree.begin_layer();
        let unpacked = unpacked(&part, Role::Layer, &mut tree)?;
        check_layer(layout, descriptor, part.encoding, unpacked.whole.digest, *diff_id)?;
        size += part.size;
        archives.push(Archive::of(&part, &unpacked));
    }
    Ok(Reading {
        format: Format::Oci,
        fingerprint: found.digest,
        diff_id: chain_id(&diff_ids),
        size,
        tree,
        beside: beside(layout, &description)?,
        description: Some(description),
        archives,
    })
}

/// What an OCI image says of itself, but for the layers and how they came about, as if it were a file beside the tree.
fn beside(layout: &Layout, configuration: &[u8]) -> Result<Rest> {
    let mut document: serde_json::Value = layout.parsed(configuration, "the configuration")?;
    let Some(fields) = document.as_object_mut() else {
        return Err(Error::image(layout.path(), "the configuration is no object"));
    };
    for layers in ["rootfs", "history", "created"] {
        fields.remove(layers);
    }
    // Its size as it is put here would mean nothing to anybody.
    let mut digester = Digester::default();
    digester.data(Fingerprint::of(document.to_string().as_bytes()).bytes());
    let modified = Timestamp { seconds: 0, nanoseconds: 0 };
    let kind = Kind::File(digester.finish());
    let node = Node { kind, mode: 0, owner: (0, 0), modified, attributes: Default::default() };
    Ok([(b"config"[..].into(), node)].into())
}
