//! One tree, one fingerprint: whatever the strategy, the threads, the order of creation, the filesystem, the surroundings.

use std::fs;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;
use packer::{Compression, Image, Pack, Program, Strategy};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use testkit::tier::{is_deep, runs_deep};

use crate::images::installed;
use crate::trees;
use testkit::listing;

const THREADS: [usize; 3] = [1, 2, 7];

pub(crate) fn pack(root: &Path, compression: Compression, strategy: Strategy, threads: usize) -> (Image, Vec<u8>) {
    let output = TempDir::new().unwrap();
    let threads = NonZeroUsize::new(threads).unwrap();
    let pack = Pack::new(root).compression(compression).strategy(strategy).threads(threads).diff_id(true);
    let image = pack.publish(output.path()).unwrap();
    let bytes = fs::read(image.path.as_ref().unwrap()).unwrap();
    assert_eq!(names(output.path()), [format!("{}{}", image.fingerprint, compression.extension())]);
    assert_eq!(bytes.len() as u64, image.size);
    packer::verify(image.path.as_ref().unwrap()).unwrap();
    (image, bytes)
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes an image with a reader that is not the packer's, and that stops at the end of the first member, stream or frame.
pub(crate) fn decoded(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut decoder: Box<dyn Read> = match compression.extension() {
        ".tar.gz" => Box::new(flate2::bufread::GzDecoder::new(bytes)),
        // Frames are to be taken all.
        ".tar.zst" => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
        ".tar.xz" => Box::new(XzDecoder::new(bytes)),
        ".tar.lzma" => Box::new(XzDecoder::new_stream(bytes, Stream::new_lzma_decoder(u64::MAX).unwrap())),
        ".tar.bz2" => Box::new(bzip2::bufread::BzDecoder::new(bytes)),
        ".tar.lz4" => Box::new(lz4_flex::frame::FrameDecoder::new(bytes)),
        _ => Box::new(bytes),
    };
    let mut tar = Vec::new();
    decoder.read_to_end(&mut tar).unwrap();
    tar
}

/// Packs in every way, checks that all agree, and returns the tar.
fn agreed(root: &Path, compressions: &[Compression]) -> Vec<u8> {
    let mut tar: Option<Vec<u8>> = None;
    for compression in compressions {
        let mut fingerprint = None;
        for strategy in Strategy::ALL {
            for threads in THREADS {
                let case = format!("{compression} {strategy} {threads}");
                let (image, bytes) = pack(root, *compression, strategy, threads);
                assert_eq!(sha256(&bytes), image.fingerprint.to_string(), "{case}");
                assert_eq!(*fingerprint.get_or_insert(image.fingerprint), image.fingerprint, "{case}");
                let decoded = decoded(*compression, &bytes);
                assert_eq!(sha256(&decoded), image.diff_id.unwrap().to_string(), "{case}");
                assert_eq!(decoded.len() as u64, image.tar_size, "{case}");
                assert!(*tar.get_or_insert_with(|| decoded.clone()) == decoded, "{case}: another tar");
            }
        }
    }
    tar.unwrap()
}

fn spec(text: &str) -> Compression {
    text.parse().unwrap()
}

/// Any tree in the deep tier; one with entries of all sizes in the fast one, since compressors are slow.
fn plan() -> BoxedStrategy<trees::Plan> {
    if is_deep() { trees::plan().boxed() } else { Just(trees::sizes()).boxed() }
}

proptest! {
    #![proptest_config(testkit::cases::cases(3, 96))]

    #[test]
    fn every_way_of_packing_gives_one_tar_that_lists_the_tree(plan in trees::plan()) {
        let root = TempDir::new().unwrap();
        plan.create(root.path(), false);
        let tar = agreed(root.path(), &["none", "gzip:1", "gzip:6", "zstd:1", "zstd:3"].map(spec));
        let (expected, found) = (listing::of_tree(root.path()), listing::of_tar(&tar));
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_order_of_creation_and_the_filesystem_do_not_matter(plan in trees::plan()) {
        let (one, other) = (TempDir::new().unwrap(), TempDir::new_in("/dev/shm").unwrap());
        plan.create(one.path(), false);
        plan.create(other.path(), true);
        for compression in ["none", "gzip"].map(spec) {
            let fingerprint = |root: &TempDir| pack(root.path(), compression, Strategy::SingleStream, 2).0.fingerprint;
            prop_assert_eq!(fingerprint(&one), fingerprint(&other));
        }
    }
}

proptest! {
    #![proptest_config(testkit::cases::cases(1, 12))]

    #[test]
    fn slow_codecs_agree_with_themselves(plan in plan()) {
        let root = TempDir::new().unwrap();
        plan.create(root.path(), false);
        agreed(root.path(), &["none", "xz:0", "xz:3"].map(spec));
    }
}

proptest! {
    #![proptest_config(testkit::cases::cases(1, 6))]

    #[test]
    fn external_compressors_agree_with_themselves(plan in plan()) {
        let root = TempDir::new().unwrap();
        plan.create(root.path(), false);
        let programs = if is_deep() { &Program::ALL[..] } else { &[Program::Pigz, Program::Xz] };
        for program in programs.iter().copied().filter(|program| installed(*program)) {
            // Their own default levels take up to ten times as long; `images.rs` has them.
            agreed(root.path(), &[spec(&format!("external:{program}:1"))]);
        }
    }
}

/// Every corner of the format, read back; as root with devices and owners.
#[test]
fn the_corners_of_the_format_survive_every_way_of_packing() {
    let root = TempDir::new().unwrap();
    fixtures::Fixture::new(fixtures::Profile::TarCorners).create(root.path()).unwrap();
    let tar = agreed(root.path(), &["none", "gzip", "zstd", "xz"].map(spec));
    let (expected, found) = (listing::of_tree(root.path()), listing::of_tar(&tar));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
}

/// The whole of `debian-base` compresses like the real image, within what its profile says. `cargo xtask fixtures --verify` says
/// the same of each class of its files.
#[test]
fn the_debian_base_compresses_like_the_real_one() {
    if !runs_deep() {
        return;
    }
    let root = TempDir::new().unwrap();
    let fixture = fixtures::Fixture::new(fixtures::Profile::DebianBase);
    fixture.create(root.path()).unwrap();
    let (gzip, zstd) = fixture.whole_target().unwrap();
    for (compression, target) in [("external:gzip:6", gzip), ("external:zstd:3", zstd)] {
        let output = TempDir::new().unwrap();
        let image = Pack::new(root.path()).compression(spec(compression)).publish(output.path()).unwrap();
        let ratio = image.tar_size * 100 / image.size;
        assert!(ratio.abs_diff(target) * 100 <= target * 3, "{compression}: {ratio}, not {target}");
    }
}

#[test]
fn the_surroundings_do_not_matter() {
    let root = TempDir::new().unwrap();
    crate::trees::some().create(&root.path().join("tree"), false);
    let mut fingerprints = Vec::new();
    for surroundings in [
        "umask 000; TZ=Asia/Kathmandu LC_ALL=C",
        "umask 077; TZ=America/St_Johns LC_ALL=tr_TR.UTF-8",
        "cd /; ulimit -n 64; env -i",
    ] {
        let output = TempDir::new().unwrap();
        let script = format!(
            "{surroundings} {} pack {} --output {}",
            env!("CARGO_BIN_EXE_onepass"),
            root.path().join("tree").display(),
            output.path().display()
        );
        let run = Command::new("sh").arg("-c").arg(&script).output().unwrap();
        assert!(run.status.success(), "{script}: {}", String::from_utf8_lossy(&run.stderr));
        let line = String::from_utf8(run.stdout).unwrap();
        fingerprints.push(line.split(' ').next().unwrap().to_owned());
    }
    assert!(fingerprints.windows(2).all(|pair| pair[0] == pair[1]), "{fingerprints:?}");
}
