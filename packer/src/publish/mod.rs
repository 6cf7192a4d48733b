//! Stage 7: destinations, so far on this machine, where complete images get their names.

pub(crate) mod permissions;
pub(crate) mod temp_name;

pub(crate) mod output_dir;
pub(crate) mod pending_file;

mod direct_io;
mod local_upload;

mod oci_layout;
mod single_file;
mod split;
pub(crate) mod stream;

use std::sync::Arc;

use crate::cancel::CancelToken;
use crate::codec::Compression;
use crate::error::Result;
use crate::format::Plan;
use crate::sink::destination::Destination;

pub(crate) use oci_layout::index_size;

use oci_layout::OciLayout;
use output_dir::OutputDir;
use single_file::SingleFile;
use split::SplitDirectory;

/// The destination in a directory that an image with this plan has.
pub(crate) fn in_directory(
    directory: Arc<OutputDir>,
    plan: &Plan<'_>,
    compression: Compression,
    cancel: &CancelToken,
) -> Result<Box<dyn Destination>> {
    Ok(match plan {
        Plan::File => Box::new(SingleFile::new(directory, compression.extension())),
        Plan::Split => Box::new(SplitDirectory::new(directory, compression)),
        Plan::Oci { tag, draft } => Box::new(OciLayout::open(directory, *tag, draft.platform(), cancel)?),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::buffer::Buffer;
    use crate::fingerprint::{Fingerprint, Hasher};
    use crate::format::OciOptions;
    use crate::publish::permissions::Permissions;
    use crate::sink::destination::{Outcome, Role};
    use crate::tree::Tree;
    use crate::tree::rules::Rules;

    const CANCEL: CancelToken = CancelToken::NEVER;

    /// The names of all files and directories below a directory.
    fn names(top: &Path) -> Vec<String> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(top).unwrap() {
            let entry = entry.unwrap();
            names.push(entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                names.extend(self::names(&entry.path()));
            }
        }
        names
    }

    /// The parts of an image with their bytes, and its fingerprint.
    fn parts(plan: &Plan<'_>) -> (Vec<(Role, &'static [u8])>, Fingerprint) {
        let sha256 = |bytes: &[&[u8]]| {
            let mut hasher = Hasher::default();
            bytes.iter().for_each(|bytes| hasher.update(bytes));
            hasher.finish()
        };
        match plan {
            Plan::File => (vec![(Role::Image, b"image")], sha256(&[b"image"])),
            Plan::Split => (vec![(Role::Metadata, b"meta"), (Role::Rootfs, b"root")], sha256(&[b"meta", b"root"])),
            Plan::Oci { .. } => (
                vec![(Role::Layer, b"layer"), (Role::Config, b"config"), (Role::Manifest, b"manifest")],
                sha256(&[b"manifest"]),
            ),
        }
    }

    /// How far an image gets before its destination is dropped.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Until {
        Written,
        Flushed,
        Sealed,
        Committed,
    }

    fn run(destination: &dyn Destination, plan: &Plan<'_>, until: Until) -> Option<Outcome> {
        let (parts, fingerprint) = parts(plan);
        for (role, bytes) in parts {
            let mut piece = Buffer::default();
            piece.append(bytes);
            let mut hasher = Hasher::default();
            hasher.update(bytes);
            let mut upload = destination.begin(role).unwrap();
            upload.write(piece).unwrap();
            if until == Until::Written {
                continue;
            }
            upload.flush().unwrap();
            if until != Until::Flushed {
                upload.seal(&hasher.finish(), bytes.len() as u64).unwrap();
            }
        }
        (until == Until::Committed).then(|| destination.commit(&fingerprint, &CANCEL).unwrap().outcome)
    }

    /// Checks the law of a destination: nothing has a name before the commit, an abandoned image leaves nothing, and an image that is
    /// there already can be committed again.
    fn holds(plan: &Plan<'_>, named: &[&str]) {
        let place = tempfile::tempdir().unwrap();
        let open = || {
            let directory = OutputDir::open(place.path(), Permissions::from_file_mode(0o600)).unwrap();
            in_directory(directory, plan, Compression::None, &CANCEL).unwrap()
        };
        for until in [Until::Written, Until::Flushed, Until::Sealed] {
            let destination = open();
            run(&*destination, plan, until);
            assert!(!names(place.path()).iter().any(|name| named.contains(&&**name)), "{until:?}");
            drop(destination);
            assert_eq!(names(place.path()), [""; 0], "{until:?}");
        }
        assert_eq!(run(&*open(), plan, Until::Committed), Some(Outcome::Published));
        let committed = names(place.path());
        for name in named {
            assert!(committed.iter().any(|found| found == name), "{name} in {committed:?}");
        }
        run(&*open(), plan, Until::Sealed);
        assert_eq!(run(&*open(), plan, Until::Committed), Some(Outcome::AlreadyThere));
        assert_eq!(names(place.path()), committed);
    }

    #[test]
    fn a_destination_keeps_its_law() {
        let name = parts(&Plan::File).1.to_string() + ".tar";
        holds(&Plan::File, &[&name]);
        let name = parts(&Plan::Split).1.to_string() + ".split";
        holds(&Plan::Split, &[&name, "metadata.tar", "rootfs.tar"]);
        let tree = tempfile::tempdir().unwrap();
        let tree = Tree::open(tree.path(), Rules::default(), &CANCEL).unwrap();
        let oci = OciOptions::new().architecture("amd64".parse().unwrap());
        let plan = Plan::Oci { tag: None, draft: oci.draft(&tree).unwrap() };
        let name = parts(&plan).1.to_string();
        holds(&plan, &[&name, "index.json", "oci-layout"]);
    }

    #[test]
    fn a_part_that_was_not_sealed_is_not_committed() {
        let place = tempfile::tempdir().unwrap();
        let destination = in_directory(
            OutputDir::open(place.path(), Permissions::from_file_mode(0o600)).unwrap(),
            &Plan::File,
            Compression::None,
            &CANCEL,
        )
        .unwrap();
        run(&*destination, &Plan::File, Until::Flushed);
        assert!(destination.commit(&parts(&Plan::File).1, &CANCEL).is_err());
        assert_eq!(names(place.path()), [""; 0]);
    }
}
