//! Packs that are killed, and packs beside each other: a name that looks like a fingerprint is one.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;

use crate::corners::{PLACE, skip};
use crate::holdings::{self, Holdings};
use crate::laws::names;
use crate::same_bytes::{succeeds, unmount};
use crate::trees;
use testkit::cases::Noise;

const WAYS: [&[&str]; 7] = [
    &["-c", "none"],
    &["-c", "gzip", "-t", "2"],
    &["-c", "zstd", "-t", "2"],
    &["-c", "xz:1", "-t", "2"],
    &["-c", "external:gzip"],
    &["-c", "gzip:1", "--strategy", "two-pass"],
    &["-c", "external:gzip:1", "--strategy", "two-pass"],
];

fn start(tree: &Path, output: &Path, way: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onepass"));
    command
        .arg("pack")
        .arg(tree)
        .arg("-o")
        .arg(output)
        .args(way)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills a pack, and says whether it had come to its end. It never fails: what the ones before it left is in nobody's way.
fn finished(mut child: Child) -> bool {
    child.kill().unwrap();
    let run = child.wait_with_output().unwrap();
    assert!(run.status.code().is_none_or(|code| code == 0), "{}", String::from_utf8_lossy(&run.stderr));
    run.status.success()
}

/// The name of the image that a pack to the end makes.
fn made(tree: &Path, output: &Path, way: &[&str]) -> String {
    let run = start(tree, output, way).wait_with_output().unwrap();
    assert!(run.status.success());
    let line = String::from_utf8(run.stdout).unwrap();
    Path::new(line.trim_end().split_once("  ").unwrap().1).file_name().unwrap().to_str().unwrap().to_owned()
}

/// Trees of different content at `0`, `1`, … in a directory.
fn trees(count: usize) -> TempDir {
    let place = TempDir::new().unwrap();
    for number in 0..count {
        let tree = place.path().join(number.to_string());
        trees::some().create(&tree, false);
        fs::write(tree.join("number"), number.to_string().repeat(100_000)).unwrap();
    }
    place
}

#[test]
fn a_thousand_kills_at_random_moments() {
    kills(TempDir::new().unwrap().path(), 1_000);
}

/// There the image has a temporary name from the start, and no way to get another but a link.
#[test]
fn kills_on_a_filesystem_without_unnamed_files() {
    let place = TempDir::new_in(PLACE).unwrap();
    let (device, on) = (place.path().join("device"), place.path().join("on"));
    fs::create_dir(&on).unwrap();
    fs::File::create(&device).unwrap().set_len(4 << 30).unwrap();
    let mounted = succeeds(Command::new("mkfs.ext4").arg("-q").arg(&device))
        .and_then(|()| succeeds(Command::new("fuse2fs").args(["-o", "rw"]).args([&device, &on])));
    if let Err(why) = mounted {
        return skip(&format!("no fuse2fs: {why}"));
    }
    let output = on.join("out");
    let result = std::panic::catch_unwind(|| {
        fs::create_dir(&output).unwrap();
        let unnamed = rustix::fs::open(&output, OFlags::RDWR | OFlags::TMPFILE, Mode::RUSR);
        assert!(unnamed.is_err(), "this filesystem has unnamed files, too");
        kills(&output, 200);
    });
    unmount(&on);
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// Kills packs into `output`, at moments around their end.
fn kills(output: &Path, count: usize) {
    let (place, aside) = (trees(1), TempDir::new().unwrap());
    let tree = place.path().join("0");
    let images = WAYS.map(|way| made(&tree, aside.path(), way));
    let (mut killed, mut published, mut noise) = (0, 0, Noise(1));
    let mut longest = Duration::from_millis(40);
    for number in 0..count {
        let way = number % WAYS.len();
        let image = output.join(&images[way]);
        // Every other time the remains of a crash are to be replaced, by way of a temporary name.
        let broken = number / WAYS.len() % 2 == 1;
        if broken {
            fs::write(&image, "broken").unwrap();
        }
        let child = start(&tree, output, WAYS[way]);
        std::thread::sleep(longest.mul_f64(noise.number() as f64 / f64::from(1 << 24)));
        let done = finished(child);
        // The moments stay around the end of a run, however fast the machine is.
        longest = longest.mul_f64(if done { 0.97 } else { 1.02 });
        killed += usize::from(!done);
        match fs::read(&image) {
            Ok(bytes) if broken && bytes == b"broken" => assert!(!done, "kill {number}: nothing was replaced"),
            Ok(_) => {
                packer::verify(&image).unwrap();
                published += 1;
            }
            Err(_) => assert!(!done && !broken, "kill {number}: there is no image"),
        }
        let _ = fs::remove_file(&image);
        let mut left = names(output);
        // What libfuse calls a file that is still open somewhere.
        left.retain(|name| !name.starts_with(".fuse_hidden"));
        assert!(left.len() <= 1 && left.iter().all(|name| name.ends_with(".tmp")), "after kill {number}: {left:?}");
    }
    assert!(killed > count / 10 && published > count / 10, "{killed} killed, {published} published");
    let last = made(&tree, output, WAYS[0]);
    let mut left = names(output);
    left.retain(|name| !name.starts_with(".fuse_hidden"));
    assert_eq!(left, [last], "what was left is still there");
}

/// Images of more than one file are there with all of them, or not at all.
#[test]
fn kills_of_images_of_more_than_one_file() {
    let (place, output) = (trees(1), TempDir::new().unwrap());
    let (tree, mut noise) = (place.path().join("0"), Noise(2));
    for way in [&["-f", "split", "--arch", "amd64"][..], &["-f", "oci", "--arch", "amd64", "--tag", "x"]] {
        let (mut killed, mut published) = (0, 0);
        let mut longest = Duration::from_millis(40);
        for number in 0..300 {
            let child = start(&tree, output.path(), way);
            std::thread::sleep(longest.mul_f64(noise.number() as f64 / f64::from(1 << 24)));
            let done = finished(child);
            longest = longest.mul_f64(if done { 0.97 } else { 1.02 });
            killed += usize::from(!done);
            let found = holdings::of(output.path());
            assert_eq!(found.broken, Vec::<String>::new(), "kill {number}, {way:?}");
            assert!(found.temporary.len() <= 1 && found.images >= usize::from(done), "kill {number}: {found:?}");
            published += found.images;
            // Now and then the next one finds what this one made.
            if number % 3 != 0 {
                clear(output.path());
            }
        }
        assert!(killed > 30 && published > 30, "{killed} killed, {published} published");
        made(&tree, output.path(), way);
        assert_eq!(holdings::of(output.path()), Holdings { images: 1, ..Holdings::default() }, "something is left");
        clear(output.path());
    }
}

/// Removes what is published in a directory, and leaves what is temporary.
fn clear(output: &Path) {
    for name in names(output).into_iter().filter(|name| !name.ends_with(".tmp")) {
        let path = output.join(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.unwrap();
    }
}

#[test]
fn two_to_eight_packs_into_one_directory() {
    let place = trees(3);
    for count in 2..=8 {
        let output = TempDir::new().unwrap();
        let tree = |number: usize| place.path().join((number % 3).to_string());
        // The remains of two crashes: a temporary file, and a short image that all of the first tree's packs find.
        fs::write(output.path().join(".onepass-00000000000000aa.tmp"), "left").unwrap();
        let first = made(&tree(0), TempDir::new().unwrap().path(), WAYS[1]);
        fs::write(output.path().join(&first), "short").unwrap();
        let running: Vec<Child> =
            (0..count).map(|number| start(&tree(number), output.path(), WAYS[1 + number % 2])).collect();
        let mut expected: Vec<String> = running
            .into_iter()
            .map(|child| {
                let run = child.wait_with_output().unwrap();
                assert!(run.status.success(), "of {count}");
                String::from_utf8(run.stdout).unwrap().trim_end().rsplit_once('/').unwrap().1.to_owned()
            })
            .collect();
        expected.sort();
        expected.dedup();
        let mut found = names(output.path());
        found.sort();
        assert_eq!(found, expected, "of {count}");
        for name in found {
            packer::verify(output.path().join(name)).unwrap();
        }
    }
}
