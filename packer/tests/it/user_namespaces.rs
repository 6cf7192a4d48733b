//! Packs in a user namespace, which shows what it does not map as other ids: the real owner is kept, or the entry is named.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use tempfile::TempDir;

use crate::corners::{PLACE, installed, pack};
use crate::same_bytes::succeeds;
use testkit::listing;
use testkit::log::skip;

/// Root alone, as `unshare --map-root-user` maps it.
const ROOT: &str = "0 0 1\n";
/// As containers have it, but for root, who has to read the tree: 65534 is an id of the namespace.
const CONTAINER: &str = "0 0 1\n1 100001 65535\n";

/// A tree of every kind of entry that anyone may write, and a place for images.
struct Place(TempDir);

const ENTRIES: [&str; 5] = ["directory", "fifo", "file", "hidden", "link"];

impl Place {
    /// `None`, and says so, where this cannot be tried.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skip("only root can give files to others");
            return None;
        }
        if let Err(why) = succeeds(Command::new("unshare").args(["-U", "true"])) {
            skip(&format!("no user namespaces: {why}"));
            return None;
        }
        let place = Place(TempDir::new_in(PLACE).unwrap());
        fs::create_dir_all(place.tree().join("directory")).unwrap();
        fs::create_dir(place.images()).unwrap();
        rustix::fs::mknodat(CWD, place.tree().join("fifo"), FileType::Fifo, Mode::empty(), 0).unwrap();
        for (file, mode) in [("file", 0o666), ("hidden", 0), ("directory", 0o777), ("fifo", 0o666)] {
            let file = place.tree().join(file);
            if !file.exists() {
                fs::write(&file, "text").unwrap();
            }
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("file", place.tree().join("link")).unwrap();
        Some(place)
    }

    fn tree(&self) -> PathBuf {
        self.0.path().join("tree")
    }

    fn images(&self) -> PathBuf {
        self.0.path().join("images")
    }

    fn give(&self, entry: &str, uid: u32, gid: u32) {
        lchown(self.tree().join(entry), Some(uid), Some(gid)).unwrap();
    }

    fn set(&self, entry: &str, attribute: &str, value: &[u8]) {
        rustix::fs::setxattr(self.tree().join(entry), attribute, value, XattrFlags::empty()).unwrap();
    }

    fn pack(&self, map: &str, options: &[&str]) -> Output {
        let paths = [self.images(), self.tree()];
        let mut arguments = vec!["pack", "--compression", "none", "--json", "--output"];
        arguments.extend(paths.iter().map(|path| path.to_str().unwrap()));
        inside(map, &[&arguments, options].concat())
    }

    /// The pack fails with one line about the entry, and leaves nothing.
    #[track_caller]
    fn fails(&self, map: &str, options: &[&str], entry: &str, what: &str) {
        let run = self.pack(map, options);
        assert_eq!(String::from_utf8_lossy(&run.stderr), self.line(entry, what), "{map}");
        assert_eq!(run.status.code(), Some(1));
        assert_eq!(fs::read_dir(self.images()).unwrap().count(), 0);
    }

    /// The pack has the entry with this owner.
    #[track_caller]
    fn keeps(&self, map: &str, options: &[&str], entry: &str, owner: (u64, u64)) {
        let run = self.pack(map, options);
        assert!(run.status.success(), "{map}{}", String::from_utf8_lossy(&run.stderr));
        let record: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
        let image = Path::new(record["path"].as_str().unwrap());
        let members = listing::of_tar(&fs::read(image).unwrap());
        let path = if entry.is_empty() { "." } else { entry };
        let member = members.iter().find(|member| member.path == path.as_bytes()).unwrap();
        assert_eq!(member.owner, owner, "{map}{entry}");
        fs::remove_file(image).unwrap();
    }

    fn line(&self, entry: &str, what: &str) -> String {
        let mut path = self.tree();
        if !entry.is_empty() {
            path.push(entry);
        }
        format!("onepass: `{}` {what}\n", path.display())
    }
}

/// Runs the command in a new user namespace with this map.
fn inside(map: &str, arguments: &[&str]) -> Output {
    let mut child = Command::new("unshare")
        .args(["-U", "sh", "-c", "echo ready; read go; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_onepass")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    for kind in ["uid_map", "gid_map"] {
        if !map.is_empty() {
            fs::write(format!("/proc/{}/{kind}", child.id()), map).unwrap();
        }
    }
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let mut printed = Vec::new();
    std::io::copy(&mut stdout, &mut printed).unwrap();
    Output { stdout: printed, ..child.wait_with_output().unwrap() }
}

const NO_USER: &str = "belongs to a user that has no id in this user namespace";
const NO_GROUP: &str = "belongs to a group that has no id in this user namespace";

#[test]
fn an_owner_that_is_not_mapped_is_named() {
    let Some(place) = Place::new() else { return };
    place.keeps(ROOT, &[], "file", (0, 0));
    for entry in ENTRIES {
        for (uid, gid, what) in [(1234, 1234, NO_USER), (1234, 0, NO_USER), (0, 1234, NO_GROUP), (65_534, 0, NO_USER)] {
            place.give(entry, uid, gid);
            place.fails(ROOT, &[], entry, what);
            place.fails(ROOT, &["--idmap", "both:0:0:4294967294"], entry, what);
            // Root of the namespace may not read it.
            if entry != "hidden" {
                place.keeps(ROOT, &["--owner", "7:8"], entry, (7, 8));
            }
            place.keeps(ROOT, &["--exclude", entry], "", (0, 0));
        }
        place.give(entry, 0, 0);
    }
    place.fails("", &[], "", NO_USER);
}

/// 165534 is 65534 inside, and 5 looks like it.
#[test]
fn where_the_number_does_not_decide_the_kernel_does() {
    let Some(place) = Place::new() else { return };
    let changed = |entry| fs::symlink_metadata(place.tree().join(entry)).map(|file| (file.ctime(), file.ctime_nsec()));
    for entry in ENTRIES {
        for (uid, gid, shown) in
            [(165_534, 165_534, (65_534, 65_534)), (0, 165_534, (0, 65_534)), (100_999, 0, (999, 0))]
        {
            place.give(entry, uid, gid);
            let before = changed(entry).unwrap();
            place.keeps(CONTAINER, &[], entry, shown);
            assert_eq!(changed(entry).unwrap(), before);
        }
        for (uid, gid, whose) in [(5, 5, "user"), (165_534, 5, "user"), (5, 165_534, "user"), (0, 5, "group")] {
            place.give(entry, uid, gid);
            let what = format!("belongs to {whose} 65534, or to a {whose} that has no id in this user namespace");
            place.fails(CONTAINER, &[], entry, &what);
        }
        place.give(entry, 0, 0);
    }
}

#[test]
fn ids_in_attributes_that_are_not_mapped_are_named() {
    let Some(place) = Place::new() else { return };
    let list = |tag: u16| -> Vec<u8> {
        let entries =
            [(1_u16, 7_u16, u32::MAX), (tag, 5, 1234), (4, 5, u32::MAX), (0x10, 7, u32::MAX), (0x20, 5, u32::MAX)];
        let mut sorted = entries;
        sorted.sort_by_key(|(tag, ..)| *tag);
        let entry = |(tag, permissions, id): (u16, u16, u32)| {
            [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        [2_u32.to_le_bytes().to_vec(), sorted.into_iter().flat_map(entry).collect()].concat()
    };
    for (entry, attribute, tag, whose) in [
        ("file", "system.posix_acl_access", 2, "user"),
        ("directory", "system.posix_acl_access", 8, "group"),
        ("directory", "system.posix_acl_default", 2, "user"),
    ] {
        place.set(entry, attribute, &list(tag));
        let what =
            format!("has an entry in `{attribute}` that belongs to a {whose} that has no id in this user namespace");
        place.fails(ROOT, &[], entry, &what);
        place.fails(ROOT, &["--owner", "0:0"], entry, &what);
        rustix::fs::removexattr(place.tree().join(entry), attribute).unwrap();
    }
    let capability = [0x0300_0000_u32, 1, 0, 0, 0, 1234].map(u32::to_le_bytes).concat();
    place.set("file", "security.capability", &capability);
    place.fails(ROOT, &[], "file", "has a file capability of a user that has no id in this user namespace");
}

#[test]
fn a_comparison_names_them_too() {
    let Some(place) = Place::new() else { return };
    place.give("file", 1234, 1234);
    let record = pack(&place.tree(), &place.images(), &[]);
    let run = inside(ROOT, &["verify", record["path"].as_str().unwrap(), "--against", place.tree().to_str().unwrap()]);
    assert_eq!(String::from_utf8_lossy(&run.stderr), place.line("file", NO_USER));
    assert_eq!((run.status.code(), run.stdout.len()), (Some(2), 0));
}

/// Only `/proc` tells what a user namespace maps.
#[test]
fn without_proc_an_owner_that_may_not_be_mapped_is_named() {
    let Some(place) = Place::new() else { return };
    let pack = |options: &[&str]| {
        let script = "umount -l /proc && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_onepass"), "pack", "-c", "none", "-q"]);
        command.arg("-o").arg(place.images()).arg(place.tree()).args(options).output().unwrap()
    };
    let whole = pack(&[]);
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    fs::remove_dir_all(place.images()).and_then(|()| fs::create_dir(place.images())).unwrap();
    for (uid, gid, whose) in [(65_534, 65_534, "user"), (65_534, 0, "user"), (0, 65_534, "group")] {
        place.give("file", uid, gid);
        let run = pack(&[]);
        let what = format!(
            "belongs to {whose} 65534, or to a {whose} that has no id in this user namespace: /proc is not there, which would tell"
        );
        assert_eq!(String::from_utf8_lossy(&run.stderr), place.line("file", &what));
        assert_eq!((run.status.code(), fs::read_dir(place.images()).unwrap().count()), (Some(1), 0));
    }
    assert!(pack(&["--owner", "0:0"]).status.success());
}

/// Mounts a tree once more, with a map of ids, and runs a program in the mount namespace: SOURCE TARGET MAP PROGRAM…
const IDMAPPED: &str = r#"
import ctypes, os, sys
source, target, map, *program = sys.argv[1:]
call = ctypes.CDLL(None, use_errno=True).syscall
def checked(result):
    if result < 0:
        sys.exit("no idmapped mounts: " + os.strerror(ctypes.get_errno()))
    return result
ready, go = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    checked(ctypes.CDLL(None, use_errno=True).unshare(0x10000000))
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    os._exit(0)
os.read(ready[0], 1)
for kind in ["uid_map", "gid_map"]:
    open(f"/proc/{child}/{kind}", "w").write(map)
namespace = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
tree = checked(call(428, -100, source.encode(), 1 | os.O_CLOEXEC))
attributes = (ctypes.c_uint64 * 4)(0x100000, 0, 0, namespace)
checked(call(442, tree, b"", 0x1000, attributes, 32))
checked(call(429, tree, b"", -100, target.encode(), 4))
os.write(go[1], b"x")
os.waitpid(child, 0)
os.execv(program[0], program)
"#;

/// A mount may leave ids out as well. They look like 65534 to everyone.
#[test]
fn an_owner_that_the_mount_does_not_map_is_named() {
    let Some(place) = Place::new() else { return };
    if !installed("python3", "--version") {
        return;
    }
    let target = place.0.path().join("on");
    fs::create_dir(&target).unwrap();
    let pack = |map: &str, options: &[&str]| {
        let mut run = Command::new("unshare");
        run.args(["--mount", "python3", "-c", IDMAPPED]).args([&place.tree(), &target]).arg(map);
        run.arg(env!("CARGO_BIN_EXE_onepass")).args(["pack", "--compression", "none", "--output"]);
        run.arg(place.images()).arg(&target).args(options).output().unwrap()
    };
    let (small, with_nobody) = ("0 0 1000", "0 0 1000\n65534 65534 1");
    let probe = pack(small, &[]);
    let said = String::from_utf8_lossy(&probe.stderr);
    if said.contains("no idmapped mounts") {
        return skip(&said);
    }
    assert!(probe.status.success(), "{said}");
    for entry in ENTRIES {
        for (uid, gid, map, whose) in [
            (1234, 0, small, Some("user")),
            (0, 1234, with_nobody, Some("group")),
            (65_534, 65_534, small, Some("user")),
            (65_534, 65_534, with_nobody, None),
            (999, 999, small, None),
        ] {
            place.give(entry, uid, gid);
            let run = pack(map, &[]);
            let line = whose.map(|whose| {
                let what = format!("belongs to {whose} 65534, or to a {whose} that the mount does not map");
                format!("onepass: `{}` {what}\n", target.join(entry).display())
            });
            assert_eq!(String::from_utf8_lossy(&run.stderr), line.unwrap_or_default(), "{entry} {uid} {gid}");
            assert_eq!(run.status.success(), whose.is_none(), "{entry} {uid} {gid}");
        }
        assert!(pack(small, &["--owner", "0:0"]).status.success());
        place.give(entry, 0, 0);
    }
}
