//! Comparison of an image with another image or with a tree. Both sides are read at the same time.

// Each file imports only files above it.
mod digest;

mod contents;

mod unpack;

pub(crate) mod image;

pub(crate) mod summary;

mod rootfs;

pub(crate) mod difference;

use std::thread::scope;

use crate::api::pack::Pack;
use crate::cancel::CancelToken;
use crate::error::{Panicked, Result};
use crate::pool::guarded;
use crate::read::compare::contents::Contents;
use crate::read::compare::difference::Difference;
use crate::read::compare::image::LoadedImage;
use crate::read::context::ReadContext;
use crate::read::image::encoding::Encoding;
use crate::read::image::format::Importer;
use crate::read::image::source::Source;
use crate::threads;

/// Lists the differences of two images: of their trees, and, if both formats have the same importers, of the entries beside these.
///
/// Both sides are held in memory, each with at most 1 GiB of names and attributes. Contents are compared by sha256. The token of
/// either source ends both; each reports its own progress.
///
/// # Errors
///
/// If one of them cannot be read or is [malformed](crate::ErrorKind::Malformed), or if a layout holds several images and none was selected. The first
/// image's error comes first.
pub fn diff(first: &Source, second: &Source) -> Result<Vec<Difference>> {
    let cancel = CancelToken::any_of([first.token(), second.token()]);
    let (mut first, mut second) = in_parallel(|| first.load(&cancel), || second.load(&cancel))?;
    let losses = Losses::of(&first).and(Losses::of(&second));
    let mut differences = differences(&mut first.tree, &mut second.tree, losses, &cancel)?;
    if first.format.importer() == second.format.importer() {
        differences.extend(difference::of_side_files(&first.side_files, &second.side_files, &cancel)?);
    }
    Ok(differences)
}

impl Source {
    /// Lists the differences of the image's tree, the first side, and the tree that `pack` would pack, the second side. Of the
    /// options of `pack` those count that decide which entries are packed, and with which owners, times and extended attributes.
    ///
    /// Contents are read and compared by sha256; nothing is packed. Sockets of the tree are ignored, as a pack ignores them. Entries
    /// beside the tree of the image, as `metadata.yaml`, are not compared.
    ///
    /// The token of either side ends both. The source reports the progress of the image; the pack, that of the tree, whose total is
    /// known only at the end.
    ///
    /// # Errors
    ///
    /// If the image or the tree cannot be read, if the image is [malformed](crate::ErrorKind::Malformed), or if the tree changes
    /// meanwhile. The image's error comes first.
    pub fn compare_with_tree(&self, pack: &Pack) -> Result<Vec<Difference>> {
        let cancel = CancelToken::any_of([self.token(), pack.token()]);
        let load_tree = |context: &ReadContext<'_>| rootfs::load(pack.rootfs(), pack.rules().clone(), context);
        let (mut image, mut tree) =
            in_parallel(|| self.load(&cancel), || ReadContext::run(&cancel, pack.progress(), load_tree))?;
        let losses = Losses::of(&image);
        differences(&mut image.tree, &mut tree, losses, &cancel)
    }
}

/// What an image cannot represent of a tree, and so is no difference.
#[derive(Clone, Copy, Debug)]
struct Losses {
    /// LXD and Incus do not unpack entries below `dev`, so no other name may be a hard link of one.
    links_to_devices: bool,
    /// A squashfs has whole seconds only.
    parts_of_seconds: bool,
}

impl Losses {
    fn of(image: &LoadedImage) -> Self {
        Losses {
            links_to_devices: image.format.importer() == Importer::Lxd,
            parts_of_seconds: image.archives.iter().any(|archive| archive.encoding == Encoding::Squashfs),
        }
    }

    fn and(self, other: Losses) -> Self {
        Losses {
            links_to_devices: self.links_to_devices || other.links_to_devices,
            parts_of_seconds: self.parts_of_seconds || other.parts_of_seconds,
        }
    }
}

/// Compares both sides as if each had the losses.
fn differences(
    first: &mut Contents,
    second: &mut Contents,
    losses: Losses,
    cancel: &CancelToken,
) -> Result<Vec<Difference>> {
    for side in [&mut *first, &mut *second] {
        if losses.links_to_devices {
            side.break_links_below(b"dev")?;
        }
        if losses.parts_of_seconds {
            side.truncate_times()?;
        }
    }
    Ok(difference::of_trees(first, second, cancel)?)
}

/// Runs both at the same time. If both fail, the first one's error counts.
fn in_parallel<First: Send, Second>(
    first: impl FnOnce() -> Result<First> + Send,
    second: impl FnOnce() -> Result<Second>,
) -> Result<(First, Second)> {
    scope(|scope| {
        let first = threads::start(scope, || guarded(first))?;
        let second = guarded(second);
        let first = first.join().unwrap_or_else(|_| Err(Panicked("a reader ended early".into()).into()))?;
        Ok((first, second?))
    })
}
