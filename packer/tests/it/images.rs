//! Published images, and what the command says of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use assert_cmd::assert::OutputAssertExt;
use packer::{Compression, Pack, Program};
use serde_json::Value;
use tempfile::TempDir;
use testkit::tier::sized;

use crate::laws::names;
use crate::squashfs::can_be_made;
use testkit::cases::Noise;
use testkit::log::skip;

fn tree() -> TempDir {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("hello"), "hello, world\n".repeat(1_000)).unwrap();
    root
}

fn onepass() -> Command {
    Command::new(env!("CARGO_BIN_EXE_onepass"))
}

#[test]
fn the_line_is_what_sha256sum_checks() {
    let (root, output) = (tree(), TempDir::new().unwrap());
    let line = onepass().arg("pack").arg(root.path()).arg("-o").arg(output.path()).output().unwrap().stdout;
    let sums = output.path().join("sums");
    fs::write(&sums, line).unwrap();
    Command::new("sha256sum").arg("-c").arg(&sums).assert().success();
}

#[test]
fn the_record_has_every_field_of_its_schema() {
    let (root, output) = (tree(), TempDir::new().unwrap());
    for (strategy, phases) in
        [("single-stream", vec!["publish", "stream", "sync"]), ("two-pass", vec!["compress", "publish", "sync", "tar"])]
    {
        let run = onepass()
            .args(["pack", "--json", "--diff-id", "--threads", "2", "--strategy", strategy])
            .args([root.path().as_os_str(), "-o".as_ref(), output.path().as_os_str()])
            .output()
            .unwrap();
        let record: Value = serde_json::from_slice(&run.stdout).unwrap();
        let keys: Vec<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
        insta::allow_duplicates! {
            insta::assert_snapshot!(keys.join(" "), @"busy_ns bytes_read bytes_written changes compression diff_id encoders entries fingerprint format further_changes layer mounts_skipped outcome path phases_ns schema scratch_peak size sockets_skipped strategy tar_size threads unmatched_exclusions vm_hwm wall_ns");
        }
        let keys: Vec<_> = record["phases_ns"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, phases);
        let (size, tar) = (record["size"].as_u64().unwrap(), record["tar_size"].as_u64().unwrap());
        let temporary = if strategy == "two-pass" { tar } else { 0 };
        assert_eq!(record["bytes_written"]["image"], size);
        assert_eq!(record["bytes_written"]["temporary_tar"], temporary);
        assert_eq!(record["scratch_peak"], size + temporary);
        assert_eq!(record["bytes_read"], 13_000 + temporary);
        assert_eq!(record["entries"], 2);
        assert!(record["vm_hwm"].as_u64().unwrap() > 0);
    }
}

#[test]
fn sockets_are_left_out_and_counted() {
    let (root, output) = (tree(), TempDir::new().unwrap());
    let without = Pack::new(root.path()).publish(output.path()).unwrap();
    let modified = fs::metadata(root.path()).unwrap().modified().unwrap();
    for name in ["a", "z"] {
        drop(std::os::unix::net::UnixListener::bind(root.path().join(name)).unwrap());
    }
    fs::File::open(root.path()).unwrap().set_modified(modified).unwrap();
    let with = Pack::new(root.path()).publish(output.path()).unwrap();
    assert_eq!((without.sockets_skipped, with.sockets_skipped), (0, 2));
    assert_eq!((with.fingerprint, with.entries), (without.fingerprint, without.entries));
}

#[test]
fn an_image_that_is_there_already_stays_and_a_broken_one_is_replaced() {
    let (root, output) = (tree(), TempDir::new().unwrap());
    let pack = Pack::new(root.path());
    let image = pack.publish(output.path()).unwrap();
    let whole = fs::read(image.path.as_ref().unwrap()).unwrap();
    assert_eq!(pack.publish(output.path()).unwrap().path, image.path);
    for remains in [&b""[..], &whole[..whole.len() / 2], b"something else"] {
        fs::write(image.path.as_ref().unwrap(), remains).unwrap();
        assert_eq!(pack.publish(output.path()).unwrap().path, image.path);
        assert_eq!(fs::read(image.path.as_ref().unwrap()).unwrap(), whole);
    }
    assert_eq!(names(output.path()).len(), 1);
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let (root, output) = (tree(), TempDir::new().unwrap());
    let pack = Pack::new(root.path()).compression(Compression::None);
    let path = pack.publish(output.path()).unwrap().path.unwrap();
    fs::remove_file(&path).unwrap();
    symlink("/etc/passwd", &path).unwrap();
    assert!(pack.publish(output.path()).unwrap_err().to_string().contains("is a symbolic link"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(pack.publish(output.path()).unwrap_err().to_string().contains("is not a regular file"));
    assert_eq!(names(output.path()).len(), 1);
}

/// The name alone tells: it is a digest. `mutations.rs` has what decoding tells.
#[test]
fn an_image_with_any_byte_changed_or_lost_does_not_verify() {
    let (root, output) = (tree(), TempDir::new().unwrap());
    for compression in every_codec() {
        let image = Pack::new(root.path()).compression(compression).publish(output.path()).unwrap();
        let whole = fs::read(image.path.as_ref().unwrap()).unwrap();
        let step = (whole.len() / sized(24, 200)).max(1);
        for at in (0..whole.len()).step_by(step) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(image.path.as_ref().unwrap(), &bytes).unwrap();
            assert!(packer::verify(image.path.as_ref().unwrap()).is_err(), "{compression}: byte {at} changed");
            fs::write(image.path.as_ref().unwrap(), &whole[..at]).unwrap();
            assert!(packer::verify(image.path.as_ref().unwrap()).is_err(), "{compression}: cut at {at}");
        }
    }
}

/// A file whose name is its hash, but which is no whole archive, is told apart by decoding it.
#[test]
fn a_right_name_does_not_make_a_sound_image() {
    let (root, output) = (tree(), TempDir::new().unwrap());
    for compression in every_codec() {
        let image = Pack::new(root.path()).compression(compression).publish(output.path()).unwrap();
        let whole = fs::read(image.path.as_ref().unwrap()).unwrap();
        // All of the last lengths, since some decoder might take one of them for the end.
        let last = whole.len() - 100.min(whole.len())..whole.len();
        for length in [0, 1, 20, whole.len() / 2, whole.len() - 512.min(whole.len() / 2)].into_iter().chain(last) {
            let name = format!("{}{}", sha256(&whole[..length]), compression.extension());
            let path = output.path().join(name);
            fs::write(&path, &whole[..length]).unwrap();
            assert!(packer::verify(&path).is_err(), "{compression}: {length} of {} bytes", whole.len());
        }
    }
}

/// Whatever stands behind the end is not passed over, even under the name that it should have. Blocks of zeros may follow a tar:
/// others write more of them than we do.
#[test]
fn nothing_may_stand_behind_an_image() {
    let (root, output) = (tree(), TempDir::new().unwrap());
    for compression in every_codec() {
        let image = Pack::new(root.path()).compression(compression).publish(output.path()).unwrap();
        let whole = fs::read(image.path.as_ref().unwrap()).unwrap();
        let mut noise = Noise(1);
        let mut behind = [1, 2, 3, 4, 5, 12, 18, 40, 512, 600, 5_000].map(|length| noise.bytes(length)).to_vec();
        behind.extend([b"\n".to_vec(), whole[..whole.len() / 2].to_vec(), whole[..3].to_vec()]);
        behind.extend([1, 2, 4, 8, 16, 511].map(|length| vec![0; length]));
        behind.push([noise.bytes(512), vec![0; 1024]].concat());
        if compression != Compression::None {
            behind.extend([512, 1024].map(|length| vec![0; length]));
        }
        for behind in behind {
            let bytes = [&whole[..], &behind].concat();
            let path = output.path().join(format!("{}{}", sha256(&bytes), compression.extension()));
            fs::write(&path, &bytes).unwrap();
            assert!(
                packer::verify(&path).is_err(),
                "{compression}: {} bytes behind, {:02x?}…",
                behind.len(),
                behind[0]
            );
        }
    }
}

/// Every codec, as far as its program is installed.
pub(crate) fn every_codec() -> Vec<Compression> {
    let programs = Program::ALL.into_iter().filter(|program| installed(*program));
    let externals = programs.map(Compression::external);
    let squashfs = can_be_made().then_some(Compression::Squashfs);
    let inside = [Compression::None, Compression::GZIP, Compression::ZSTD, Compression::XZ];
    inside.into_iter().chain(externals).chain(squashfs).collect()
}

/// A program that is missing has its own test in `bad_input.rs`; the machines that gate changes have all of them.
pub(crate) fn installed(program: Program) -> bool {
    let there =
        ["/usr/bin", "/bin", "/usr/local/bin"].iter().any(|place| Path::new(place).join(program.name()).exists());
    if !there {
        skip(&format!("{program} is not installed"));
    }
    there
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn versions_that_libraries_do_not_tell_are_those_that_are_locked() {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
    let (root, output) = (tree(), TempDir::new().unwrap());
    for (compression, name) in [(Compression::GZIP, "libdeflater"), (Compression::XZ, "liblzma-sys")] {
        let locked = lock.split(&format!("name = \"{name}\"\nversion = \"")).nth(1);
        let locked = locked.and_then(|rest| rest.split('"').next()).unwrap();
        let image = Pack::new(root.path()).compression(compression).publish(output.path()).unwrap();
        assert_eq!(image.encoders[0].version, format!("{name} {locked}"));
    }
}

#[test]
fn an_image_that_was_there_is_told_of_and_one_that_is_known_is_not_kept() {
    let (root, output) = (tree(), TempDir::new().unwrap());
    let run = |options: &[&str]| {
        let run = onepass().arg("pack").arg(root.path()).arg("-o").arg(output.path()).args(options).output().unwrap();
        assert!(run.status.success());
        [run.stdout, run.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    let [line, told] = run(&[]);
    assert_eq!(told, "");
    let fingerprint = &line[..64];
    assert_eq!(run(&[]), [line.clone(), "onepass: the image was already there\n".to_owned()]);
    assert_eq!(run(&["--quiet"]), [line.clone(), String::new()]);
    let record: Value = serde_json::from_str(&run(&["--json"])[0]).unwrap();
    assert_eq!(record["outcome"], "already-there");
    // Another image is kept, whatever is known.
    assert_eq!(run(&["-c", "none", "--if-changed", fingerprint])[1], "");
    assert_eq!(names(output.path()).len(), 2);
    fs::remove_file(line.trim_end().split_once("  ").unwrap().1).unwrap();
    let [said, told] = run(&["--if-changed", fingerprint]);
    assert_eq!((said.trim_end(), &*told), (fingerprint, "onepass: the image is unchanged, and was not kept\n"));
    let record: Value = serde_json::from_str(&run(&["--json", "--if-changed", fingerprint])[0]).unwrap();
    assert_eq!((&record["outcome"], &record["path"]), (&Value::from("unchanged"), &Value::Null));
    assert_eq!(names(output.path()).len(), 1);
}
