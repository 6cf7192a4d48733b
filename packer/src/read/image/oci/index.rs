//! The walk through the indexes of a layout, to all that they name: each blob once, to a bounded depth.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::read::image::oci::document::{Descriptor, DocumentType, Index, Manifest, is_image};
use crate::read::image::oci::layout::Layout;

/// How deep indexes may be nested: image builders make one or two levels.
const DEPTH: usize = 8;

/// How many blobs indexes may name.
const MOST: usize = 100_000;

/// What an index names.
#[derive(Debug)]
pub(crate) enum Found {
    Image(Image),
    /// Something that is kept like an image, or as a bare blob: all its blobs.
    Other(Vec<Descriptor>),
}

/// An image in a layout.
#[derive(Debug)]
pub(crate) struct Image {
    /// The manifest's.
    pub(crate) digest: Fingerprint,
    /// The manifest's.
    pub(crate) size: u64,
    pub(crate) manifest: Manifest,
    /// The name that the index gives it.
    pub(crate) tag: Option<String>,
}

/// A walk through a layout.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    layout: &'a Layout,
    /// A name, or a digest with `sha256:` before it.
    tag: Option<&'a str>,
    seen: HashSet<(Fingerprint, bool)>,
}

impl<'a> Walk<'a> {
    /// To the image with this tag or digest, or to all.
    pub(crate) fn new(layout: &'a Layout, tag: Option<&'a str>) -> Self {
        Walk { layout, tag, seen: HashSet::new() }
    }

    /// Gives all that is meant to `visit`.
    pub(crate) fn run(mut self, visit: &mut dyn FnMut(Found) -> Result<()>) -> Result<()> {
        let index = self.layout.index()?;
        self.index(index, 0, self.tag.is_none(), visit)
    }

    /// The only image that is meant.
    pub(crate) fn only(self) -> Result<Image> {
        let (layout, tag) = (self.layout, self.tag);
        let (mut found, mut count) = (None, 0_u64);
        self.run(&mut |item| {
            if let Found::Image(image) = item {
                found.get_or_insert(image);
                count += 1;
            }
            Ok(())
        })?;
        match (found, tag) {
            (Some(image), _) if count == 1 => Ok(image),
            (None, Some(_)) => Err(Error::invalid_input(layout.path(), "holds no image with this tag or digest")),
            (None, None) => Err(Error::invalid_input(layout.path(), "holds no image")),
            (Some(_), _) => Err(Error::invalid_input(
                layout.path(),
                format!("holds {count} such images: give a tag, or a digest as `sha256:…`"),
            )),
        }
    }

    fn index(
        &mut self,
        index: Index,
        depth: usize,
        is_meant: bool,
        visit: &mut dyn FnMut(Found) -> Result<()>,
    ) -> Result<()> {
        if depth > DEPTH {
            return Err(Error::unfit(self.layout.path(), format!("has indexes nested more than {DEPTH} deep")));
        }
        for descriptor in index.manifests {
            let digest = descriptor.digest().map_err(|flaw| self.layout.located(flaw))?;
            let is_meant = is_meant || self.tag.is_some_and(|tag| is_called(&descriptor, depth, &digest, tag));
            // What is not meant may still be an index with what is in it.
            if !self.seen.insert((digest, is_meant)) {
                continue;
            }
            if self.seen.len() > MOST {
                return Err(Error::unfit(
                    self.layout.path(),
                    format!("names more than {MOST} blobs, which is the limit"),
                ));
            }
            match DocumentType::of(&descriptor.media_type) {
                DocumentType::Index => {
                    let nested = self.layout.parsed(&self.layout.document(&descriptor)?, &digest.to_string())?;
                    self.index(nested, depth + 1, is_meant, visit)?;
                }
                DocumentType::Manifest if is_meant => visit(self.manifest(&descriptor, digest)?)?,
                DocumentType::Other if is_meant => visit(Found::Other(vec![descriptor]))?,
                DocumentType::Manifest | DocumentType::Other => {}
            }
        }
        Ok(())
    }

    fn manifest(&self, descriptor: &Descriptor, digest: Fingerprint) -> Result<Found> {
        let manifest: Manifest = self.layout.parsed(&self.layout.document(descriptor)?, &digest.to_string())?;
        if !is_image(&manifest.config.media_type) {
            return Ok(Found::Other([manifest.layers, vec![manifest.config]].concat()));
        }
        let tag = descriptor.tag().map(str::to_owned);
        Ok(Found::Image(Image { digest, size: descriptor.size, manifest, tag }))
    }
}

/// Whether a tag means this: names are given by the outermost index only.
fn is_called(descriptor: &Descriptor, depth: usize, digest: &Fingerprint, tag: &str) -> bool {
    match tag.strip_prefix("sha256:") {
        Some(digits) => digits == digest.to_string(),
        None => depth == 0 && descriptor.tag() == Some(tag),
    }
}
