//! Images that were changed in any way: never a panic, and never sound under the name that they had.

use std::fs;
use std::sync::LazyLock;

use packer::{Compression, Pack};
use proptest::prelude::*;
use proptest::sample::Index;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::images::every_codec;
use crate::trees;

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

/// An image for each codec: its name and its bytes.
static IMAGES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let (root, output) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let tree = root.path().join("tree");
    let mut plan = trees::some();
    plan.nodes.retain(|name, _| name.as_str() < "file-2");
    plan.create(&tree, false);
    let image = |compression: Compression| {
        let image = Pack::new(&tree).compression(compression).publish(output.path(), &()).unwrap();
        let path = image.path.unwrap();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())
    };
    every_codec().into_iter().map(image).collect()
});

proptest! {
    #[test]
    fn verify_tells_a_changed_image_and_survives_any(
        which in 0..IMAGES.len(),
        changes in proptest::collection::vec(change(), 1..4),
    ) {
        let (name, image) = &IMAGES[which];
        let mut bytes = image.clone();
        changes.iter().for_each(|change| change.make(&mut bytes));
        let place = TempDir::new().unwrap();
        let under_its_name = place.path().join(name);
        fs::write(&under_its_name, &bytes).unwrap();
        prop_assert_eq!(packer::verify(&under_its_name).is_ok(), bytes == *image);
        // Under the name that it should have now, all readers see it.
        let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let renamed = place.path().join(digest);
        fs::rename(&under_its_name, &renamed).unwrap();
        match packer::verify(&renamed) {
            Ok(found) => prop_assert!(found.tar_size % 512 == 0 && found.size == bytes.len() as u64),
            Err(error) => prop_assert_eq!(error.to_string().lines().count(), 1),
        }
    }
}
