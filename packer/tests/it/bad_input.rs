//! Bad input: one clear line that names the thing, the right exit code, nothing left behind.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

struct Place {
    directory: TempDir,
}

impl Place {
    /// A directory with a small tree in `tree`, an empty `out`, and a plain file `file`.
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("tree")).unwrap();
        fs::write(at("tree/hello"), "hello").unwrap();
        fs::create_dir(at("out")).unwrap();
        fs::write(at("file"), "plain").unwrap();
        symlink("tree", at("link")).unwrap();
        Place { directory }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_onepass")).args(arguments).current_dir(self.directory.path()).output().unwrap()
    }

    /// The command fails with `code`, its message holds `words`, and `out` stays empty.
    #[track_caller]
    fn refuses(&self, arguments: &[&str], code: i32, words: &str) {
        let run = self.run(arguments);
        let message = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(code), "{arguments:?}: {message}");
        assert!(message.contains(words), "{arguments:?}: {message}");
        assert!(run.stdout.is_empty(), "{arguments:?}");
        if code == 1 {
            assert_eq!(message.trim_end().lines().count(), 1, "{message}");
        }
        assert_eq!(fs::read_dir(self.directory.path().join("out")).unwrap().count(), 0, "{arguments:?} left something");
    }
}

#[test]
fn failures_name_the_thing() {
    let place = Place::new();
    for (arguments, words) in [
        (&["pack", "missing", "-o", "out"][..], "cannot open the root filesystem `missing`: no such file or directory"),
        (&["pack", "file", "-o", "out"], "`file` is not a directory"),
        (&["pack", "link", "-o", "out"], "`link` is a symbolic link, not a directory"),
        (&["pack", "tree", "-o", "missing"], "cannot open the output directory `missing`: no such file or directory"),
        (&["pack", "tree", "-o", "file"], "cannot open the output directory `file`: not a directory"),
        (&["pack", "tree", "-o", "/proc"], "in `/proc`"),
        (&["verify", "missing"], "cannot open `missing`: no such file or directory"),
        (&["verify", "tree"], "`tree` is not a regular file"),
        (&["verify", "file"], "its name does not begin with a fingerprint"),
    ] {
        place.refuses(arguments, 1, words);
    }
}

#[test]
fn usage_errors_say_what_would_be_right() {
    let place = Place::new();
    for (arguments, words) in [
        (&["pack", "tree"][..], "--output"),
        (&["pack", "tree", "-o", "out", "--compression", "lzo"], "`lzo` is not a compression: codecs are none"),
        (&["pack", "tree", "-o", "out", "--compression", "gzip:13"], "a number from 1 to 12"),
        (&["pack", "tree", "-o", "out", "--compression", "zstd:0"], "a number from 1 to 19"),
        (&["pack", "tree", "-o", "out", "--compression", "external:rm"], "is not one of gzip, pigz, zstd"),
        (&["pack", "tree", "-o", "out", "--strategy", "three-pass"], "single-stream or two-pass"),
        (&["pack", "tree", "-o", "out", "--threads", "0"], "--threads"),
        (&["unpack"], "unpack"),
    ] {
        place.refuses(arguments, 2, words);
    }
}

#[test]
fn what_cannot_be_read_or_written_fails_for_who_may_not() {
    let place = Place::new();
    let at = |name: &str| place.directory.path().join(name);
    fs::set_permissions(at("tree/hello"), fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read(at("tree/hello")).is_ok() {
        // Root reads everything: let somebody else try. Their way to the place and to the binary must be open.
        fs::set_permissions(place.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let binary = at("onepass");
        fs::copy(env!("CARGO_BIN_EXE_onepass"), &binary).unwrap();
        let as_nobody = |arguments: &str| {
            let script = format!("exec setpriv --reuid=65534 --regid=65534 --clear-groups ./onepass {arguments}");
            Command::new("sh").arg("-c").arg(script).current_dir(place.directory.path()).output().unwrap()
        };
        refused(&as_nobody("pack tree -o out"), "cannot create a file in `out`: permission denied");
        fs::set_permissions(at("out"), fs::Permissions::from_mode(0o777)).unwrap();
        refused(&as_nobody("pack tree -o out"), "cannot open `tree/hello`: permission denied");
        fs::set_permissions(at("tree"), fs::Permissions::from_mode(0o0)).unwrap();
        refused(&as_nobody("pack tree -o out"), "cannot open the root filesystem `tree`: permission denied");
    } else {
        place.refuses(&["pack", "tree", "-o", "out"], 1, "cannot open `tree/hello`: permission denied");
    }
    assert_eq!(fs::read_dir(at("out")).unwrap().count(), 0);
}

#[track_caller]
fn refused(run: &Output, words: &str) {
    let message = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{message}");
    assert!(message.contains(words), "{message}");
}

#[test]
fn a_missing_compressor_is_named() {
    let place = Place::new();
    // A root filesystem view without pigz: the command must say which program it missed, not that a pipe broke.
    if Path::new("/usr/bin/pigz").exists() {
        let script = format!(
            "mount -t tmpfs none /usr/bin && exec {} pack tree -o out -c external:pigz",
            env!("CARGO_BIN_EXE_onepass")
        );
        let run = Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", &script])
            .current_dir(place.directory.path())
            .output()
            .unwrap();
        refused(&run, "`pigz` is not installed");
    } else {
        place.refuses(&["pack", "tree", "-o", "out", "-c", "external:pigz"], 1, "`pigz` is not installed");
    }
}
