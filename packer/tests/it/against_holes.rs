//! `verify --against` does not read holes, and finds a difference in them and at their edges.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use packer::{Compression, Field, Pack, Source, Sparse};
use proptest::prelude::*;
use rustix::fs::FallocateFlags;
use tempfile::TempDir;

use crate::against::keep_time;
use crate::corners::PLACE;
use crate::strace;

const BLOCK: u64 = 4 << 10;

/// A part of a file.
#[derive(Clone, Copy, Debug)]
enum Part {
    Hole,
    Zeros,
    Data,
}

/// Lengths around those of blocks, and of the pages that the comparison skips.
fn parts() -> impl Strategy<Value = Vec<(Part, u64)>> {
    let part = prop::sample::select(vec![Part::Hole, Part::Zeros, Part::Data]);
    let length = prop_oneof![
        2 => 1..3 * BLOCK,
        2 => (1..40_u64).prop_map(|blocks| blocks * BLOCK),
        1 => prop::sample::select(vec![(64 << 10) - 1, 64 << 10, (64 << 10) + 1, 200_000]),
    ];
    proptest::collection::vec((part, length), 1..9)
}

fn write(path: &Path, parts: &[(Part, u64)]) -> u64 {
    let (file, mut at) = (File::create(path).unwrap(), 0);
    for (part, length) in parts {
        match part {
            Part::Hole => {}
            Part::Zeros => file.write_all_at(&vec![0; *length as usize], at).unwrap(),
            Part::Data => file.write_all_at(&vec![7; *length as usize], at).unwrap(),
        }
        at += length;
    }
    file.set_len(at).unwrap();
    at
}

/// What `verify --against` finds of the only file: whether it is another content.
fn differs(image: &Path, tree: &Path) -> bool {
    let differences = Source::new(image).compare_with_tree(&Pack::new(tree)).unwrap();
    let fields: Vec<_> =
        differences.iter().flat_map(|difference| &difference.fields).map(|field| &field.field).collect();
    assert!(fields.is_empty() && differences.is_empty() || fields == [&Field::Content], "{differences:?}");
    !fields.is_empty()
}

proptest! {
    #![proptest_config(testkit::cases::usually(64))]

    #[test]
    fn a_difference_anywhere_in_a_file_with_holes_is_found(
        mut parts in parts(), place: prop::sample::Index, edge in 0..3_usize, punches: bool, sparse: bool,
    ) {
        let (root, output) = (TempDir::new_in(PLACE).unwrap(), TempDir::new_in(PLACE).unwrap());
        let path = root.path().join("file");
        // With a hole that is worthwhile, the file is sparse in the archive, too.
        if sparse {
            parts.insert(0, (Part::Hole, 17 << 20));
        }
        let size = write(&path, &parts);
        let pack = Pack::new(root.path()).sparse(if sparse { Sparse::Auto } else { Sparse::Never });
        let image = pack.compression(Compression::None).publish(output.path()).unwrap().path.unwrap();
        prop_assert!(!differs(&image, root.path()));
        // A place in a part, its first byte or its last.
        let (number, time) = (place.index(parts.len()), keep_time(&path));
        let start: u64 = parts[..number].iter().map(|(_, length)| length).sum();
        let (part, length) = parts[number];
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let changed = if punches {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            rustix::fs::fallocate(&file, flags, start, length).unwrap();
            matches!(part, Part::Data)
        } else {
            let at = start + [0, length / 2, length - 1][edge];
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 1], at).unwrap();
            true
        };
        time(&path);
        prop_assert_eq!(fs::metadata(&path).unwrap().len(), size);
        prop_assert_eq!(differs(&image, root.path()), changed);
    }
}

#[test]
fn holes_are_not_read() {
    if !strace::is_installed() {
        return;
    }
    let place = TempDir::new_in(PLACE).unwrap();
    let (tree, images) = (place.path().join("tree"), place.path().join("images"));
    fs::create_dir(&tree).unwrap();
    fs::create_dir(&images).unwrap();
    let file = File::create(tree.join("large")).unwrap();
    file.set_len(64 << 30).unwrap();
    file.write_all_at(b"data", 32 << 30).unwrap();
    let image = Pack::new(&tree).sparse(Sparse::Auto).publish(&images).unwrap().path.unwrap();
    let log = place.path().join("log");
    let mut verify = strace::strace(&["-f", "-y", "-e", "trace=read,pread64"], &log);
    let run = verify.arg("verify").arg(image).arg("--against").arg(&tree).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let reads = fs::read_to_string(&log).unwrap().lines().filter(|line| line.contains("/tree/large")).count();
    assert!((1..=8).contains(&reads), "{reads} reads");
}
