//! Images follow the umask or `--mode`, and only their owner can read them while they are written.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use packer::{ErrorKind, Format, LxdOptions, OciOptions, Pack};
use tempfile::TempDir;

use crate::formats::system;

/// The permissions of all that is below a directory, by path; fingerprints are left out of names.
fn modes(directory: &Path) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.metadata().unwrap();
            let name = path.strip_prefix(directory).unwrap().display().to_string();
            let name = name.split('/').map(|part| if part.len() < 64 { part } else { &part[64..] });
            let (name, mode) = (name.collect::<Vec<_>>().join("/"), metadata.permissions().mode() & 0o7777);
            // All blobs of a layout have one name here.
            assert_eq!(*found.entry(name).or_insert(mode), mode, "{}", path.display());
            if metadata.is_dir() {
                pending.push(path);
            }
        }
    }
    found
}

/// What a pack with a umask leaves in an empty directory.
fn packed(umask: &str, options: &str) -> BTreeMap<String, u32> {
    let (root, output) = (system(), TempDir::new().unwrap());
    let script = format!("umask {umask} && exec \"$ONEPASS\" pack \"$TREE\" -o \"$OUT\" {options}");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).env("ONEPASS", env!("CARGO_BIN_EXE_onepass"));
    let run = command.env("TREE", root.path()).env("OUT", output.path()).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    modes(output.path())
}

#[track_caller]
fn check(umask: &str, options: &str, file: u32, directory: u32) {
    for (format, files, directories) in [
        ("tar", &[".tar.gz"][..], &[][..]),
        ("tar --strategy two-pass", &[".tar.gz"], &[]),
        ("unified", &[".tar.gz"], &[]),
        ("split", &[".split/metadata.tar.gz", ".split/rootfs.tar.gz"], &[".split"]),
        ("oci --tag a", &["oci-layout", "index.json", "blobs/sha256/"], &["blobs", "blobs/sha256"]),
    ] {
        let of = |names: &[&str], mode: u32| names.iter().map(|name| ((*name).to_owned(), mode)).collect::<Vec<_>>();
        let expected: BTreeMap<_, _> = [of(files, file), of(directories, directory)].concat().into_iter().collect();
        assert_eq!(packed(umask, &format!("-f {format} {options}")), expected, "umask {umask}, -f {format} {options}");
    }
}

#[test]
fn images_follow_the_umask() {
    check("022", "", 0o644, 0o755);
    check("077", "", 0o600, 0o700);
    check("027", "", 0o640, 0o750);
    check("002", "", 0o664, 0o775);
    check("000", "", 0o666, 0o777);
}

#[test]
fn an_option_is_stronger_than_the_umask() {
    check("077", "--mode 644", 0o644, 0o755);
    check("000", "--mode 0400", 0o400, 0o700);
    check("022", "--mode 440", 0o440, 0o750);
}

/// The permissions are on the disk before the name is there, and the content is complete before others can read it.
#[test]
fn others_can_read_an_image_once_it_is_complete() {
    let (root, place) = (system(), TempDir::new().unwrap());
    fs::create_dir(place.path().join("out")).unwrap();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "log", "-e", "trace=openat,pwrite64,write,fchmod,fsync,linkat"]);
    command.args([env!("CARGO_BIN_EXE_onepass"), "pack", "-o", "out", "-c", "none", "--mode", "644", "-t", "1"]);
    let Ok(run) = command.arg(root.path()).current_dir(place.path()).output() else {
        return testkit::log::skip("strace is not installed");
    };
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let log = fs::read_to_string(place.path().join("log")).unwrap();
    let calls: Vec<&str> = log.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    let at = |call: &str| calls.iter().position(|found| found.starts_with(call)).unwrap_or_else(|| panic!("{log}"));
    let last_write = calls.iter().rposition(|call| call.starts_with("pwrite64(")).unwrap_or_else(|| panic!("{log}"));
    assert!(last_write < at("fchmod(") && at("fchmod(") < at("fsync(") && at("fsync(") < at("linkat("), "{log}");
    assert!(log.contains("O_TMPFILE, 0600)"), "{log}");
}

/// FAT answers so.
#[test]
fn a_filesystem_without_permissions_keeps_its_own() {
    let (root, place) = (system(), TempDir::new().unwrap());
    for (error, code) in [("EPERM", 0), ("EOPNOTSUPP", 0), ("EIO", 1)] {
        for format in ["tar", "split", "oci"] {
            let out = place.path().join(format!("{error}-{format}"));
            fs::create_dir(&out).unwrap();
            let mut command = Command::new("strace");
            command.args([
                "-f",
                "-qq",
                "-o",
                "log",
                "-e",
                "trace=fchmod",
                "-e",
                &format!("inject=fchmod:error={error}"),
            ]);
            command.args([env!("CARGO_BIN_EXE_onepass"), "pack", "-f", format, "-o"]).arg(&out).arg(root.path());
            let Ok(run) = command.current_dir(place.path()).output() else {
                return testkit::log::skip("strace is not installed");
            };
            let told = String::from_utf8_lossy(&run.stderr);
            assert_eq!(run.status.code(), Some(code), "{error} {format}: {told}");
            if code == 1 {
                assert!(
                    told.contains("cannot set the permissions of") && fs::read_dir(&out).unwrap().count() == 0,
                    "{told}"
                );
            }
        }
    }
}

/// The library does not look at the umask.
#[test]
fn the_librarys_images_are_their_owners_alone() {
    let root = system();
    for (pack, files, directories) in
        [(Pack::new(root.path()), 0o600, 0o700), (Pack::new(root.path()).mode(0o604), 0o604, 0o705)]
    {
        for format in [Format::Tar, Format::Split(LxdOptions::new()), Format::Oci(OciOptions::new())] {
            let output = TempDir::new().unwrap();
            pack.clone().format(format.clone()).publish(output.path()).unwrap();
            for (name, mode) in modes(output.path()) {
                let is_directory = [".split", "blobs", "blobs/sha256"].contains(&&*name);
                assert_eq!(mode, if is_directory { directories } else { files }, "{name}");
            }
        }
    }
    let output = TempDir::new().unwrap();
    let error = Pack::new(root.path()).mode(0o4755).publish(output.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOptions);
}

/// What is there stays as it is, whether it is whole or is added to.
#[test]
fn the_permissions_of_what_is_there_stay() {
    let (root, output) = (system(), TempDir::new().unwrap());
    let pack = |tag: &str, mode: u32| {
        let oci = OciOptions::new().tag(tag.parse().unwrap());
        Pack::new(root.path()).format(Format::Oci(oci)).mode(mode).publish(output.path()).unwrap();
        modes(output.path())
    };
    let first = pack("a", 0o640);
    assert_eq!((first["blobs"], first["blobs/sha256/"]), (0o750, 0o640));
    let second = pack("b", 0o604);
    assert_eq!((second["blobs"], second["blobs/sha256/"], second["oci-layout"]), (0o750, 0o640, 0o640));
    // The index is replaced by one with both images.
    assert_eq!(second["index.json"], 0o604);
}
