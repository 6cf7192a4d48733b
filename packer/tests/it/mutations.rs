//! Images that were changed in any way: never a panic, and never sound under the name that they had.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use packer::{Compression, Format, Pack, Source};
use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

use crate::formats::described;
use crate::images::every_codec;
use crate::trees;
use crate::workshop::{Workshop, sha256};

/// A change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    /// A piece again behind itself.
    Repeat(Index, usize),
    Exchange(Index, Index),
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        let range = |at: &Index, count: usize| at.index(length)..(at.index(length) + count).min(length);
        match self {
            Change::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Change::Set(at, byte) => bytes[at.index(length)] = *byte,
            Change::Cut(at) => bytes.truncate(at.index(length)),
            Change::Remove(at, count) => drop(bytes.drain(range(at, *count))),
            Change::Insert(at, more) => drop(bytes.splice(at.index(length)..at.index(length), more.iter().copied())),
            Change::Repeat(at, count) => {
                let piece = bytes[range(at, *count)].to_vec();
                bytes.splice(at.index(length)..at.index(length), piece);
            }
            Change::Exchange(one, other) => bytes.swap(one.index(length), other.index(length)),
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        at().prop_map(Change::Cut),
        (at(), 1..2_000_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (at(), proptest::collection::vec(any::<u8>(), 1..600)).prop_map(|(at, more)| Change::Insert(at, more)),
        (at(), 1..2_000_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        (at(), at()).prop_map(|(one, other)| Change::Exchange(one, other)),
    ]
}

/// An image: its name, and its files by their paths in it. Of an archive that is one, with no path.
struct Original {
    name: String,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Original {
    fn of(image: &Path) -> Self {
        let mut files = Vec::new();
        let mut pending = vec![image.to_owned()];
        while let Some(path) = pending.pop() {
            if path.is_dir() {
                pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                files.push((path.strip_prefix(image).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
        files.sort();
        Original { name: image.file_name().unwrap().to_str().unwrap().to_owned(), files }
    }

    /// Writes it with other bytes in one of its files.
    fn write(&self, place: &Path, which: usize, bytes: &[u8]) {
        for (number, (path, original)) in self.files.iter().enumerate() {
            let path = if path == Path::new("") { place.to_owned() } else { place.join(path) };
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, if number == which { bytes } else { original }).unwrap();
        }
    }

    /// Whether the image's name, or a name in it, is a digest of this file.
    fn is_hashed(&self, which: usize) -> bool {
        let path = &self.files[which].0;
        self.name != "layout" || path.starts_with("blobs")
    }
}

/// An image of each format, and of `tar` one for each codec.
static IMAGES: LazyLock<Vec<Original>> = LazyLock::new(|| {
    let shop = Workshop::new();
    trees::fewer().create(&shop.tree(), false);
    let image = |compression: Compression| {
        Pack::new(shop.tree()).compression(compression).publish(shop.images()).unwrap().path.unwrap()
    };
    let ours = [Format::Unified(described()), Format::Split(described())]
        .map(|format| Pack::new(shop.tree()).format(format).publish(shop.images()).unwrap().path.unwrap());
    let others = [shop.unified(), shop.split(), shop.oci()];
    every_codec().into_iter().map(image).chain(ours).chain(others).map(|image| Original::of(&image)).collect()
});

proptest! {
    #![proptest_config(testkit::cases::cases(120, 20_000))]

    #[test]
    fn verify_tells_a_changed_image_and_survives_any(
        image in 0..IMAGES.len(),
        which: Index,
        changes in proptest::collection::vec(change(), 1..4),
    ) {
        let original = &IMAGES[image];
        let which = which.index(original.files.len());
        let mut bytes = original.files[which].1.clone();
        changes.iter().for_each(|change| change.make(&mut bytes));
        let is_same = bytes == original.files[which].1;
        let place = TempDir::new().unwrap();
        let under_its_name = place.path().join(&original.name);
        original.write(&under_its_name, which, &bytes);
        let verified = packer::verify(&under_its_name);
        prop_assert!(verified.is_ok() || !is_same);
        if original.is_hashed(which) {
            prop_assert_eq!(verified.is_ok(), is_same);
        }
        // Under the name that it should have now, all readers see it.
        let mut all: Vec<&[u8]> = original.files.iter().map(|(_, bytes)| &bytes[..]).collect();
        all[which] = &bytes;
        let renamed = place.path().join(sha256(&all.concat()));
        fs::rename(&under_its_name, &renamed).unwrap();
        let read = Source::new(&renamed).inspect();
        match packer::verify(&renamed) {
            Ok(found) => prop_assert!(found.tar_size % 512 == 0 && read.is_ok()),
            Err(error) => prop_assert_eq!(error.to_string().lines().count(), 1),
        }
    }
}
