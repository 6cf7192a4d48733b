//! Packs that are killed, and packs beside each other: a name that looks like a fingerprint is one.
//!
//! A pack is killed before each system call that changes the disk: between two of them nothing changes there. Kills at random
//! moments beside that show that the list of calls is complete; the deep tier has a thousand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;
use testkit::log::{count, skip};
use testkit::tier::sized;

use crate::corners::PLACE;
use crate::holdings::{self, Holdings};
use crate::laws::names;
use crate::same_bytes::{succeeds, unmount};
use crate::strace::{self, Calls, strace};
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

/// Kills a pack after some time, and says whether it had come to its end. It never fails: what the ones before it left is in
/// nobody's way.
fn killed_after(time: Duration, mut child: Child) -> bool {
    std::thread::sleep(time);
    child.kill().unwrap();
    let run = child.wait_with_output().unwrap();
    assert!(run.status.code().is_none_or(|code| code == 0), "{}", String::from_utf8_lossy(&run.stderr));
    run.status.success()
}

/// The calls that change a disk, or that open what will be changed.
const CHANGES: &str = "trace=openat,write,pwrite64,pwritev,copy_file_range,ftruncate,fallocate,fsync,fdatasync,linkat,renameat,\
    renameat2,mkdirat,unlinkat";

/// The calls of a pack, by name and number, before which it is to be killed: of those that are alike the first and the last.
fn moments(tree: &Path, output: &Path, way: &[&str]) -> Vec<(String, usize)> {
    let place = TempDir::new().unwrap();
    let log = place.path().join("log");
    let run =
        strace(&["-ff", "-y", "-e", CHANGES], &log).arg("pack").arg(tree).arg("-o").arg(output).args(way).output();
    assert!(run.unwrap().status.success());
    // Writes to a pipe change no disk, and how many there are depends on the reader.
    let is_change = |line: &str| {
        !line.contains("pipe:[")
            && (!line.starts_with("openat") || line.contains("O_CREAT") || line.contains("O_TMPFILE"))
    };
    let mut alike = BTreeMap::<String, (_, _)>::new();
    for (call, lines) in Calls::take(&log).0 {
        for line in lines.into_iter().filter(|line| is_change(line)) {
            alike.entry(line).or_insert((call.clone(), call.clone())).1 = call.clone();
        }
    }
    let mut moments: Vec<_> = alike.into_values().flat_map(|(first, last)| [first, last]).collect();
    moments.sort();
    moments.dedup();
    moments
}

/// A pack that is killed as it makes the Nth call of this name.
fn killed_at((call, number): &(String, usize), tree: &Path, output: &Path, way: &[&str]) -> Output {
    let [trace, injection] = [format!("trace={call}"), format!("inject={call}:signal=KILL:when={number}")];
    // Not with `--seccomp-bpf`: with it, no signal comes.
    let options = ["-f", "-e", &trace, "-e", &injection];
    let mut command = strace(&options, Path::new("/dev/null"));
    count("kills", 1);
    command.arg("pack").arg(tree).arg("-o").arg(output).args(way).output().unwrap()
}

/// Whether a run came to its end; if not, it was killed, or its program was.
fn is_finished(run: &Output) -> bool {
    let told = String::from_utf8_lossy(&run.stderr);
    let is_killed = run.status.code().is_none() || told.contains("`gzip` failed (signal: 9");
    assert!(run.status.success() || is_killed, "{told}");
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
        sized(trees::fewer(), trees::some()).create(&tree, false);
        fs::write(tree.join("number"), number.to_string().repeat(100_000)).unwrap();
    }
    place
}

#[test]
fn kills_at_every_change_of_the_disk() {
    if strace::is_installed() {
        kills_at_every_change(TempDir::new().unwrap().path(), &WAYS);
    }
}

#[test]
fn kills_at_random_moments() {
    kills(TempDir::new().unwrap().path(), sized(40, 1_000));
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
        if strace::is_installed() {
            kills_at_every_change(&output, &[WAYS[1], WAYS[5]]);
        }
        kills(&output, sized(10, 200));
    });
    unmount(&on);
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// A pack into a directory that it shares with the remains of those before it.
struct Victim<'a> {
    output: &'a Path,
    /// The name of its image.
    image: &'a str,
    /// Whether the remains of a crash are to be replaced, by way of a temporary name.
    broken: bool,
}

impl Victim<'_> {
    fn prepare(&self) {
        if self.broken {
            fs::write(self.output.join(self.image), "broken").unwrap();
        }
    }

    /// After a kill: the image is whole, or there is none, and at most one temporary file. Says whether it is whole.
    fn check(&self, is_done: bool, at: &str) -> bool {
        let image = self.output.join(self.image);
        let is_published = match fs::read(&image) {
            Ok(bytes) if self.broken && bytes == b"broken" => false,
            Ok(_) => packer::verify(&image).map(|_| true).unwrap(),
            Err(_) => {
                assert!(!self.broken, "{at}: what was there is gone");
                false
            }
        };
        assert!(is_published || !is_done, "{at}: there is no image");
        let _ = fs::remove_file(&image);
        let left = left(self.output);
        assert!(left.len() <= 1 && left.iter().all(|name| name.ends_with(".tmp")), "{at}: {left:?}");
        is_published
    }
}

/// What is in a directory, but for what libfuse calls a file that is still open somewhere.
fn left(output: &Path) -> Vec<String> {
    let mut left = names(output);
    left.retain(|name| !name.starts_with(".fuse_hidden"));
    left
}

/// The next pack removes what was left.
fn is_mended(tree: &Path, output: &Path) {
    let last = made(tree, output, WAYS[0]);
    fs::remove_file(output.join(last)).unwrap();
    assert_eq!(left(output), Vec::<String>::new(), "what was left is still there");
}

fn kills_at_every_change(output: &Path, ways: &[&[&str]]) {
    let (place, aside) = (trees(1), TempDir::new().unwrap());
    let tree = place.path().join("0");
    for way in ways {
        let image = made(&tree, aside.path(), way);
        for broken in [false, true] {
            let victim = Victim { output, image: &image, broken };
            // A pack to the end first: it removes what the last kill left, which later packs will not find.
            made(&tree, output, way);
            victim.prepare();
            let moments = moments(&tree, output, way);
            victim.check(true, "nothing was killed");
            let (mut missed, mut published) = (Vec::new(), 0);
            for moment in &moments {
                victim.prepare();
                let is_done = is_finished(&killed_at(moment, &tree, output, way));
                published += usize::from(victim.check(is_done, &format!("{way:?}, broken: {broken}, {moment:?}")));
                if is_done {
                    missed.push(moment);
                }
            }
            // Threads share the work anew in each run, so a call can be missing from one. The directory's fsync is behind the name.
            assert!(missed.len() * 3 <= moments.len(), "{way:?}, broken: {broken}: {missed:?} missed of {moments:?}");
            assert!(published > 0 && published < moments.len(), "{way:?}: {published} published of {moments:?}");
        }
    }
    is_mended(&tree, output);
}

/// Kills packs into `output` at random moments, as long after their start as whole packs take.
fn kills(output: &Path, number: usize) {
    let (place, aside) = (trees(1), TempDir::new().unwrap());
    let tree = place.path().join("0");
    let mut whole = WAYS.map(|way| {
        let started = Instant::now();
        let image = made(&tree, aside.path(), way);
        (image, started.elapsed())
    });
    let mut noise = Noise(1);
    for number in 0..number {
        let way = number % WAYS.len();
        let (image, longest) = &mut whole[way];
        // Every other time the remains of a crash are to be replaced.
        let victim = Victim { output, image, broken: number / WAYS.len() % 2 == 1 };
        victim.prepare();
        let is_done = killed_after(longest.mul_f64(noise.fraction()), start(&tree, output, WAYS[way]));
        victim.check(is_done, &format!("kill {number}"));
        // The moments stay around the end of a run, however busy the machine becomes.
        *longest = longest.mul_f64(if is_done { 0.8 } else { 1.1 });
    }
    count("kills", number);
    is_mended(&tree, output);
}

/// Images of more than one file are there with all of them, or not at all.
#[test]
fn kills_of_images_of_more_than_one_file() {
    let (place, output) = (trees(1), TempDir::new().unwrap());
    let tree = place.path().join("0");
    for way in [&["-f", "split", "--arch", "amd64"][..], &["-f", "oci", "--arch", "amd64", "--tag", "x"]] {
        let check = |is_done: bool, at: &str| {
            let found = holdings::of(output.path());
            assert_eq!(found.broken, Vec::<String>::new(), "{at}, {way:?}");
            assert!(found.temporary.len() <= 1 && found.images >= usize::from(is_done), "{at}, {way:?}: {found:?}");
            found.images
        };
        if strace::is_installed() {
            // Into an empty directory, and over the image that is there.
            for is_there in [false, true] {
                let prepare = || {
                    clear(output.path());
                    if is_there {
                        made(&tree, output.path(), way);
                    }
                };
                prepare();
                let moments = moments(&tree, output.path(), way);
                let mut published = 0;
                for moment in &moments {
                    prepare();
                    let is_done = is_finished(&killed_at(moment, &tree, output.path(), way));
                    published += check(is_done, &format!("{moment:?}"));
                }
                assert!(published > 0 && (is_there || published < moments.len()), "{published} of {moments:?}");
            }
            clear(output.path());
        }
        let started = Instant::now();
        made(&tree, output.path(), way);
        let (mut longest, mut noise) = (started.elapsed(), Noise(2));
        let number = sized(20, 300);
        for number in 0..number {
            // Now and then one finds what the one before it made.
            if number % 3 != 0 {
                clear(output.path());
            }
            let is_done = killed_after(longest.mul_f64(noise.fraction()), start(&tree, output.path(), way));
            check(is_done, &format!("kill {number}"));
            longest = longest.mul_f64(if is_done { 0.8 } else { 1.1 });
        }
        count("kills", number);
        clear(output.path());
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
    for count in sized(vec![2, 4, 8], (2..=8).collect()) {
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
