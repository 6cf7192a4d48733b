//! The walk through the indexes of a layout: each blob once, to a bounded depth.

use std::collections::HashSet;

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::format::Tag;
use crate::read::image::oci::document::{Descriptor, DocumentType, Index, Manifest, is_image};
use crate::read::image::oci::image::OciImage;
use crate::read::image::oci::layout::LayoutDir;

/// The deepest nesting of indexes. Image builders make one or two levels.
const MAX_DEPTH: usize = 8;

/// The most blobs that the indexes of a layout may name.
const MAX_BLOBS: usize = 100_000;

/// An entry of an index.
#[derive(Debug)]
pub(crate) enum IndexItem {
    Image(OciImage),
    /// The blobs of an artifact that is no image, or a bare blob.
    Other(Vec<Descriptor>),
}

/// Which images of a layout are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    All,
    /// The image that `index.json` itself, not an index below it, gives this tag.
    Tag(Tag),
    /// The image whose manifest has this digest.
    Digest(Fingerprint),
}

impl Selection {
    fn includes(&self, descriptor: &Descriptor, depth: usize, digest: &Fingerprint) -> bool {
        match self {
            Selection::All => true,
            Selection::Tag(tag) => depth == 0 && descriptor.tag() == Some(tag.as_str()),
            Selection::Digest(selected) => selected == digest,
        }
    }
}

/// A walk through a layout to the selected images.
#[derive(Debug)]
pub(crate) struct IndexWalk<'a> {
    layout: &'a LayoutDir,
    selection: &'a Selection,
    cancel: &'a CancelToken,
    seen: HashSet<(Fingerprint, bool)>,
}

impl<'a> IndexWalk<'a> {
    pub(crate) fn new(layout: &'a LayoutDir, selection: &'a Selection, cancel: &'a CancelToken) -> Self {
        IndexWalk { layout, selection, cancel, seen: HashSet::new() }
    }

    /// Passes every selected item to `visit`.
    pub(crate) fn run(mut self, visit: &mut dyn FnMut(IndexItem) -> Result<()>) -> Result<()> {
        let index = self.layout.index()?;
        self.visit_index(index, 0, false, visit)
    }

    /// The selected image. Fails if there is none, or more than one.
    pub(crate) fn only(self) -> Result<OciImage> {
        let (layout, selection) = (self.layout, self.selection);
        let (mut found, mut count) = (None, 0_u64);
        self.run(&mut |item| {
            if let IndexItem::Image(image) = item {
                found.get_or_insert(image);
                count += 1;
            }
            Ok(())
        })?;
        match found {
            Some(image) if count == 1 => Ok(image),
            None => Err(no_image(layout, selection)),
            Some(_) => Err(Error::invalid_input(
                layout.path(),
                format!("holds {count} such images: give a tag, or a digest as `sha256:…`"),
            )),
        }
    }

    fn visit_index(
        &mut self,
        index: Index,
        depth: usize,
        is_selected: bool,
        visit: &mut dyn FnMut(IndexItem) -> Result<()>,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::unfit(self.layout.path(), format!("has indexes nested more than {MAX_DEPTH} deep")));
        }
        for descriptor in index.manifests {
            self.cancel.check()?;
            let digest = descriptor.digest().map_err(|error| self.layout.error(error))?;
            let is_selected = is_selected || self.selection.includes(&descriptor, depth, &digest);
            // An index that is not selected may contain a selected image.
            if !self.seen.insert((digest, is_selected)) {
                continue;
            }
            if self.seen.len() > MAX_BLOBS {
                return Err(Error::unfit(
                    self.layout.path(),
                    format!("names more than {MAX_BLOBS} blobs, which is the limit"),
                ));
            }
            match DocumentType::of(&descriptor.media_type) {
                DocumentType::Index => {
                    let nested = self.layout.parsed(&self.layout.document(&descriptor)?, &digest.to_string())?;
                    self.visit_index(nested, depth + 1, is_selected, visit)?;
                }
                DocumentType::Manifest if is_selected => visit(self.manifest(&descriptor, digest)?)?,
                DocumentType::Other if is_selected => visit(IndexItem::Other(vec![descriptor]))?,
                DocumentType::Manifest | DocumentType::Other => {}
            }
        }
        Ok(())
    }

    fn manifest(&self, descriptor: &Descriptor, digest: Fingerprint) -> Result<IndexItem> {
        let manifest: Manifest = self.layout.parsed(&self.layout.document(descriptor)?, &digest.to_string())?;
        if !is_image(&manifest.config.media_type) {
            return Ok(IndexItem::Other([manifest.layers, vec![manifest.config]].concat()));
        }
        let tag = descriptor.tag().map(str::to_owned);
        Ok(IndexItem::Image(OciImage { digest, size: descriptor.size, manifest, tag }))
    }
}

/// The error of a layout without a selected image.
pub(crate) fn no_image(layout: &LayoutDir, selection: &Selection) -> Error {
    match selection {
        Selection::All => Error::invalid_input(layout.path(), "holds no image"),
        Selection::Tag(_) | Selection::Digest(_) => {
            Error::invalid_input(layout.path(), "holds no image with this tag or digest")
        }
    }
}
