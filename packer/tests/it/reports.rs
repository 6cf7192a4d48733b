//! What a pack says when its image is complete: the line, the record, and the exit code if one of them cannot be written.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use testkit::log::skip;

use crate::formats::files;
use crate::laws::names;
use crate::strace::{self, strace};

/// A small tree, and a place for images.
fn place() -> TempDir {
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join("tree")).unwrap();
    fs::create_dir(place.path().join("out")).unwrap();
    fs::write(place.path().join("tree/file"), "text").unwrap();
    place
}

fn onepass(place: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onepass"));
    command.args(["pack", "tree"]).args(arguments).current_dir(place.path());
    command
}

/// Runs a script in which `$ONEPASS` is the command.
fn shell(place: &TempDir, script: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(place.path()).env("ONEPASS", env!("CARGO_BIN_EXE_onepass"));
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The fingerprint and the path in the line of a pack.
fn line(run: &Output) -> (String, String) {
    assert!(run.status.success(), "{}", text(&run.stderr));
    let (fingerprint, path) = text(&run.stdout).trim_end().split_once("  ").unwrap();
    (fingerprint.to_owned(), path.to_owned())
}

/// Whether the image is new or was there before.
#[test]
fn a_report_that_cannot_be_written_is_told_with_the_path_of_the_image() {
    let place = place();
    for way in [&["-f", "tar"][..], &["-f", "split", "--arch", "amd64"], &["-f", "oci", "--arch", "amd64"]] {
        let whole = place.path().join("whole");
        fs::create_dir(&whole).unwrap();
        let (fingerprint, path) = line(&onepass(&place, &["-o", "whole"]).args(way).output().unwrap());
        let start = format!("onepass: the image {fingerprint} is complete in `{}`, ", path.replace("whole", "out"));
        let check = |report: &[&str], stdout: Stdio, cause: &str| {
            let run = onepass(&place, &["-o", "out"]).args(way).args(report).stdout(stdout).output().unwrap();
            let told = format!("{start}but could not be reported: {cause}\n");
            assert_eq!((run.status.code(), text(&run.stderr)), (Some(4), &*told), "{way:?} {report:?}");
            assert!(files(&place.path().join("out")) == files(&whole), "{way:?} {report:?}");
        };
        let full = || Stdio::from(fs::File::options().write(true).open("/dev/full").unwrap());
        for report in [&[][..], &["--json"]] {
            check(report, full(), "cannot write to standard output: no space left on device");
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            check(report, writer.into(), "cannot write to standard output: broken pipe");
        }
        let cause = "cannot write the record to `/dev/full`: no space left on device";
        check(&["--json=/dev/full"], Stdio::null(), cause);
        fs::remove_dir_all(place.path().join("out")).unwrap();
        fs::create_dir(place.path().join("out")).unwrap();
        fs::remove_dir_all(whole).unwrap();
    }
    let run = onepass(&place, &["-o", "-", "--json=/dev/full"]).output().unwrap();
    let told = text(&run.stderr);
    assert_eq!(run.status.code(), Some(4), "{told}");
    assert!(told.contains(" is complete, but could not be reported: cannot write the record"), "{told}");
}

/// There is no image that could have been reported.
#[test]
fn an_unchanged_image_that_cannot_be_reported_is_a_failure() {
    let place = place();
    let (fingerprint, path) = line(&onepass(&place, &["-o", "out"]).output().unwrap());
    fs::remove_file(place.path().join(path)).unwrap();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let run = onepass(&place, &["-o", "out", "--if-changed", &fingerprint]).stdout(full).output().unwrap();
    let told = "onepass: cannot write to standard output: no space left on device\n";
    assert_eq!((run.status.code(), text(&run.stderr)), (Some(1), told));
    assert_eq!(names(&place.path().join("out")).len(), 0);
}

/// Each fsync of a pack fails in turn. Only the last comes when the image has its name.
#[test]
fn a_directory_that_cannot_be_synced_is_told_with_the_path_of_the_image() {
    if !strace::is_installed() {
        return;
    }
    for way in [&["-f", "tar"][..], &["-f", "split", "--arch", "amd64"], &["-f", "oci", "--arch", "amd64"]] {
        let (place, mut codes) = (place(), Vec::new());
        let (log, out) = (place.path().join("log"), place.path().join("out"));
        loop {
            let injection = format!("inject=fsync:error=EIO:when={}", codes.len() + 1);
            let mut command = strace(&["-f", "-e", "trace=fsync", "-e", &injection], &log);
            command.args(["pack", "tree", "-t", "1", "-o", "out"]).args(way).current_dir(place.path());
            let run = command.output().unwrap();
            let told = text(&run.stderr);
            match run.status.code() {
                Some(0) => break,
                Some(1) => assert_eq!(names(&out).len(), 0, "{way:?}: {told}"),
                code => {
                    assert_eq!(code, Some(4), "{told}");
                    let end = ", but the directory `out` cannot be synced: input/output error\n";
                    assert!(told.starts_with("onepass: the image got its name, `out") && told.ends_with(end), "{told}");
                }
            }
            let code = run.status.code().unwrap();
            let whole = if code == 4 { files(&out) } else { Default::default() };
            fs::remove_dir_all(&out).unwrap();
            fs::create_dir(&out).unwrap();
            if code == 4 {
                line(&onepass(&place, &["-o", "out"]).args(way).output().unwrap());
                assert!(files(&out) == whole, "{way:?}");
                fs::remove_dir_all(&out).unwrap();
                fs::create_dir(&out).unwrap();
            }
            codes.push(code);
        }
        let late = codes.iter().position(|code| *code == 4);
        assert_eq!(late, Some(codes.len() - 1), "{way:?}: {codes:?}");
    }
}

/// The standard library puts `/dev/null` in the place of a closed stream, where an image would be lost without a word.
#[test]
fn no_image_goes_to_a_closed_standard_output() {
    let place = place();
    let run = shell(&place, "exec $ONEPASS pack tree -o - >&-");
    let told = "onepass: cannot write the image to standard output: it is closed\n";
    assert_eq!((run.status.code(), text(&run.stderr)), (Some(1), told));
}

#[test]
fn a_result_that_goes_to_a_closed_stream_is_an_error() {
    let place = place();
    let [one, other] =
        ["none", "gzip"].map(|codec| line(&onepass(&place, &["-o", "out", "-c", codec]).output().unwrap()).1);
    fs::create_dir(place.path().join("changed")).unwrap();
    let changed = line(&shell(&place, "$ONEPASS pack changed -o out -c none")).1;
    let start = "onepass: the image ";
    for (command, code, words) in [
        ("pack tree -o out", 4, start),
        ("pack tree -o out --json", 4, start),
        ("pack tree -o out --json=record", 4, start),
        ("pack tree -f oci --arch amd64 -o layout", 4, start),
        ("pack tree --dry-run", 1, ""),
        ("pack tree --dry-run --json", 1, ""),
        (&*format!("verify {one}"), 2, ""),
        (&format!("verify {one} --against changed"), 2, ""),
        (&format!("inspect {one}"), 2, ""),
        (&format!("inspect {one} --json"), 2, ""),
        (&format!("diff {one} {changed}"), 2, ""),
        (&format!("diff {one} {other} --json"), 2, ""),
        ("completions bash", 1, ""),
        ("man pack", 1, ""),
    ] {
        let _ = fs::create_dir(place.path().join("layout"));
        let run = shell(&place, &format!("exec $ONEPASS {command} >&-"));
        let said = text(&run.stderr);
        assert_eq!(run.status.code(), Some(code), "{command}: {said}");
        let end = "cannot write to standard output: it is closed\n";
        assert!(said.contains(words) && said.ends_with(end), "{command}: {said}");
        // Who asks for no output gets none. Python's `DEVNULL` is open for reading, too.
        for null in ["> /dev/null", "1<> /dev/null"] {
            let run = shell(&place, &format!("exec $ONEPASS {command} {null}"));
            let is_answer = command.contains("--against") || command.contains(&changed);
            assert_eq!(run.status.code(), Some(i32::from(is_answer)), "{command} {null}: {}", text(&run.stderr));
        }
    }
    // Nothing is lost if there is nothing to say.
    for command in [format!("verify {one} --against tree"), format!("diff {one} {other}")] {
        let run = shell(&place, &format!("exec $ONEPASS {command} >&-"));
        assert_eq!(run.status.code(), Some(0), "{command}: {}", text(&run.stderr));
    }
    // The fingerprint of a stream goes to standard error.
    for (streams, code) in [("> image 2>&-", 4), ("> image 2> /dev/null", 0), ("1<> /dev/null", 0)] {
        let run = shell(&place, &format!("exec $ONEPASS pack tree -o - {streams}"));
        assert_eq!(run.status.code(), Some(code), "{streams}: {}", text(&run.stderr));
    }
}

#[test]
fn the_record_has_the_exclusions_that_matched_nothing() {
    let place = place();
    for way in ["-o out --json", "--dry-run --json"] {
        let exclusions = "--exclude ./nothing --exclude 'f*' --exclude file --exclude 'no*/[x]'";
        let run = shell(&place, &format!("exec $ONEPASS pack tree {way} {exclusions}"));
        let record: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(record["unmatched_exclusions"], serde_json::json!(["nothing", "no*/[x]"]), "{way}");
        let run = shell(&place, &format!("exec $ONEPASS pack tree {way}"));
        let record: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(record["unmatched_exclusions"], serde_json::json!([]), "{way}");
    }
}

#[test]
fn an_earlier_record_stays_until_the_new_one_is_complete() {
    let place = place();
    let (record, before) = (place.path().join("record"), "an earlier record\n");
    let listed = || {
        let mut names = names(place.path());
        names.sort();
        names
    };
    fs::write(&record, before).unwrap();
    let (names, inode) = (listed(), fs::metadata(&record).unwrap().ino());
    // The first pack fails; of the second, the record cannot be written.
    for (script, code, words) in [
        ("exec $ONEPASS pack missing -o out --json=record", 1, "cannot open the root filesystem `missing`"),
        (
            "ulimit -f 0; exec $ONEPASS pack tree -o - --json=record > /dev/null",
            4,
            "record to `record`: file too large",
        ),
    ] {
        let run = shell(&place, script);
        let told = text(&run.stderr);
        assert!(run.status.code() == Some(code) && told.contains(words), "{script}: {:?} {told}", run.status);
        assert_eq!(fs::read_to_string(&record).unwrap(), before, "{script}");
        assert_eq!((fs::metadata(&record).unwrap().ino(), listed()), (inode, names.clone()), "{script}");
    }
    // None is begun, either.
    for script in ["exec $ONEPASS pack missing -o out --json=new", "exec $ONEPASS pack tree -o out --json=new/"] {
        let run = shell(&place, script);
        assert_eq!((run.status.code(), listed()), (Some(1), names.clone()), "{script}");
    }
    fs::set_permissions(&record, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("record", place.path().join("link")).unwrap();
    line(&onepass(&place, &["-o", "out", "--json=link"]).output().unwrap());
    assert!(fs::symlink_metadata(place.path().join("link")).unwrap().is_symlink());
    let found = fs::metadata(&record).unwrap();
    assert!(found.ino() != inode, "the record was not replaced as a whole");
    assert_eq!(found.mode() & 0o7777, 0o640);
    serde_json::from_slice::<Value>(&fs::read(&record).unwrap()).unwrap();
}

/// Its holder reads what is open, not what has the name.
#[test]
fn an_inherited_handle_gets_the_record() {
    let place = place();
    let run = shell(&place, "exec 3<> file; $ONEPASS pack tree -o out --json=/dev/fd/3 > line && cat <&3");
    assert!(run.status.success(), "{}", text(&run.stderr));
    let record: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(record["outcome"], "published");
}

#[test]
fn the_line_is_what_sha256sum_takes_and_the_record_has_the_bytes_of_the_path() {
    let place = place();
    for name in [&b"plain"[..], b"new\nline", b"back\\slash", b"return\r", b"not \xff text"] {
        let name = OsStr::from_bytes(name);
        fs::create_dir(place.path().join(name)).unwrap();
        let run = onepass(&place, &["-o"]).arg(name).output().unwrap();
        assert!(run.status.success());
        let mut check = Command::new("sha256sum");
        check.args(["--check", "--strict", "-"]).current_dir(place.path());
        let mut check = check.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        check.stdin.take().unwrap().write_all(&run.stdout).unwrap();
        let check = check.wait_with_output().unwrap();
        assert!(check.status.success(), "{name:?}: {}", String::from_utf8_lossy(&check.stderr));
        let run = onepass(&place, &["--json", "-o"]).arg(name).output().unwrap();
        let record: Value = serde_json::from_slice(&run.stdout).unwrap();
        let path = Path::new(name).join(format!("{}.tar.gz", record["fingerprint"].as_str().unwrap()));
        assert_eq!(record["path"], *path.to_string_lossy(), "{name:?}");
        let bytes = path.as_os_str().as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let hex = if path.to_str().is_some() { Value::Null } else { hex.into() };
        assert_eq!(record["path_hex"], hex, "{name:?}");
    }
}

#[test]
fn the_record_has_the_bytes_of_skipped_mounts() {
    let place = place();
    for name in [&b"a"[..], b"\xff"] {
        fs::create_dir(place.path().join("tree").join(OsStr::from_bytes(name))).unwrap();
    }
    let script = "for directory in tree/*/; do mount --bind \"$directory\" \"$directory\" || exit 77; done; \
         \"$ONEPASS\" pack tree -o out --json && \"$ONEPASS\" pack tree --dry-run --json";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script]).current_dir(place.path());
    let run = command.env("ONEPASS", env!("CARGO_BIN_EXE_onepass")).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    if run.status.code() == Some(77) || told.starts_with("unshare:") {
        return skip(&format!("no mount in a namespace: {told}"));
    }
    assert!(run.status.success(), "{told}");
    let records: Vec<Value> = text(&run.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for record in &records {
        let mounts = record["mounts_skipped"].as_array().unwrap();
        assert!(mounts.len() == 2 && mounts[1].as_str().unwrap().ends_with('\u{fffd}'), "{record}");
        let hex = record["mounts_skipped_hex"].as_array().unwrap();
        assert!(hex.len() == 2 && hex[0].is_null() && hex[1].as_str().unwrap().ends_with("ff"), "{record}");
    }
    assert_eq!(records.len(), 2);
}

/// A mount point, as containers get single files.
#[test]
fn a_record_that_nothing_can_be_renamed_over_is_written_to() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount");
    }
    let place = place();
    fs::write(place.path().join("record"), "an earlier record, longer than the new one ".repeat(100)).unwrap();
    fs::write(place.path().join("mounted"), "").unwrap();
    let script = "unshare --mount sh -c 'mount --bind record mounted && \"$ONEPASS\" pack tree -o out --json=mounted'";
    let (_, path) = line(&shell(&place, script));
    let record: Value = serde_json::from_slice(&fs::read(place.path().join("record")).unwrap()).unwrap();
    assert_eq!(record["path"], path);
    let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("onepass")), "{left:?}");
}

/// A list of exclusions that cannot be read is not an empty one.
#[test]
fn exclusions_from_a_closed_stream_are_an_error() {
    let place = place();
    let run = shell(&place, "\"$ONEPASS\" pack tree -o out --exclude-from - <&-");
    let told = "onepass: cannot read standard input: it is closed\n";
    assert_eq!((run.status.code(), text(&run.stderr)), (Some(1), told));
    assert_eq!(names(&place.path().join("out")).len(), 0);
}
