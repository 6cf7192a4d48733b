//! exFAT over FUSE: a filesystem without hard links, without flags of rename, without files that have no name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::fs::{CWD, OFlags, RenameFlags};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::corners::PLACE;
use crate::same_bytes::{succeeds, unmount};
use testkit::log::skip;

/// A mounted filesystem in a file, by way of a loop device.
pub(crate) struct ExFat {
    place: TempDir,
    device: String,
}

impl ExFat {
    /// A new one; `None`, and says so, where there can be none.
    pub(crate) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skip("only root can mount filesystems");
            return None;
        }
        let place = TempDir::new_in(PLACE).unwrap();
        let image = place.path().join("image");
        fs::create_dir(place.path().join("on")).unwrap();
        fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let loops =
            |run: Output| run.status.success().then(|| String::from_utf8(run.stdout).unwrap().trim().to_owned());
        let device = succeeds(Command::new("mkfs.exfat").arg(&image).stdout(Stdio::null())).and_then(|()| {
            let run = Command::new("losetup").args(["-f", "--show"]).arg(&image).output();
            run.ok().and_then(loops).ok_or_else(|| "losetup failed".into())
        });
        let exfat = match device {
            Ok(device) => ExFat { place, device },
            Err(why) => {
                skip(&format!("no exFAT: {why}"));
                return None;
            }
        };
        match succeeds(Command::new("mount.exfat-fuse").arg(&exfat.device).arg(exfat.on()).stdout(Stdio::null())) {
            Ok(()) => Some(exfat),
            Err(why) => {
                skip(&format!("no exfat-fuse: {why}"));
                None
            }
        }
    }

    pub(crate) fn on(&self) -> PathBuf {
        self.place.path().join("on")
    }
}

impl Drop for ExFat {
    fn drop(&mut self) {
        unmount(&self.on());
        let _ = succeeds(Command::new("losetup").args(["-d", &self.device]));
    }
}

/// Packs; returns the path of the image, and whether it was there already.
fn pack(tree: &Path, images: &Path, format: &str) -> (PathBuf, bool) {
    fs::create_dir_all(images).unwrap();
    let mut pack = Command::new(env!("CARGO_BIN_EXE_onepass"));
    pack.args(["pack", "--json", "--arch", "x86_64", "--format", format]).arg(tree).arg("--output").arg(images);
    let run = pack.output().unwrap();
    assert!(run.status.success(), "{format}: {}", String::from_utf8_lossy(&run.stderr));
    let record: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    (record["path"].as_str().unwrap().into(), record["outcome"] == "already-there")
}

fn verify(image: &Path) {
    assert_eq!(succeeds(Command::new(env!("CARGO_BIN_EXE_onepass")).arg("verify").arg(image)), Ok(()));
}

/// All names below a directory.
fn names(directory: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = walkdir(directory);
    names.sort();
    names
}

fn walkdir(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { [vec![path.clone()], walkdir(&path)].concat() } else { vec![path] })
        .collect()
}

#[test]
fn images_are_published_by_a_look_and_a_rename() {
    let Some(exfat) = ExFat::new() else { return };
    let on = exfat.on();
    let [one, other] = [on.join("one"), on.join("other")];
    fs::write(&one, "").unwrap();
    assert_eq!(fs::hard_link(&one, &other).unwrap_err().raw_os_error(), Some(Errno::PERM.raw_os_error()));
    let flagged = rustix::fs::renameat_with(CWD, &one, CWD, &other, RenameFlags::NOREPLACE);
    assert_eq!(flagged, Err(Errno::INVAL));
    assert!(rustix::fs::open(&on, OFlags::RDWR | OFlags::TMPFILE, rustix::fs::Mode::RUSR).is_err());
    let tree = TempDir::new().unwrap();
    fs::write(tree.path().join("file"), "text").unwrap();
    for format in ["unified", "split", "oci"] {
        let images = on.join(format);
        let (image, was_there) = pack(tree.path(), &images, format);
        assert!(!was_there, "{format}");
        verify(&image);
        let before = names(&images);
        assert!(before.iter().all(|name| !name.to_string_lossy().contains("onepass-")), "{before:?}");
        assert_eq!(pack(tree.path(), &images, format), (image.clone(), true));
        // The remains of a crash: each file in turn is broken.
        for file in before.iter().filter(|name| name.is_file()) {
            let content = fs::read(file).unwrap();
            if ["index.json", "oci-layout"].iter().any(|document| file.ends_with(document)) {
                continue;
            }
            fs::write(file, &content[1..]).unwrap();
            assert_eq!(pack(tree.path(), &images, format), (image.clone(), false), "{}", file.display());
            verify(&image);
            assert_eq!((names(&images), fs::read(file).unwrap()), (before.clone(), content));
        }
    }
}
