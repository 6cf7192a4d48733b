//! The power goes out at random moments: what has a fingerprint for a name hashes to it, once the filesystem is mounted again.
//!
//! Images are published on a filesystem in a file, and that file is cloned while they are. A clone (`FICLONE`, on xfs) has
//! everything that was written to the file before it and nothing that came later, as a disk has when its power is cut: what
//! the inner filesystem still had in memory is lost. Each clone is mounted, so that its journal is replayed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use testkit::log::count;
use testkit::tier::{runs_deep, sized};

use crate::corners::PLACE;
use crate::holdings;
use crate::same_bytes::{succeeds, unmount};
use testkit::cases::Noise;
use testkit::log::skip;

/// A filesystem, what makes it, how it is mounted first, and how a clone of it is.
struct Filesystem {
    name: &'static str,
    make: &'static [&'static str],
    options: &'static str,
    again: &'static str,
}

const EXT4: Filesystem =
    Filesystem { name: "ext4", make: &["mkfs.ext4", "-q"], options: "commit=1", again: "defaults" };
const XFS: Filesystem = Filesystem { name: "xfs", make: &["mkfs.xfs", "-q"], options: "defaults", again: "nouuid" };
const BTRFS: Filesystem =
    Filesystem { name: "btrfs", make: &["mkfs.btrfs", "-q"], options: "commit=1", again: "defaults" };

/// Bytes of the inner filesystem: the least that mkfs.xfs takes is 300 MiB.
const SIZE: u64 = 320 << 20;

/// How many moments are tried.
fn moments() -> usize {
    sized(8, 200)
}

/// A mounted filesystem, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(file: &Path, place: &Path, options: &str) -> Result<Self, String> {
        fs::create_dir_all(place).unwrap();
        succeeds(Command::new("mount").args(["-o", &format!("loop,{options}")]).arg(file).arg(place))?;
        Ok(Mount(place.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}

fn make(file: &Path, size: u64, make: &[&str]) -> Result<(), String> {
    File::create(file).unwrap().set_len(size).unwrap();
    succeeds(Command::new(make[0]).args(&make[1..]).arg(file))
}

/// Publishes images of ever new content until it is over, and keeps the last twenty.
fn publish(place: &Path, number: usize, strace: &[&str], over: &AtomicBool) {
    let tree = place.join(format!("tree-{number}"));
    fs::create_dir(&tree).unwrap();
    let mut noise = Noise(number as u64);
    let mut names = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let size = 10_000 + noise.number() as usize % 300_000;
        fs::write(tree.join("noise"), noise.bytes(size)).unwrap();
        let codec = ["none", "gzip", "zstd", "external:gzip"][names.len() % 4];
        let mut command = Command::new(strace.first().unwrap_or(&env!("CARGO_BIN_EXE_onepass")));
        if !strace.is_empty() {
            command.args(&strace[1..]).arg(env!("CARGO_BIN_EXE_onepass"));
        }
        let strategy = ["single-stream", "two-pass"][names.len() / 4 % 2];
        let format = ["tar", "split", "oci"][names.len() % 3];
        // A layout for every few images.
        let images = match format {
            "oci" => place.join(format!("layouts/{number}-{}", names.len() / 9)),
            _ => place.join("images"),
        };
        fs::create_dir_all(&images).unwrap();
        let described: &[&str] = if format == "tar" { &[] } else { &["--arch", "amd64"] };
        let run = command
            .args(["pack", "-c", codec, "--strategy", strategy, "-f", format, "-o"])
            .arg(&images)
            .arg(&tree)
            .args(described)
            .stderr(Stdio::inherit())
            .output();
        let run = run.unwrap();
        assert!(run.status.success());
        let line = String::from_utf8(run.stdout).unwrap();
        names.push(line.trim_end().split_once("  ").unwrap().1.to_owned());
        if let Some(old) = names.len().checked_sub(21).map(|old| Path::new(&names[old])) {
            // At one moment: what is half removed would look as if it had never been whole.
            let trash = place.join(format!("trash-{number}"));
            if fs::rename(old, &trash).is_ok() {
                let _ = if trash.is_dir() { fs::remove_dir_all(trash) } else { fs::remove_file(trash) };
            }
        }
    }
}

/// What the clones hold: how many images are whole, and which are not.
fn cut(filesystem: &Filesystem, moments: usize, strace: &[&str]) -> Result<(usize, Vec<String>), String> {
    let place = TempDir::new_in(PLACE).unwrap();
    let host_file = place.path().join("host");
    // Sparse, and every clone is removed once it was looked at.
    make(&host_file, 16 << 30, &["mkfs.xfs", "-q", "-m", "reflink=1"])?;
    let host = Mount::new(&host_file, &place.path().join("host-mount"), "defaults")?;
    let disk = host.0.join("disk");
    make(&disk, SIZE, filesystem.make)?;
    let clone = |number: usize| host.0.join(format!("clone-{number}"));
    {
        let inner = Mount::new(&disk, &place.path().join("inner"), filesystem.options)?;
        for directory in ["images", "layouts"] {
            fs::create_dir(inner.0.join(directory)).unwrap();
        }
        // What was there before the first moment is not what is tried.
        rustix::fs::syncfs(File::open(&inner.0).unwrap()).unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for number in 0..2 {
                let (inner, over) = (&inner.0, &over);
                scope.spawn(move || publish(inner, number, strace, over));
            }
            let mut noise = Noise(7);
            for number in 0..moments {
                std::thread::sleep(Duration::from_millis(20 + noise.number() % 150));
                let (from, to) = (File::open(&disk).unwrap(), File::create(clone(number)).unwrap());
                rustix::fs::ioctl_ficlone(&to, &from).unwrap();
            }
            over.store(true, Ordering::SeqCst);
        });
    }
    let (mut whole, mut broken) = (0, Vec::new());
    for number in 0..moments {
        let mounted = Mount::new(&clone(number), &place.path().join("again"), filesystem.again)?;
        let layouts = fs::read_dir(mounted.0.join("layouts")).unwrap().map(|entry| entry.unwrap().path());
        for directory in layouts.chain([mounted.0.join("images")]) {
            let found = holdings::of(&directory);
            whole += found.images;
            broken.extend(found.broken.into_iter().map(|what| format!("{} {number}: {what}", filesystem.name)));
        }
        drop(mounted);
        fs::remove_file(clone(number)).unwrap();
    }
    count("power cuts", moments);
    Ok((whole, broken))
}

#[track_caller]
fn survives(filesystem: &Filesystem) {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount filesystems");
    }
    match cut(filesystem, moments(), &[]) {
        Ok((whole, broken)) => {
            assert_eq!(broken, Vec::<String>::new());
            assert!(whole > moments(), "only {whole} images in {} clones", moments());
        }
        Err(why) => skip(&format!("no {}: {why}", filesystem.name)),
    }
}

#[test]
fn on_ext4() {
    survives(&EXT4);
}

#[test]
fn on_xfs() {
    survives(&XFS);
}

#[test]
fn on_btrfs() {
    survives(&BTRFS);
}

/// The check of the check: where fsync does nothing, images are found that are not what their names say.
#[test]
fn without_fsync_it_would_be_seen() {
    if !runs_deep() {
        return;
    }
    if !rustix::process::geteuid().is_root() || Command::new("strace").arg("-V").output().is_err() {
        return skip("only root can mount filesystems, and only strace can make fsync do nothing");
    }
    let strace = ["strace", "-f", "-qq", "-e", "trace=fsync", "-e", "inject=fsync:retval=0", "-o", "/dev/null"];
    match cut(&EXT4, 40, &strace) {
        Ok((whole, broken)) => assert!(!broken.is_empty(), "{whole} images are whole, and none is broken"),
        Err(why) => skip(&format!("no ext4: {why}")),
    }
}
