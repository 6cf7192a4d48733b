//! Comparing: an image with a tree, or with another image. Both sides are read at the same time.

pub(crate) mod contents;
pub(crate) mod difference;
pub(crate) mod digest;
pub(crate) mod image;
pub(crate) mod rootfs;
pub(crate) mod summary;
pub(crate) mod unpack;

use std::thread::scope;

use crate::api::pack::Pack;
use crate::error::Result;
use crate::pool::{Panicked, guarded};
use crate::read::compare::contents::Contents;
use crate::read::compare::difference::Difference;
use crate::read::compare::image::Reading;
use crate::read::image::encoding::Encoding;
use crate::read::image::format::Family;
use crate::read::image::source::Source;

/// What differs between two images: in their trees, and in what is beside these if both are for the same importers.
///
/// # Errors
///
/// If one of them cannot be read, or is [malformed](crate::ErrorKind::Malformed).
pub fn diff(first: &Source, second: &Source) -> Result<Vec<Difference>> {
    let (mut one, mut other) = both(|| first.read(), || second.read())?;
    let limits = Limits::of(&one).and(Limits::of(&other));
    let mut differences = of_trees(&mut one.tree, &mut other.tree, limits);
    if one.format.family() == other.format.family() {
        differences.extend(difference::of_rests(&one.beside, &other.beside));
    }
    Ok(differences)
}

impl Pack {
    /// What differs between an image and the tree that this would pack, by the same rules: what is left out, whose it is, how late
    /// times may be. The first side is the image, the second the tree.
    ///
    /// Content is compared by reading the tree, not by packing it again. Sockets are left out, as they are from images.
    ///
    /// # Errors
    ///
    /// If one of them cannot be read, or the image is [malformed](crate::ErrorKind::Malformed).
    pub fn compare(&self, image: &Source) -> Result<Vec<Difference>> {
        let (mut image, mut tree) = both(|| image.read(), || rootfs::contents(self.rootfs(), self.rules().clone()))?;
        let limits = Limits::of(&image);
        Ok(of_trees(&mut image.tree, &mut tree, limits))
    }
}

/// What an image cannot tell of a tree: it is nothing that differs.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// LXD and Incus do not unpack what is below `dev`, so that no other name may be a hard link of what is there.
    no_links_to_devices: bool,
    /// A squashfs has no parts of seconds.
    whole_seconds: bool,
}

impl Limits {
    fn of(image: &Reading) -> Self {
        Limits {
            no_links_to_devices: image.format.family() == Family::Lxd,
            whole_seconds: image.archives.iter().any(|archive| archive.encoding == Encoding::Squashfs),
        }
    }

    fn and(self, other: Limits) -> Self {
        Limits {
            no_links_to_devices: self.no_links_to_devices || other.no_links_to_devices,
            whole_seconds: self.whole_seconds || other.whole_seconds,
        }
    }
}

/// Both sides are compared as if each had the limits.
fn of_trees(first: &mut Contents, second: &mut Contents, limits: Limits) -> Vec<Difference> {
    for side in [&mut *first, &mut *second] {
        if limits.no_links_to_devices {
            side.separate_below(b"dev");
        }
        if limits.whole_seconds {
            side.drop_parts_of_seconds();
        }
    }
    difference::of_trees(first, second)
}

/// Does both at the same time. If both fail, it is the first one's failure.
fn both<One: Send, Other>(
    first: impl FnOnce() -> Result<One> + Send,
    second: impl FnOnce() -> Result<Other>,
) -> Result<(One, Other)> {
    scope(|scope| {
        let one = scope.spawn(|| guarded(first));
        let other = guarded(second);
        let one = one.join().unwrap_or_else(|_| Err(Panicked("a reader ended early".into()).into()))?;
        Ok((one, other?))
    })
}
