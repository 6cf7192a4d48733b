//! Every system call of a pack fails once, in every way that it can: no image, nothing left and the cause told, or an image
//! that is whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::corners::skip;
use crate::laws::names;

/// Calls, and how they may fail. `EINTR` comes from signals, and from network and user-space filesystems.
const CALLS: [(&str, &[&str]); 14] = [
    ("openat", &["EIO", "EMFILE", "ENOMEM", "EINTR", "EOPNOTSUPP"]),
    ("read", &["EIO", "EINTR"]),
    ("pread64", &["EIO", "EINTR"]),
    ("getdents64", &["EIO", "EINTR"]),
    ("statx", &["EIO", "ENOMEM"]),
    ("readlinkat", &["EIO"]),
    ("write", &["ENOSPC", "EIO", "EDQUOT", "EINTR"]),
    ("pwrite64", &["ENOSPC", "EIO", "EDQUOT", "EINTR"]),
    ("fsync", &["ENOSPC", "EIO", "EDQUOT", "EINTR"]),
    ("linkat", &["ENOSPC", "EIO", "EDQUOT", "EOPNOTSUPP"]),
    ("renameat2", &["ENOSPC", "EIO", "EDQUOT"]),
    ("unlinkat", &["EIO"]),
    ("close", &["EIO", "EINTR"]),
    ("fcntl", &["EINVAL"]),
];

/// What an error is called in a message.
fn words(error: &str) -> &'static [&'static str] {
    match error {
        "EIO" => &["input/output error", "Input/output error"],
        "EMFILE" => &["too many open files", "Too many open files"],
        "ENOMEM" => &["annot allocate memory"],
        "ENOSPC" => &["no space left on device"],
        "EDQUOT" => &["disk quota exceeded", "quota exceeded"],
        "EINTR" => &["nterrupted"],
        "EOPNOTSUPP" => &["not supported", "Operation not supported"],
        _ => &["nvalid argument"],
    }
}

/// What stands in the output directory before the pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Nothing,
    /// The same image, whole.
    Image,
    /// The remains of a crash under its name, and a temporary file.
    Remains,
}

struct Place {
    root: TempDir,
    way: &'static [&'static str],
    /// The image that the pack makes.
    image: Vec<u8>,
    name: String,
}

impl Place {
    fn new(way: &'static [&'static str]) -> Self {
        let root = TempDir::new().unwrap();
        let tree = root.path().join("tree");
        fs::create_dir_all(tree.join("directory/below")).unwrap();
        fs::write(tree.join("directory/file"), "text ".repeat(30_000)).unwrap();
        fs::write(tree.join("directory/below/other"), "other").unwrap();
        std::os::unix::fs::symlink("directory/file", tree.join("link")).unwrap();
        let mut place = Place { root, way, image: Vec::new(), name: String::new() };
        let output = place.output(Standing::Nothing);
        let run = place.command(&output, None).output().unwrap();
        assert!(run.status.success());
        place.name = names(&output).pop().unwrap();
        place.image = fs::read(output.join(&place.name)).unwrap();
        place
    }

    /// A new output directory.
    fn output(&self, standing: Standing) -> PathBuf {
        let output = self.root.path().join("out");
        let _ = fs::remove_dir_all(&output);
        fs::create_dir(&output).unwrap();
        match standing {
            Standing::Nothing => {}
            Standing::Image => fs::write(output.join(&self.name), &self.image).unwrap(),
            Standing::Remains => {
                fs::write(output.join(&self.name), &self.image[..self.image.len() / 2]).unwrap();
                fs::write(output.join(".onepass-00000000000000aa.tmp"), "left").unwrap();
            }
        }
        output
    }

    fn command(&self, output: &Path, injection: Option<(&str, String)>) -> Command {
        let mut command = Command::new("strace");
        match injection {
            Some((call, injection)) => {
                command.args(["-f", "-qq", "-e", &format!("trace={call}"), "-e", &injection, "-o"]);
                command.arg(self.root.path().join("log"));
            }
            None => drop(command.args(["-f", "-qq", "-e", "trace=none"])),
        }
        command.arg(env!("CARGO_BIN_EXE_onepass")).args(["pack", "-t", "1"]).args(self.way).arg("-o").arg(output);
        command.arg(self.root.path().join("tree"));
        command
    }

    /// Lets the Nth call of each thread fail; false if no thread makes so many.
    fn fails(&self, call: &str, error: &str, number: usize, standing: Standing) -> bool {
        let output = self.output(standing);
        let injection = format!("inject={call}:error={error}:when={number}");
        let run = self.command(&output, Some((call, injection))).output().unwrap();
        let at = format!("{call} {number} with {error}, {standing:?}, {:?}", self.way);
        self.law(&run, &output, (call, error), standing, &at);
        fs::read_to_string(self.root.path().join("log")).unwrap().contains("INJECTED")
    }

    fn law(&self, run: &Output, output: &Path, (call, error): (&str, &str), standing: Standing, at: &str) {
        let told = String::from_utf8_lossy(&run.stderr);
        let mut left = names(output);
        left.retain(|name| standing != Standing::Remains || !name.ends_with("aa.tmp"));
        let image = fs::read(output.join(&self.name)).ok();
        if run.status.success() {
            assert!(String::from_utf8_lossy(&run.stdout).starts_with(&self.name[..64]), "{at}");
            assert_eq!(left, [&*self.name], "{at}");
            assert!(image.unwrap() == self.image, "{at}: another image");
            return;
        }
        // Calls are counted by thread: when the first `write` fails, that of the message may fail as well.
        let speechless = call == "write" && (told.is_empty() || !run.stdout.is_empty());
        // The standard library cannot start a program if it cannot read how that went.
        let pipe = told.contains("the CLOEXEC pipe failed");
        if !speechless && !pipe {
            assert!(run.stdout.is_empty(), "{at}: {:?}", run.stdout);
            assert_eq!(told.lines().count(), 1, "{at}: {told}");
            let caused = words(error).iter().any(|words| told.contains(words));
            // Before there is a packer, the loader may fail; and when its words cannot be read, a compressor has none.
            let elsewhere = told.contains("error while loading shared libraries") || told.contains("`gzip` ");
            assert!(caused || elsewhere, "{at}: {told}");
        }
        match standing {
            // The failure may be that of the last fsync: the image has its name, and is whole.
            Standing::Nothing => {
                assert!(left.is_empty() || left == [&*self.name] && image.unwrap() == self.image, "{at}: {left:?}");
            }
            Standing::Image => assert!(left == [&*self.name] && image.unwrap() == self.image, "{at}: {left:?}"),
            Standing::Remains => {
                let image = image.unwrap();
                let as_before = image == self.image[..self.image.len() / 2];
                assert!(left == [&*self.name] && (as_before || image == self.image), "{at}: {left:?}");
            }
        }
    }
}

fn sweep(way: &'static [&'static str]) {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("strace is not installed");
    }
    let place = Place::new(way);
    let mut failures = 0;
    // What strace makes fail is not done: a pipe would stay open that was closed, whatever close said.
    let calls = CALLS.iter().filter(|(call, _)| *call != "close" || !way.contains(&"external:gzip"));
    for (call, errors) in calls {
        for error in *errors {
            for standing in [Standing::Nothing, Standing::Image, Standing::Remains] {
                let mut number = 1;
                while place.fails(call, error, number, standing) {
                    number += 1;
                }
                failures += number - 1;
            }
        }
    }
    assert!(failures > 300, "only {failures} calls failed");
}

#[test]
fn of_one_stream() {
    sweep(&["-c", "gzip"]);
}

#[test]
fn of_two_passes() {
    sweep(&["-c", "zstd", "--strategy", "two-pass"]);
}

#[test]
fn of_a_compressor() {
    sweep(&["-c", "external:gzip"]);
}
