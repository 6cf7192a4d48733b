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
        match code {
            1 => assert_eq!(message.trim_end().lines().count(), 1, "{message}"),
            // All wrong use is told in the same way, whoever finds it.
            _ => assert!(message.starts_with("error: ") && message.contains("--help"), "{message}"),
        }
        assert_eq!(fs::read_dir(self.directory.path().join("out")).unwrap().count(), 0, "{arguments:?} left something");
    }
}

/// A build without the cfg `fault_injection` has no faults.
#[cfg(not(fault_injection))]
#[test]
fn no_fault_can_be_injected() {
    Place::new().refuses(
        &["pack", "tree", "-o", "out", "--inject-fault", "flip"],
        2,
        "unexpected argument '--inject-fault'",
    );
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
        (&["pack", "tree", "-o", "out", "--compression", "xz:10"], "a number from 0 to 9"),
        (
            &["pack", "tree", "-o", "out", "--compression", "external:rm"],
            "is not one of bzip2, gzip, lz4, lzma, pigz, xz, zstd",
        ),
        (&["pack", "tree", "-o", "out", "--strategy", "three-pass"], "single-stream or two-pass"),
        (&["pack", "tree", "-o", "out", "--threads", "0"], "--threads"),
        (&["pack", "tree", "-o", "out", "--exclude", "[a"], "`[a` is not a glob"),
        (&["pack", "tree", "-o", "out", "--clamp-mtime", "2026-01-31"], "a time is a number of seconds since 1970"),
        (
            &["pack", "tree", "-o", "out", "-x", "--cross-mounts"],
            "'--one-file-system' cannot be used with '--cross-mounts'",
        ),
        (
            &["pack", "tree", "-o", "out", "--quiet", "--progress", "bar"],
            "'--quiet' cannot be used with '--progress bar'",
        ),
        (&["pack", "tree", "-o", "out", "--quiet", "--progress", "json"], "'--quiet' cannot be used with"),
        (&["pack", "tree", "-o", "out", "--mode", "999"], "a mode is three octal digits"),
        (&["pack", "tree", "-o", "out", "--mode", "200"], "the owner may read"),
        (&["pack", "tree", "-o", "out", "--if-changed", "yes"], "--if-changed <FINGERPRINT>"),
        // The options are wrong whatever the directories are.
        (&["pack", "missing", "-o", "missing", "-f", "oci", "-c", "xz"], "cannot be compressed with xz:6"),
        (&["pack", "missing", "--dry-run", "-f", "oci", "-c", "xz"], "cannot be compressed with xz:6"),
        (&["verify", "file", "--exclude", "dev"], "--against"),
        (&["verify", "file", "-x"], "--against"),
        (&["man", "fly"], "possible values: pack, verify, inspect, diff, completions, man"),
        (&["completions", "dos"], "possible values: bash"),
        (&["unpack"], "unpack"),
    ] {
        place.refuses(arguments, 2, words);
    }
}

const WHOLE: &str = "architecture: x86_64\ncreation_date: 1\n";

#[test]
fn a_metadata_file_that_lxd_would_not_take_is_refused_before_anything_is_packed() {
    let place = Place::new();
    for (name, text, words) in [
        ("empty", &b""[..], "`empty` is not a YAML mapping"),
        ("binary", b"\xff\x00\x80", "`binary` is no text"),
        ("words", b"[", "`words` is not YAML"),
        ("undated", b"architecture: x86_64", "`undated` has no `creation_date`"),
        ("anywhere", b"creation_date: 1", "`anywhere` has no `architecture`"),
    ] {
        fs::write(place.directory.path().join(name), text).unwrap();
        // The tree is not even looked at.
        place.refuses(&["pack", "missing", "-o", "out", "-f", "unified", "--metadata", name], 1, words);
    }
    for (file, words) in [
        ("missing", "cannot open `missing`: no such file or directory"),
        ("tree", "cannot read `tree`: is a directory"),
        ("/dev/zero", "`/dev/zero` is larger than the 1 MiB that LXD and Incus read"),
    ] {
        place.refuses(&["pack", "tree", "-o", "out", "-f", "split", "--metadata", file], 1, words);
    }
    fs::write(place.directory.path().join("good"), WHOLE).unwrap();
    let long = format!("k={}", "v".repeat(120_000));
    let mut arguments = vec!["pack", "tree", "-o", "out", "-f", "unified", "--metadata", "good"];
    arguments.extend((0..10).flat_map(|_| ["--property", long.as_str()]));
    // One and the same property ten times is not too much; ten are.
    assert!(place.run(&arguments).status.success());
    fs::remove_dir_all(place.directory.path().join("out")).unwrap();
    fs::create_dir(place.directory.path().join("out")).unwrap();
    let many: Vec<String> = (0..10).map(|number| format!("{number}{long}")).collect();
    let mut arguments = vec!["pack", "tree", "-o", "out", "-f", "unified", "--metadata", "good"];
    arguments.extend(many.iter().flat_map(|property| ["--property", property.as_str()]));
    place.refuses(&arguments, 1, "`metadata.yaml` is larger than the 1 MiB that LXD and Incus read");
}

#[test]
fn what_does_not_fit_a_format_is_refused_at_once() {
    let place = Place::new();
    let at = |name: &str| place.directory.path().join(name);
    symlink("tree", at("templates")).unwrap();
    for (options, words) in [
        (&["-f", "unified", "--arch", "amd64", "--templates", "missing"][..], "cannot open the templates `missing`"),
        (&["-f", "unified", "--arch", "amd64", "--templates", "file"], "`file` is not a directory"),
        (&["-f", "unified", "--arch", "amd64", "--templates", "templates"], "`templates` is a symbolic link"),
        (&["-f", "unified"], "has no shell that would tell its architecture"),
    ] {
        place.refuses(&[&["pack", "tree", "-o", "out"], options].concat(), 1, words);
    }
    for (options, words) in [
        (&["-f", "zip"][..], "possible values: tar, unified, split, oci"),
        (&["-f", "oci", "--arch", "amd64", "--workdir", "srv"], "invalid value 'srv' for '--workdir <DIR>'"),
        (&["-f", "tar", "--arch", "amd64"], "'--arch' cannot be used with '--format tar'"),
        (&["--property", "a=b"], "'--format tar': it is for the formats unified and split"),
        (&["-f", "unified", "--tag", "x"], "'--tag' cannot be used with '--format unified': it is for the format oci"),
        (&["-f", "oci", "--metadata", "file"], "'--metadata' cannot be used with '--format oci'"),
        (&["-f", "unified", "--arch", "amd64", "-c", "squashfs"], "a unified image is an archive"),
        (&["-f", "oci", "--arch", "amd64", "-c", "xz"], "a layer of an OCI image cannot be compressed with xz:6"),
        (&["-f", "oci", "--arch", "amd64", "-c", "external:lz4"], "cannot be compressed with external:lz4"),
        (&["-f", "oci", "--tag", "a b"], "`a b` is not a tag"),
        (&["-f", "oci", "--tag", ""], "`` is not a tag"),
        (&["-f", "oci", "--env", "PATH"], "a name, `=` and a value are expected"),
        (&["-f", "oci", "--label", "=x"], "a name, `=` and a value are expected"),
        (&["-f", "split", "--property", ""], "a name, `=` and a value are expected"),
        (&["-f", "split", "--arch", "vax"], "`vax` is not an architecture that is known"),
    ] {
        place.refuses(&[&["pack", "tree", "-o", "out"], options].concat(), 2, words);
    }
    let run = Command::new(env!("CARGO_BIN_EXE_onepass"))
        .args(["pack", "tree", "-o", "out", "-f", "unified", "--arch", "amd64"])
        .env("SOURCE_DATE_EPOCH", "yesterday")
        .current_dir(place.directory.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{message}");
    assert!(
        message.contains("invalid value 'yesterday' for SOURCE_DATE_EPOCH: it is not a number of seconds"),
        "{message}"
    );
    assert_eq!(fs::read_dir(at("out")).unwrap().count(), 0);
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
