//! Files with holes: smaller archives that every reader gives back whole, and that depend on content alone.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use packer::{Compression, Image, Pack, Sparse, Strategy};
use tempfile::TempDir;

use crate::corners::PLACE;
use crate::strace;
use testkit::log::skip;

const MIB: u64 = 1 << 20;

/// Name, size, and where there is data, as offsets and lengths.
type Disk = (&'static str, u64, &'static [(u64, u64)]);

const FILES: [Disk; 6] = [
    ("all-hole", 17 * MIB, &[]),
    ("leading", 17 * MIB, &[(17 * MIB - 5, 5)]),
    ("trailing", 17 * MIB + 7, &[(0, 100)]),
    ("a-many", 21 * MIB, &[(MIB, 2 * MIB), (5 * MIB + 1, 1), (9 * MIB, 4097), (20 * MIB, MIB - 1)]),
    ("dense", 17 * MIB, &[(0, 17 * MIB)]),
    ("small", MIB, &[]),
];

/// The tree, with holes or with blocks full of zeros in their place.
fn tree(allocated: bool) -> TempDir {
    let root = TempDir::new_in(PLACE).unwrap();
    for (name, size, data) in FILES {
        let file = File::create(root.path().join(name)).unwrap();
        if allocated {
            file.write_all_at(&vec![0; size as usize], 0).unwrap();
        }
        file.set_len(size).unwrap();
        for (from, length) in data {
            let bytes: Vec<u8> = (0..*length).map(|at| (at % 251) as u8 + 1).collect();
            file.write_all_at(&bytes, *from).unwrap();
        }
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    }
    File::open(root.path()).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    root
}

fn pack(root: &Path) -> Pack {
    Pack::new(root).sparse(Sparse::Auto).compression(Compression::None)
}

#[test]
fn the_archive_depends_on_content_not_on_blocks() {
    let output = TempDir::new().unwrap();
    let (holes, blocks) = (tree(false), tree(true));
    let used = |root: &TempDir| fs::metadata(root.path().join("a-many")).unwrap().blocks();
    assert!(used(&holes) < used(&blocks));
    let first = pack(holes.path()).publish(output.path()).unwrap();
    for threads in [1, 2, 7] {
        for strategy in Strategy::ALL {
            for compression in [Compression::None, Compression::GZIP, Compression::ZSTD] {
                let pack = pack(blocks.path()).strategy(strategy).compression(compression).diff_id(true);
                let image = pack.threads(std::num::NonZeroUsize::new(threads).unwrap()).publish(output.path()).unwrap();
                assert_eq!(image.diff_id, Some(first.fingerprint), "{strategy} {compression} {threads}");
            }
        }
    }
    // The data, the maps and the headers; nothing of 68 MiB of zeros.
    assert!(first.tar_size < 23 * MIB, "{}", first.tar_size);
    let dense = pack(holes.path()).sparse(Sparse::Never).publish(output.path()).unwrap();
    assert!(dense.tar_size > 86 * MIB, "{}", dense.tar_size);
}

fn packed(root: &Path, output: &Path) -> Image {
    let image = pack(root).publish(output).unwrap();
    packer::verify(image.path.as_ref().unwrap()).unwrap();
    image
}

#[track_caller]
fn equal(found: &Path, expected: &Path) {
    for (name, size, _) in FILES {
        let (found, expected) = (fs::read(found.join(name)).unwrap(), fs::read(expected.join(name)).unwrap());
        assert!(found.len() as u64 == size && found == expected, "{name} is another file");
    }
}

#[test]
fn gnu_tar_and_bsdtar_give_the_files_back() {
    let (root, output) = (tree(false), TempDir::new_in(PLACE).unwrap());
    let image = packed(root.path(), output.path());
    for program in ["tar", "bsdtar"] {
        if Command::new(program).arg("--version").output().is_err() {
            skip(&format!("{program} is not installed"));
            continue;
        }
        let into = TempDir::new_in(PLACE).unwrap();
        let run = Command::new(program)
            .arg("-xpf")
            .arg(image.path.as_ref().unwrap())
            .arg("-C")
            .arg(into.path())
            .output()
            .unwrap();
        assert!(run.status.success(), "{program}: {}", String::from_utf8_lossy(&run.stderr));
        equal(into.path(), root.path());
    }
}

/// Names, sizes and contents as Python reads them.
#[test]
fn python_reads_the_files() {
    let (root, output) = (tree(false), TempDir::new_in(PLACE).unwrap());
    let image = packed(root.path(), output.path());
    let program = "import sys, tarfile\n\
                   for member in tarfile.open(sys.argv[1]):\n \
                     if member.isfile(): open(sys.argv[2] + '/' + member.name, 'wb').write(tarfile.open(sys.argv[1]).extractfile(member).read())";
    let into = TempDir::new_in(PLACE).unwrap();
    let Ok(run) =
        Command::new("python3").args(["-c", program]).arg(image.path.as_ref().unwrap()).arg(into.path()).output()
    else {
        skip("python3 is not installed");
        return;
    };
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    equal(into.path(), root.path());
}

/// A map that was made of other bytes than are packed: the size that was promised, and the entry is named.
#[test]
fn a_sparse_file_that_changes_is_noticed() {
    let (root, output) = (tree(false), TempDir::new().unwrap());
    // The first large file: it is listed, and its map made, before the first progress is told.
    let file: PathBuf = root.path().join("a-many");
    let changed = file.clone();
    let change = move || File::options().write(true).open(&changed).unwrap().write_all_at(b"more", 7 * MIB).unwrap();
    for live in [false, true] {
        let change = crate::changes::at_first_report(change.clone());
        match pack(root.path()).live(live).on_progress(change).publish(output.path()) {
            Err(error) => {
                assert!(!live && error.kind() == packer::ErrorKind::Changed && error.path() == Some(&file), "{error}")
            }
            Ok(image) => {
                assert!(live && image.changes[0].path == file, "{:?}", image.changes);
                packer::verify(image.path.as_ref().unwrap()).unwrap();
            }
        }
    }
}

/// The bytes that a pack reads of the files of a tree, as the kernel answers its calls; and its record.
fn bytes_read(tree: &Path, options: &[&str]) -> (u64, serde_json::Value) {
    let place = TempDir::new_in(PLACE).unwrap();
    let mut pack = strace::strace(&["-ff", "-y", "-e", "trace=read,pread64"], &place.path().join("log"));
    pack.arg("pack").arg(tree).args(["-c", "none", "--json", "-o"]).arg(place.path()).args(options);
    let run = pack.output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut bytes = 0;
    for entry in fs::read_dir(place.path()).unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().unwrap().starts_with("log.") {
            let calls = fs::read_to_string(entry.path()).unwrap();
            let of_tree = calls.lines().filter(|line| line.contains("/tree/"));
            bytes += of_tree.map(|line| line.rsplit(" = ").next().unwrap().parse::<u64>().unwrap()).sum::<u64>();
        }
    }
    (bytes, serde_json::from_slice(&run.stdout).unwrap())
}

/// Whatever names it has and whoever watches. Beside that, it is read for each member that has its content.
#[test]
fn a_large_file_is_searched_for_holes_once() {
    if !strace::is_installed() {
        return;
    }
    const SIZE: u64 = 20 * MIB;
    let place = TempDir::new_in(PLACE).unwrap();
    let tree = place.path().join("tree");
    fs::create_dir_all(tree.join("dev")).unwrap();
    fs::write(tree.join("0"), vec![7; SIZE as usize]).unwrap();
    for name in ["1", "2", "dev/3", "dev/4"] {
        fs::hard_link(tree.join("0"), tree.join(name)).unwrap();
    }
    for (options, members) in [
        (&["-f", "tar", "--sparse", "auto"][..], 1),
        (&["-f", "tar", "--sparse", "auto", "--progress", "json", "-t", "2"], 1),
        // Names below `dev` have content of their own there.
        (&["-f", "unified", "--arch", "amd64"], 3),
        (&["-f", "unified", "--arch", "amd64", "--progress", "json"], 3),
        (&["-f", "tar"], 1),
    ] {
        let searches = u64::from(options != ["-f", "tar"]);
        let (read, record) = bytes_read(&tree, options);
        assert_eq!(read, (searches + members) * SIZE, "{options:?}");
        assert_eq!(record["bytes_read"], read, "{options:?}");
    }
}
